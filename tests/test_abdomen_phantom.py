"""The abdomen phantom: geometry, truth, difficulty, and that it rewards registration."""

import importlib
import importlib.util
import os
import sys
from dataclasses import replace
from functools import cache
from pathlib import Path
from types import ModuleType

import numpy as np
import pytest
import yaml
from numpy.typing import NDArray
from scipy import ndimage

from regbench.data.pair import Pair
from regbench.phantom.motion import best_affine
from regbench.spatial.field import Field
from regbench.spatial.operations import inverse_residual, jacobian_determinant, resample_field
from regbench.spatial.warp import warp_image, warp_labels, warp_points

FOLDER = Path(__file__).parents[1] / "datasets" / "abdomen_phantom"
SEEDS = range(9000, 9010)
#: The seeds that the documented calibration was measured on.
ALL_SEEDS = range(9000, 9034)
#: Labels of each organ, and the mean and standard deviation of its moving Dice to aim at, %.
ORGANS = {"liver": ((1,), 77.0, 4.0), "spleen": ((2,), 78.0, 3.0), "kidney": ((3, 4), 80.0, 3.0)}


@cache
def plugin() -> ModuleType:
    """The plugin's module, loaded by path as the engine does."""
    name = "_test_abdomen_phantom"
    spec = importlib.util.spec_from_file_location(
        name, FOLDER / "__init__.py", submodule_search_locations=[str(FOLDER)]
    )
    assert spec is not None and spec.loader is not None
    package = importlib.util.module_from_spec(spec)
    sys.modules[name] = package
    spec.loader.exec_module(package)
    return importlib.import_module(f"{name}.dataset")


@cache
def pair_of(seed: int) -> Pair:
    return plugin().make_pair(seed)


def parts(pair: Pair, k: int) -> tuple[NDArray, NDArray, NDArray, NDArray]:
    """Image, labels, mask and landmarks of one side."""
    side = pair.sides[k]
    assert side.labels is not None and side.mask is not None and side.landmarks is not None
    return side.image.data, side.labels.data, side.mask.data > 0, side.landmarks


def fields_of(pair: Pair) -> tuple[Field, Field]:
    assert pair.fields is not None
    return pair.fields


def dice(first: NDArray, second: NDArray) -> float:
    return 200.0 * (first & second).sum() / (first.sum() + second.sum())


def correlation(first: NDArray, second: NDArray) -> float:
    return float(np.corrcoef(first.ravel(), second.ravel())[0, 1])


def test_metadata() -> None:
    meta = yaml.safe_load((FOLDER / "dataset.yaml").read_text())
    assert set(meta) == {
        *("title", "description", "version", "generate", "settings", "splits", "modalities"),
        *("labels", "direction", "prealigned", "source"),
    }
    assert tuple(meta["settings"]["shape"]) == plugin().DEFAULT
    names = importlib.import_module(f"{plugin().__package__}.anatomy").LABELS
    assert {int(number): name for number, name in meta["labels"].items()} == names
    ranges = [range(s["seed"], s["seed"] + s["count"]) for s in meta["splits"].values()]
    seeds = [seed for one in ranges for seed in one]
    assert len(seeds) == len(set(seeds)) and not set(seeds) & set(range(9000, 9100))


@pytest.mark.verify
def test_equal_seeds_give_equal_bytes_and_others_do_not() -> None:
    make_pair = plugin().make_pair
    first, again, other = (make_pair(seed, shape=[24, 24, 24]) for seed in (9001, 9001, 9002))
    for k in (0, 1):
        for one, two in zip(parts(first, k), parts(again, k), strict=True):
            assert one.tobytes() == two.tobytes()
        one, two = (fields_of(pair)[k].displacement for pair in (first, again))
        assert one.tobytes() == two.tobytes()
        assert correlation(parts(first, k)[0], parts(other, k)[0]) < 0.99


@pytest.mark.parametrize("seed", SEEDS)
def test_geometry(seed: int) -> None:
    pair = pair_of(seed)
    for k in (0, 1):
        image, labels, mask, landmarks = parts(pair, k)
        affine = pair.sides[k].image.affine
        assert image.shape == labels.shape == mask.shape == (48, 48, 48)
        assert image.dtype == np.float32 and image.min() >= 0 and image.max() <= 1
        # RAS, 3 mm, the middle of the field of view at the origin.
        assert np.allclose(
            affine, np.diag([3.0, 3, 3, 1]) + np.pad([[-70.5]] * 3, ((0, 1), (3, 0)))
        )
        assert set(np.unique(labels)) == {0, 1, 2, 3, 4}
        liver, spleen, left, right = (np.argwhere(labels == n).mean(axis=0) for n in (1, 2, 3, 4))
        # x grows to the patient's right, z to the head, y to the front.
        assert spleen[0] < liver[0] and left[0] < right[0]
        assert right[2] < liver[2] and right[1] < liver[1]
        # Air is exactly 0, the body is not, and no organ leaves it.
        assert (image[~mask] == 0).all() and (image[mask] == 0).mean() < 0.01
        assert mask[labels > 0].all()
        assert len(landmarks) >= 10 and (landmarks >= 0).all() and (landmarks <= 47).all()


