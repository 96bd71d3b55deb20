"""The lung phantom: geometry, truth, difficulty, and that it rewards registration."""

import dataclasses
import importlib
import importlib.util
import os
import sys
from functools import cache
from pathlib import Path
from types import ModuleType

import numpy as np
import pytest
import yaml
from numpy.typing import NDArray

from regbench.data.pair import Pair
from regbench.phantom import shapes, vessels
from regbench.phantom.motion import best_affine
from regbench.spatial.field import Field
from regbench.spatial.operations import inverse_residual, jacobian_determinant, resample_field
from regbench.spatial.volume import centred_affine, voxel_grid, voxel_to_world
from regbench.spatial.warp import warp_image, warp_labels, warp_points

FOLDER = Path(__file__).parents[1] / "datasets" / "lung_phantom"
SEEDS = range(9000, 9010)


@cache
def plugin() -> ModuleType:
    """The plugin's module, loaded by path as the engine does."""
    name = "_test_lung_phantom"
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


def test_metadata() -> None:
    meta = yaml.safe_load((FOLDER / "dataset.yaml").read_text())
    assert set(meta) == {
        *("title", "description", "version", "generate", "settings", "splits", "modalities"),
        *("labels", "direction", "prealigned", "source"),
    }
    assert tuple(meta["settings"]["shape"]) == plugin().DEFAULT
    ranges = [range(s["seed"], s["seed"] + s["count"]) for s in meta["splits"].values()]
    seeds = [seed for one in ranges for seed in one]
    assert len(seeds) == len(set(seeds)) and not set(seeds) & set(range(9000, 9100))


@pytest.mark.verify
def test_equal_seeds_give_equal_bytes_and_others_do_not() -> None:
    first, again = pair_of(9000), plugin().make_pair(9000)
    for k in (0, 1):
        for one, two in zip(parts(first, k), parts(again, k), strict=True):
            assert one.tobytes() == two.tobytes()
        fields = fields_of(first)[k], fields_of(again)[k]
        assert fields[0].displacement.tobytes() == fields[1].displacement.tobytes()
    assert not np.array_equal(parts(first, 0)[0], parts(pair_of(9001), 0)[0])


def test_geometry_and_ranges() -> None:
    pair = pair_of(9000)
    for k in (0, 1):
        image, labels, mask, _ = parts(pair, k)
        assert image.shape == labels.shape == mask.shape == (48, 48, 64)
        assert image.dtype == np.float32 and image.min() == 0 and image.max() <= 1
        affine = pair.sides[k].image.affine
        assert np.allclose(np.diag(affine), [3, 3, 3, 1])
        centre = affine @ [23.5, 23.5, 31.5, 1]
        assert np.allclose(centre[:3], 0)
        assert set(np.unique(labels)) == {0, 1, 2}
        # RAS: x grows to the patient's right, so the left lung comes first.
        assert np.nonzero(labels == 1)[0].mean() < np.nonzero(labels == 2)[0].mean()
        # The corners along z are air, exactly 0 without noise; there is none in the body.
        assert (image[:2, :2] == 0).all() and (image[-2:, -2:] == 0).all()
        assert (image[mask] == 0).mean() < 1e-3
        assert mask[labels > 0].mean() > 0.8


@pytest.mark.parametrize("seed", SEEDS)
def test_fields_have_no_folds_and_undo_each_other(seed: int) -> None:
    pair = pair_of(seed)
    fields = fields_of(pair)
    for k in (0, 1):
        assert jacobian_determinant(fields[k].displacement).min() > 0.1
        residual = inverse_residual(fields[1 - k], fields[k])
        assert residual[parts(pair, k)[2]].max() <= 0.05


