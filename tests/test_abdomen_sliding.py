"""The abdomen phantom's sliding motion: exact on each side of the surface, sharp, without folds."""

import importlib
from functools import cache
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray
from scipy import ndimage
from test_abdomen_phantom import correlation, dice, fields_of, pair_of, parts, plugin

from regbench.base.errors import BadInput
from regbench.data.pair import Pair
from regbench.phantom.motion import best_affine
from regbench.spatial.operations import jacobian_determinant
from regbench.spatial.resample import sample_vectors
from regbench.spatial.splines import sample_cubic
from regbench.spatial.volume import voxel_grid
from regbench.spatial.warp import positions, warp_image, warp_labels, warp_points

SEEDS = range(9000, 9003)
#: Of the smooth pair 9001 at 24 x 24 x 24: voxels of each label in both images, lengths of both
#: fields as vectors, mean intensities.
COUNTS = [535, 70, 40, 43, 544, 61, 42, 38]
LENGTHS = (128.777, 125.633)
MEANS = (0.107380, 0.184153)


@cache
def made(seed: int) -> tuple[Pair, Any]:
    """A pair, and the motion that it was made with."""
    module = plugin()
    draw, kept = module.sliding_motion, []

    def keep(*given: Any) -> Any:
        kept.append(draw(*given))
        return kept[-1]

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(module, "sliding_motion", keep)
        pair = module.make_pair(seed, motion="sliding")
    return pair, kept[0][0]


def detail(field: NDArray, sigma: float) -> NDArray:
    """Voxels that a Gaussian takes off a field."""
    smooth = ndimage.gaussian_filter(field, (sigma, sigma, sigma, 0))
    return np.linalg.norm(field - smooth, axis=-1)


def test_bad_settings_are_refused() -> None:
    with pytest.raises(BadInput, match="motion is unknown; expected smooth or sliding; found wild"):
        plugin().make_pair(9000, motion="wild")
    with pytest.raises(BadInput, match=r"sliding is of the smooth motion; expected 0; found 0\.4"):
        plugin().make_pair(9000, motion="sliding", sliding=0.4)


def test_smooth_pairs_are_what_they_were() -> None:
    """Of the code before there was any other motion."""
    pair = plugin().make_pair(9001, shape=[24, 24, 24])
    assert [int((parts(pair, k)[1] == n).sum()) for k in (0, 1) for n in (1, 2, 3, 4)] == COUNTS
    for field, length in zip(fields_of(pair), LENGTHS, strict=True):
        assert np.linalg.norm(field.displacement) == pytest.approx(length, rel=1e-4)
    for k in (0, 1):
        assert parts(pair, k)[0].mean() == pytest.approx(MEANS[k], rel=1e-4)


@pytest.mark.parametrize("seed", SEEDS)
def test_both_fields_are_exact_at_the_voxel_centres(seed: int) -> None:
    """The backward field leads to a point that the motion, off the voxels, takes back."""
    pair, motion = made(seed)
    there, back = fields_of(pair)
    inside, from_inside = motion.inside
    grid = voxel_grid(there.shape)
    body = ndimage.binary_erosion(parts(pair, 1)[2], iterations=1)
    for own, take in (
        (from_inside, motion.moved),
        (~from_inside, lambda p: p + sample_vectors(motion.wall.displacement, p)),
    ):
        chosen = own & body
        start = positions(back)[chosen]
        assert np.abs(take(start) - grid[chosen]).max() < 0.01
    assert np.abs(motion.moved(grid[inside]) - positions(there)[inside]).max() < 1e-4
    assert np.array_equal(there.displacement[~inside], motion.wall.displacement[~inside])


@pytest.mark.parametrize("seed", SEEDS)
def test_the_fields_undo_each_other_up_to_interpolation(seed: int) -> None:
    pair, _ = made(seed)
    for one, two, k in ((*fields_of(pair), 0), (*fields_of(pair)[::-1], 1)):
        end = positions(one)
        error = np.linalg.norm(one.displacement + cubic(two.displacement, end), axis=-1)
        deep = ndimage.binary_erosion(parts(pair, k)[2], iterations=2)
        assert np.percentile(error[deep], 99) < 0.1 and np.median(error[deep]) < 0.01


def cubic(data: NDArray, points: NDArray) -> NDArray:
    return np.stack([sample_cubic(data[..., k], points) for k in range(3)], axis=-1)


@pytest.mark.parametrize("seed", SEEDS)
def test_the_surface_comes_to_one_place_from_both_sides(seed: int) -> None:
    """Where the organs' side of the surface arrives is, seen from the wall, still the surface."""
    _, motion = made(seed)
    grid = voxel_grid(motion.wall.shape)
    points = 3.0 * grid.astype(np.float32) - np.float32(70.5)
    distance = motion.anatomy.cavity(points)
    normal = np.stack(np.gradient(distance, 3.0), axis=-1)
    near = (np.abs(distance) < 2) & (np.abs(points[..., 2]) < 60)
    surface = grid[near] - distance[near][:, None] * normal[near] / 3
    end = motion.moved(surface)
    origin = end + sample_vectors(motion.from_wall.displacement, end)
    moved = 3.0 * origin.astype(np.float32) - np.float32(70.5)
    before = motion.anatomy.cavity(3.0 * surface.astype(np.float32) - np.float32(70.5))
    away = np.abs(motion.anatomy.cavity(moved) - before) / 3
    assert np.percentile(away, 99) < 0.15 and away.max() < 0.5
    slip = np.linalg.norm(origin - surface, axis=1)
    assert np.median(slip) > 0.8