@pytest.mark.parametrize("seed", SEEDS)
def test_fields_have_no_folds_and_undo_each_other(seed: int) -> None:
    pair = pair_of(seed)
    fields = fields_of(pair)
    for k in (0, 1):
        assert jacobian_determinant(fields[k].displacement).min() > 0.1
        residual = inverse_residual(fields[1 - k], fields[k])
        assert residual[parts(pair, k)[2]].max() <= 0.0501


@pytest.mark.parametrize("seed", SEEDS)
def test_images_and_labels_follow_the_field(seed: int) -> None:
    pair = pair_of(seed)
    for k in (0, 1):
        image, labels, _, _ = parts(pair, k)
        other_image, other_labels, _, _ = parts(pair, 1 - k)
        field = fields_of(pair)[k]
        warped_labels = warp_labels(pair.sides[1 - k].labels, field).data  # type: ignore[arg-type]
        warped = warp_image(pair.sides[1 - k].image, field).data
        organs = labels > 0
        for numbers, least in (((1,), 92.0), ((2,), 86.0), ((3, 4), 86.0)):
            own = np.isin(labels, numbers)
            after = dice(own, np.isin(warped_labels, numbers))
            assert after > least
            assert after > dice(own, np.isin(other_labels, numbers)) + 2
        # CT and MR share edges, not intensities: compare how steep they are.
        steep = [ndimage.gaussian_gradient_magnitude(i, 1.0)[organs] for i in (image, warped)]
        blind = ndimage.gaussian_gradient_magnitude(other_image, 1.0)[organs]
        assert correlation(*steep) > correlation(steep[0], blind) + 0.1


def test_contrast_is_no_monotone_map() -> None:
    pair = pair_of(9000)
    image, labels, mask, _ = parts(pair, 0)
    ct = warp_image(pair.sides[1].image, fields_of(pair)[0]).data
    bone = ct > 0.9
    liver, spleen = labels == 1, labels == 2
    assert np.median(ct[bone & mask]) > np.median(ct[liver])
    assert np.median(image[bone & mask & (labels == 0)]) < np.median(image[liver])
    assert np.median(image[spleen]) > 1.2 * np.median(image[liver])


@pytest.mark.parametrize("seed", SEEDS)
def test_landmarks_follow_the_field(seed: int) -> None:
    pair = pair_of(seed)
    there, back = fields_of(pair)
    fixed, moving = parts(pair, 0)[3], parts(pair, 1)[3]
    assert np.abs(warp_points(fixed, there) - moving).max() <= 0.05
    assert np.linalg.norm(warp_points(moving, back) - fixed, axis=1).max() <= 0.1
    assert np.linalg.norm(moving - fixed, axis=1).mean() > 0.5


def test_landmarks_lie_in_vessels() -> None:
    """The first landmarks are forks of thick vessels: dark on MR, bright on CT."""
    for seed in (9000, 9001, 9002):
        pair = pair_of(seed)
        for k, sign in ((0, -1), (1, 1)):
            image, labels, _, landmarks = parts(pair, k)
            index = np.rint(landmarks[:3]).astype(int)
            assert (sign * (image[tuple(index.T)] - np.median(image[labels == 1]))).mean() > 0.05


def test_nothing_affine_is_left_to_align() -> None:
    for seed in SEEDS:
        pair = pair_of(seed)
        mask = parts(pair, 0)[2]
        corners = np.array([[x, y, z, 1.0] for x in (0, 47) for y in (0, 47) for z in (0, 47)])
        matrix = best_affine(fields_of(pair)[0], mask.astype(np.float32))
        assert np.abs(corners @ matrix.T - corners).max() < 0.05


def test_noise_is_not_shared() -> None:
    """Deep in the spleen, which has no vessels, all that is left is texture and noise."""
    details: list[list[NDArray]] = [[], []]
    for seed in SEEDS:
        pair = pair_of(seed)
        image, labels, _, _ = parts(pair, 0)
        warped = warp_image(pair.sides[1].image, fields_of(pair)[0]).data
        deep = ndimage.binary_erosion(labels == 2, iterations=3)
        for detail, volume in zip(details, (image, warped), strict=True):
            detail.append((volume - ndimage.uniform_filter(volume, 3))[deep])
    first, second = (np.concatenate(detail) for detail in details)
    assert len(first) > 150
    assert min(first.std(), second.std()) > 0.005
    assert abs(correlation(first, second)) < 0.25


def check_difficulty(seeds: range) -> None:
    """Moving Dice of every organ is as hard as it is meant to be."""
    for numbers, mean, deviation in ORGANS.values():
        scores = []
        for seed in seeds:
            fixed, moving = (np.isin(parts(pair_of(seed), k)[1], numbers) for k in (0, 1))
            scores.append(dice(fixed, moving))
        assert abs(np.mean(scores) - mean) <= 3
        assert deviation / 2 <= np.std(scores, ddof=1) <= deviation * 2