@pytest.mark.parametrize("seed", SEEDS)
def test_images_and_labels_follow_the_field(seed: int) -> None:
    pair = pair_of(seed)
    for k in (0, 1):
        image, labels, mask, _ = parts(pair, k)
        other, other_labels, _, _ = parts(pair, 1 - k)
        field = fields_of(pair)[k]
        warped = warp_image(pair.sides[1 - k].image, field).data
        moving = pair.sides[1 - k].image.with_data(other_labels)
        back = warp_labels(moving, field, "linear").data
        for label in (1, 2):
            inside = mask & (labels == label)
            assert dice(inside, mask & (back == label)) > 95
        assert np.corrcoef(image[mask], warped[mask])[0, 1] > 0.93
        lungs = mask & (labels > 0)
        after = np.corrcoef(image[lungs], warped[lungs])[0, 1]
        before = np.corrcoef(image[lungs], other[lungs])[0, 1]
        assert after > 0.7 and after > before + 0.3
        assert dice(labels > 0, other_labels > 0) < dice(labels > 0, back > 0) - 3


@pytest.mark.parametrize("seed", SEEDS)
def test_landmarks_map_by_the_fields_and_lie_on_vessels(seed: int) -> None:
    pair = pair_of(seed)
    fields = fields_of(pair)
    first, second = parts(pair, 0)[3], parts(pair, 1)[3]
    assert len(first) == len(second) >= 20
    for points in (first, second):
        assert points.min() >= 0 and (points <= np.array([47, 47, 63])).all()
    assert np.linalg.norm(warp_points(first, fields[0]) - second, axis=1).max() < 0.05
    # Independent of how they were made: the inverse leads back.
    assert np.linalg.norm(warp_points(second, fields[1]) - first, axis=1).max() < 0.05
    for k, points in enumerate((first, second)):
        image, labels, _, _ = parts(pair, k)
        at = image[tuple(np.rint(points).astype(int).T)]
        assert np.median(at) > np.median(image[labels > 0]) + 0.15


def regions(seed: int) -> dict[str, NDArray]:
    """Masks (X, Y, Z) of the first image by the patient's anatomy, and the lungs' depth in mm."""
    parent = plugin().__package__
    modules = ("patient", "lungs", "render", "grid")
    patients, lungs, render, grid = (importlib.import_module(f"{parent}.{m}") for m in modules)
    patient = patients.draw_patient(np.random.default_rng(np.random.SeedSequence(seed).spawn(4)[0]))
    shape = plugin().DEFAULT
    affine = centred_affine(shape, grid.FIELD_OF_VIEW)
    points = voxel_to_world(voxel_grid(shape), affine).astype(np.float32) - patient.offset
    body = render.body_distance(patient, points)
    cavity = lungs.cavity_distance(patient.chest, points)
    spine = lungs.spine_distance(patient.chest, points) < 0
    trees = [vessels.tree_distance(tree, points) for tree in patient.trees]
    return {
        "body": body < 0,
        "spine": spine,
        "skin": (body < 0) & (body > -4),
        "frame": (body < 0) & ((cavity > 0) | spine),
        "dome": (np.abs(lungs.diaphragm_distance(patient.chest, points)) < 3) & (cavity < -6),
        "behind spine": (body < -8) & spine,
        "vessel": np.minimum.reduce(trees) < -1,
        "parenchyma": np.minimum.reduce(trees) > 3,
        "deep": lungs.lung_distance(patient.chest, points) < -5,
    }


@pytest.mark.parametrize("seed", SEEDS)
def test_spine_and_skin_hardly_move_against_the_lungs(seed: int) -> None:
    pair, region = pair_of(seed), regions(seed)
    field = fields_of(pair)[0].displacement
    length = np.linalg.norm(field, axis=-1)
    moved = length[parts(pair, 0)[1] > 0].mean()
    assert moved > 1
    for still in ("spine", "skin"):
        assert length[region[still]].mean() < 0.25 * moved
    assert length[region["spine"]].max() < 1.2
    # Upright: the spine is no less straight at expiration, and nowhere less than 8 mm from the air.
    assert np.abs(field[region["spine"], 0]).max() < 0.8
    assert (region["behind spine"] == region["spine"]).all()


def test_pairs_are_aligned_by_spine_and_body_wall() -> None:
    for seed in (9000, 9001):
        field, region = fields_of(pair_of(seed))[0], regions(seed)
        matrix = best_affine(field, region["frame"].astype(np.float32))
        assert np.abs(matrix - np.eye(4)).max() < 0.05
        # What an affine could take off the whole body is a few percent of its size.
        whole = best_affine(field, region["body"].astype(np.float32))
        assert np.abs(whole[:3, :3] - np.eye(3)).max() < 0.05