@pytest.mark.parametrize("seed", SEEDS)
def test_no_side_folds(seed: int) -> None:
    _, motion = made(seed)
    for own, cavity, wall in zip(
        motion.inside, motion.of_cavity, (motion.wall, motion.from_wall), strict=True
    ):
        assert jacobian_determinant(cavity.displacement)[own].min() > 0.1
        assert jacobian_determinant(wall.displacement)[~own].min() > 0.1


@pytest.mark.parametrize("seed", SEEDS)
def test_the_mask_leaves_out_the_sliding_surface(seed: int) -> None:
    """No counted voxel has tissue of the other side within 2 voxels; the others all count."""
    pair, motion = made(seed)
    for k in (0, 1):
        image, labels, mask, _ = parts(pair, k)
        inside = motion.inside[k]
        other = np.where(
            inside,
            ndimage.distance_transform_edt(inside),
            ndimage.distance_transform_edt(~inside),
        )
        assert other[mask].min() > 2.5
        assert mask[(other > 2.5) & (image > 0)].all()
        assert inside[labels > 0].all()
        assert 0.75 < mask[labels > 0].mean() < 0.95
    field = fields_of(pair)[0].displacement
    jump = np.linalg.norm(np.diff(field, axis=0), axis=-1)
    across = motion.inside[0][1:] != motion.inside[0][:-1]
    assert np.percentile(jump[across], 90) > 1.5


@pytest.mark.parametrize("seed", SEEDS)
def test_images_labels_and_landmarks_follow_the_fields(seed: int) -> None:
    pair, _ = made(seed)
    for k in (0, 1):
        image, labels, mask, landmarks = parts(pair, k)
        other_image, other_labels, _, others = parts(pair, 1 - k)
        field = fields_of(pair)[k]
        warped_labels = warp_labels(pair.sides[1 - k].labels, field).data  # type: ignore[arg-type]
        for numbers, least in (((1,), 92.0), ((2,), 86.0), ((3, 4), 86.0)):
            own = np.isin(labels, numbers)
            after = dice(own, np.isin(warped_labels, numbers))
            assert after > least and after > dice(own, np.isin(other_labels, numbers)) + 5
        warped = warp_image(pair.sides[1 - k].image, field).data
        steep = [ndimage.gaussian_gradient_magnitude(i, 1.0)[mask] for i in (image, warped)]
        blind = ndimage.gaussian_gradient_magnitude(other_image, 1.0)[mask]
        assert correlation(*steep) > correlation(steep[0], blind) + 0.1
        assert len(landmarks) >= 10
        assert np.linalg.norm(warp_points(landmarks, field) - others, axis=1).max() < 0.4


def test_the_local_motion_has_the_stated_waves() -> None:
    module = importlib.import_module(f"{plugin().__package__}.sliding")
    for seed in range(20):
        waves = module.Waves.draw(np.random.default_rng(seed))
        length = 2 * np.pi / np.linalg.norm(waves.vector, axis=1)
        assert (length >= 15 - 1e-3).all() and (length <= 36 + 1e-3).all()
        # Transverse, and a contraction: there is one inverse, and no folds.
        assert np.abs((waves.vector * waves.amplitude).sum(axis=1)).max() < 1e-5
        assert (np.linalg.norm(waves.amplitude, axis=1) * 2 * np.pi / length < 1).all()


def test_sharper_than_the_smooth_motion() -> None:
    """A Gaussian of 2 voxels loses twice as much of it."""
    lost: list[list[float]] = [[], []]
    for seed in SEEDS:
        pair = made(seed)[0]
        mask = ndimage.binary_erosion(parts(pair, 0)[2], iterations=2)
        for losses, one in zip(lost, (pair_of(seed), pair), strict=True):
            losses.append(float(detail(fields_of(one)[0].displacement, 2.0)[mask].mean()))
    assert np.mean(lost[1]) > 2 * np.mean(lost[0])


@pytest.mark.parametrize("seed", SEEDS)
def test_nothing_affine_is_left_to_align(seed: int) -> None:
    pair, motion = made(seed)
    body = motion.anatomy.torso.skin(3.0 * voxel_grid((48, 48, 48)) - 70.5) < 0
    corners = np.array([[x, y, z, 1.0] for x in (0, 47) for y in (0, 47) for z in (0, 47)])
    matrix = best_affine(fields_of(pair)[0], body.astype(np.float32))
    assert np.abs(corners @ matrix.T - corners).max() < 0.1


@pytest.mark.verify
def test_the_mean_field_of_others_explains_little() -> None:
    mean = np.mean([fields_of(made(seed)[0])[0].displacement for seed in range(9000, 9012)], axis=0)
    rest = total = 0.0
    for seed in range(9012, 9020):
        pair = made(seed)[0]
        chosen = parts(pair, 0)[2] & (parts(pair, 0)[1] > 0)
        true = fields_of(pair)[0].displacement[chosen]
        rest += float(np.linalg.norm(true - mean[chosen], axis=1).mean())
        total += float(np.linalg.norm(true, axis=1).mean())
    assert 1 - rest / total < 0.25


def test_the_patient_and_motion_are_the_same_at_every_shape() -> None:
    small = plugin().make_pair(9001, shape=(36, 32, 40), motion="sliding")
    large = made(9001)[0]
    ends = []
    for pair in (small, large):
        affine = pair.sides[1].image.affine
        ends.append(parts(pair, 1)[3] @ affine[:3, :3].T + affine[:3, 3])
    # The band that landmarks keep from the wall is two voxels, so fewer are left.
    nearest = [np.linalg.norm(ends[1] - point, axis=1).min() for point in ends[0]]
    assert len(nearest) >= 10 and max(nearest) < 1.0