def share_explained(training: range, test: range) -> float:
    """The part of the test fields' energy in the body that the mean training field explains."""
    mean = np.mean([fields_of(pair_of(seed))[0].displacement for seed in training], axis=0)
    rest = total = 0.0
    for seed in test:
        inside = parts(pair_of(seed), 0)[2]
        true = fields_of(pair_of(seed))[0].displacement
        rest += float(((true - mean)[inside] ** 2).sum())
        total += float((true[inside] ** 2).sum())
    return 1 - rest / total


def test_difficulty() -> None:
    check_difficulty(SEEDS)


def test_the_mean_field_of_others_explains_little() -> None:
    assert share_explained(SEEDS[:6], SEEDS[6:]) < 0.25


@pytest.mark.skipif(not os.environ.get("REGBENCH_SLOW"), reason="a minute: REGBENCH_SLOW=1")
def test_calibration_on_all_seeds() -> None:
    check_difficulty(ALL_SEEDS)
    assert share_explained(ALL_SEEDS[:24], ALL_SEEDS[24:]) < 0.25
    for seed in ALL_SEEDS:
        there, back = fields_of(pair_of(seed))
        assert inverse_residual(there, back)[parts(pair_of(seed), 1)[2]].max() <= 0.0501
        assert inverse_residual(back, there)[parts(pair_of(seed), 0)[2]].max() <= 0.0501


def test_motion_is_large_in_the_liver() -> None:
    lengths = []
    for seed in SEEDS:
        length = np.linalg.norm(fields_of(pair_of(seed))[0].displacement, axis=-1)
        lengths.append(length[parts(pair_of(seed), 0)[1] == 1])
    assert np.mean([length.mean() for length in lengths]) > 1.8


def test_sliding_sharpens_the_wall() -> None:
    """With sliding, the velocity drops across the wall within two voxels."""
    steep = []
    for pair in (pair_of(9003), plugin().make_pair(9003, sliding=1.0)):
        for field in fields_of(pair):
            assert jacobian_determinant(field.displacement).min() > 0
        upward = fields_of(pair)[0].displacement[..., 2]
        body = ndimage.binary_erosion(parts(pair, 0)[2], iterations=2)
        steep.append(max(np.abs(np.gradient(upward, axis=a))[body].max() for a in (0, 1)))
    assert steep[1] > 1.5 * steep[0]


def test_the_patient_is_the_same_at_every_shape() -> None:
    small = plugin().make_pair(9004, shape=(36, 32, 40))
    default = pair_of(9004)
    assert np.allclose(small.sides[0].image.spacing, [4.0, 4.5, 3.6])
    for k in (0, 1):
        ends = []
        for pair in (small, default):
            _, labels, _, landmarks = parts(pair, k)
            affine = pair.sides[k].image.affine
            ends.append(landmarks @ affine[:3, :3].T + affine[:3, 3])
            volume = (labels == 1).sum() * abs(np.linalg.det(affine[:3, :3]))
            assert volume == pytest.approx(94_000, rel=0.3)
        assert np.abs(ends[0] - ends[1]).max() < 1.0
    field = fields_of(default)[0]
    resampled = resample_field(fields_of(small)[0], field.shape, field.affine)
    gap = np.linalg.norm(resampled.displacement - field.displacement, axis=-1)
    assert gap[parts(default, 0)[2]].max() < 0.5


@pytest.mark.skipif(not os.environ.get("REGBENCH_SLOW"), reason="half a minute: REGBENCH_SLOW=1")
def test_the_largest_shape_works() -> None:
    pair = plugin().make_pair(9003, shape=(144, 144, 128))
    fields = fields_of(pair)
    for k in (0, 1):
        _, labels, mask, landmarks = parts(pair, k)
        assert set(np.unique(labels)) == {0, 1, 2, 3, 4} and len(landmarks) >= 10
        assert jacobian_determinant(fields[k].displacement).min() > 0.1
        assert inverse_residual(fields[1 - k], fields[k])[mask].max() <= 0.05


@pytest.mark.parametrize("sliding", [0.0, 1.0])
def test_a_motion_that_would_fold_is_scaled_down(sliding: float) -> None:
    anatomy, motion, flow = (
        importlib.import_module(f"{plugin().__package__}.{name}")
        for name in ("anatomy", "motion", "flow")
    )
    patient, moves = (np.random.default_rng([9000, stream]) for stream in range(2))
    body = anatomy.Anatomy.draw(patient)
    drawn = motion.Motion.draw(moves, body, 1.0)
    organs = tuple(replace(part, shift=4 * part.shift) for part in drawn.organs)
    wild = replace(drawn, organs=organs)
    forward, backward, kept = flow.true_fields(wild, body, (32, 32, 32), sliding)
    least = [float(jacobian_determinant(f.displacement).min()) for f in (forward, backward)]
    assert 0.05 < kept < 1
    assert min(least) > 0.02
    assert np.abs(forward.displacement).max() > 1