def test_vessels_show_at_the_default_size() -> None:
    for seed in SEEDS:
        pair, region = pair_of(seed), regions(seed)
        image = parts(pair, 0)[0]
        seen = image[region["vessel"] & region["deep"]]
        around = image[region["parenchyma"] & region["deep"]]
        assert len(seen) > 100
        # Ten times the spread of noise and texture.
        assert np.median(seen) - np.median(around) > max(0.4, 10 * around.std())


def test_difficulty_is_as_calibrated() -> None:
    scores = [dice(parts(pair_of(s), 0)[1] > 0, parts(pair_of(s), 1)[1] > 0) for s in SEEDS]
    assert abs(np.mean(scores) - 92) < 2
    assert 0.7 < np.std(scores, ddof=1) < 2.8


def test_the_mean_field_explains_little() -> None:
    """What the population alone tells about a case: 24 cases averaged, 10 others tested."""
    pairs = [plugin().make_pair(seed, shape=(16, 16, 24)) for seed in range(9000, 9034)]
    mean = np.mean([fields_of(pair)[0].displacement for pair in pairs[:24]], axis=0)
    left = total = 0.0
    for pair in pairs[24:]:
        lungs, truth = parts(pair, 0)[1] > 0, fields_of(pair)[0].displacement
        left += float(np.linalg.norm(truth - mean, axis=-1)[lungs].mean())
        total += float(np.linalg.norm(truth, axis=-1)[lungs].mean())
    assert 1 - left / total < 0.25


@pytest.mark.parametrize("seed", SEEDS)
def test_the_second_image_is_expired(seed: int) -> None:
    pair = pair_of(seed)
    assert fields_of(pair)[0].displacement[regions(seed)["dome"], 2].mean() > 0
    for label, key in ((1, "log_volume_left"), (2, "log_volume_right")):
        assert pair.notes[key] < -0.15
        first, second = (parts(pair, k)[0][parts(pair, k)[1] == label] for k in (0, 1))
        assert np.median(second) > np.median(first) + 0.01
        assert len(second) < 1.02 * len(first)


def test_each_lung_and_lobe_has_its_own_motion() -> None:
    velocity = importlib.import_module(f"{plugin().__package__}.velocity")
    scale = np.ones(3, np.float32)
    drawn = [velocity.draw_velocity(np.random.default_rng(k), scale) for k in range(200)]
    lobes = np.stack([one.lobes for one in drawn])
    assert lobes.shape == (200, 5, 3)
    for amplitudes in (lobes[..., 1], np.stack([one.lift for one in drawn])):
        between = np.corrcoef(amplitudes.T) - np.eye(amplitudes.shape[1])
        assert np.abs(between).max() < 0.25 and amplitudes.std() > 2
    # A lobe alone moves its own part most.
    zero = {n: 0 * getattr(drawn[0], n) for n in ("lift", "tilt", "ribs", "lobes", "bulges")}
    # Middles of the lobes: left upper and lower, right upper, middle and lower.
    middles = [[-32, 10, 35], [-33, -16, -40], [32, 10, 45], [34, 20, -30], [33, -18, -40]]
    for k in range(5):
        alone = zero["lobes"].copy()
        alone[k, 1] = 10.0
        motion = dataclasses.replace(drawn[0], **(zero | {"lobes": alone}))
        at = [motion.on_grid([np.array([c]) for c in place])[0, 0, 0, 1] for place in middles]
        assert np.argmax(at) == k and at[k] > 2


def test_noise_is_independent_of_the_anatomy_and_between_the_images() -> None:
    noisy, clean = pair_of(9002), plugin().make_pair(9002, noise=0.0)
    both = parts(noisy, 0)[2] & parts(noisy, 1)[2]
    grains = []
    for k in (0, 1):
        with_noise, without = parts(noisy, k)[0], parts(clean, k)[0]
        grains.append((with_noise - without)[both])
        assert 0.015 < grains[k].std() < 0.025
        assert np.array_equal(with_noise[without == 0], without[without == 0])
    assert abs(np.corrcoef(*grains)[0, 1]) < 0.02


def test_another_shape_shows_the_same_patient() -> None:
    small, default = plugin().make_pair(9003, shape=(32, 40, 44)), pair_of(9003)
    for k in (0, 1):
        image, labels, _, landmarks = parts(small, k)
        assert image.shape == labels.shape == (32, 40, 44)
        spacing = np.diag(small.sides[k].image.affine)[:3]
        assert np.allclose(spacing * image.shape, [144, 144, 192])
        volume = (labels > 0).sum() * spacing.prod()
        assert volume == pytest.approx((parts(default, k)[1] > 0).sum() * 27, rel=0.03)
        assert len(landmarks) >= 20
    field = fields_of(default)[0]
    resampled = resample_field(fields_of(small)[0], field.shape, field.affine)
    gap = np.linalg.norm(resampled.displacement - field.displacement, axis=-1)
    assert gap[parts(default, 0)[2]].max() < 0.4


@pytest.mark.skipif(not os.environ.get("REGBENCH_SLOW"), reason="half a minute: REGBENCH_SLOW=1")
def test_the_largest_shape_works() -> None:
    pair = plugin().make_pair(9003, shape=(128, 128, 160))
    fields = fields_of(pair)
    for k in (0, 1):
        assert jacobian_determinant(fields[k].displacement).min() > 0.1
        assert inverse_residual(fields[1 - k], fields[k])[parts(pair, k)[2]].max() <= 0.05
        assert len(parts(pair, k)[3]) >= 20


def test_shapes_measure_distances() -> None:
    x = np.array([[0, 0, 0], [5, 0, 0], [0, 9, 0], [0, 0, 12.5]], np.float32)
    sphere = shapes.ellipsoid(x, [0, 0, 0], [5, 5, 5])
    assert np.allclose(sphere, [-5, 0, 4, 7.5])
    tube = shapes.tube(x, [[0, 0, 0], [0, 0, 10]], [1.0, 2.0], reach=20)
    assert np.allclose(tube, [-1, 4, 8, 0.5])
    assert shapes.tube(x, [[0, 0, 0], [0, 0, 10]], 1.0, reach=3)[2] == shapes.FAR
    turned = shapes.ellipsoid(x, [0, 0, 0], [9, 5, 5], shapes.rotation_matrix([0, 0, np.pi / 2]))
    assert np.allclose(turned[1:3], 0, atol=1e-5)
    first, second = np.array([[-1, 4, 0], [3, -2, 0]], np.float32)
    assert np.allclose(shapes.smooth_union(first, second, 2.0), [-1, -2, -0.5])
    assert np.allclose(shapes.smooth_intersection(first, second, 2.0), [3, 4, 0.5])
    assert np.allclose(shapes.smooth_difference(first, second, 2.0), [-1, 4, 0.5])


def test_a_tree_reaches_its_targets_and_obeys_murray() -> None:
    rng = np.random.default_rng(0)
    targets = vessels.sample_inside(
        rng, lambda p: np.linalg.norm(p, axis=1) < 30, [-30] * 3, [30] * 3, 20
    )
    assert np.linalg.norm(targets, axis=1).max() < 30
    tree = vessels.grow_tree([-40, 0, 0], targets, leaf_radius=1.0)
    assert len(tree.branch_points) == 19 and len(tree.radius) == 39
    assert tree.radius.max() == pytest.approx(20 ** (1 / 3), rel=1e-5)
    # On a twig's end the surface is its radius away; half way along a branch at least as much.
    assert np.allclose(vessels.tree_distance(tree, targets), -1.0, atol=1e-4)
    middle = (tree.start + tree.end) / 2
    assert (vessels.tree_distance(tree, middle) <= -tree.radius + 1e-4).all()
    far = np.array([[0, 0, 100.0]])
    assert vessels.tree_distance(tree, far)[0] == shapes.FAR
