"""Metrics against analytic answers, empty and extreme masks, and exact counts."""

import math
from functools import cache
from typing import Any

import numpy as np
import pytest
from helpers import AFFINES, REPOSITORY, SHAPE, box, shift_field, smooth_field, sphere
from hypothesis import given, settings
from hypothesis import strategies as st

from regbench.measure.inputs import FieldView, LandmarkView, MaskPair, NotMeasured, TruthView
from regbench.plugins.catalog import discover
from regbench.plugins.loading import load_metric
from regbench.spatial.field import Field
from regbench.spatial.volume import voxel_grid

OF_MASKS = ("asd", "asd_voxel", "hd95", "dice")
DISTANCES = OF_MASKS[:3]
ONES = np.ones(3)


@cache
def _known() -> dict[str, Any]:
    return discover(REPOSITORY).metrics


def _value(metric: str, view: object) -> float:
    return float(load_metric(_known()[metric])(view))


def _pair(metric: str, fixed: np.ndarray, warped: np.ndarray, spacing: Any = ONES) -> float:
    return _value(metric, MaskPair(fixed, warped, np.asarray(spacing, float)))


def test_metadata_says_what_each_metric_needs() -> None:
    kinds = {name: metric.needs for name, metric in _known().items()}
    assert {name for name, needs in kinds.items() if needs == "labels"} == set(OF_MASKS)
    of_truth = {"epe", "epe_mm", "displacement_slope", "displacement_r2"} | {
        "epe_interior",
        "interior_voxels",
    }
    assert {k for k, needs in kinds.items() if needs == "true_field"} == of_truth
    assert [_known()[k].direction for k in ("dice", "asd", "folds")] == ["higher", "lower", "none"]


@pytest.mark.parametrize("spacing", [(0.5, 0.5, 0.5), (1, 1, 1), (1.5, 1.0, 2.0)])
def test_concentric_spheres(spacing: tuple[float, float, float]) -> None:
    """Distances are r2 - r1 = 4 mm within one voxel, at every voxel size: a mask rounds a sphere
    to voxel centres, its surface is a layer, and the nearest element of a layer is taken."""
    shape = tuple(int(30 / s) | 1 for s in spacing)
    centre = [(n - 1) / 2 for n in shape]
    small, large = (sphere(shape, centre, r, spacing) for r in (9.0, 13.0))
    for name in DISTANCES:
        assert _pair(name, small, large, spacing) == pytest.approx(4, abs=max(spacing))
    exact = 200 * 9**3 / (9**3 + 13**3)
    assert _pair("dice", small, large, spacing) == pytest.approx(exact, rel=0.03)


MASKS = {
    "sphere": sphere(SHAPE, (4, 5, 7), 3),
    "one voxel": box(SHAPE, (4, 5, 6), (1, 1, 1)),
    "one corner voxel": box(SHAPE, (8, 11, 14), (1, 1, 1)),
    "at the border": box(SHAPE, (0, 0, 9), (3, 4, 6)),
    "the whole volume": np.ones(SHAPE, bool),
}


@pytest.mark.parametrize("name", MASKS)
def test_identical_masks_are_perfect(name: str) -> None:
    values = {m: _pair(m, MASKS[name], MASKS[name], (1, 2, 3)) for m in OF_MASKS}
    assert values == {"asd": 0, "asd_voxel": 0, "hd95": 0, "dice": 100}


@pytest.mark.parametrize("delta", [(1, 0, 0), (0, 2, 0), (0, 0, 3), (1, 2, 3), (3, 0, 0)])
def test_shifted_boxes_have_an_exact_dice(delta: tuple[int, int, int]) -> None:
    one = box(SHAPE, (1, 1, 1), (3, 4, 5))
    other = box(SHAPE, np.add((1, 1, 1), delta), (3, 4, 5))
    overlap = math.prod(max(n - d, 0) for n, d in zip((3, 4, 5), delta, strict=True))
    assert _pair("dice", one, other) == pytest.approx(100 * overlap / 60)


@pytest.mark.parametrize("axis", range(3))
def test_two_voxels_apart_along_an_axis(axis: int) -> None:
    """Voxels 3 apart: centres 3 s mm. Of a voxel's surfels, half lie 2 s from the other voxel's
    nearest ones and half 3 s."""
    spacing = np.array([1.0, 1.5, 2.5])
    delta = np.eye(3, dtype=int)[axis] * 3
    one, other = (box(SHAPE, np.add((2, 3, 4), d), (1, 1, 1)) for d in (0, delta))
    size = spacing[axis]
    assert _pair("asd_voxel", one, other, spacing) == pytest.approx(3 * size)
    assert _pair("asd", one, other, spacing) == pytest.approx(2.5 * size)
    assert _pair("hd95", one, other, spacing) == pytest.approx(3 * size)
    assert _pair("dice", one, other, spacing) == 0


def test_two_voxels_apart_in_space() -> None:
    one, other = (box(SHAPE, start, (1, 1, 1)) for start in ((2, 3, 4), (4, 6, 5)))
    assert _pair("asd_voxel", one, other, (1, 1.5, 2.5)) == pytest.approx(
        math.hypot(2 * 1, 3 * 1.5, 1 * 2.5)
    )


def test_the_two_directions_are_averaged_pooled_or_the_larger_taken() -> None:
    """One voxel against itself and another 4 voxels off: 0 there, and back 0 and 3 to 4."""
    one = box(SHAPE, (4, 5, 2), (1, 1, 1))
    two = one | box(SHAPE, (4, 5, 6), (1, 1, 1))
    assert _pair("asd", one, two) == pytest.approx((0 + (0 + 3.5) / 2) / 2)
    assert _pair("asd_voxel", one, two) == pytest.approx((0 + 0 + 4) / 3)
    assert _pair("hd95", one, two) == pytest.approx(4)
    assert _pair("dice", one, two) == pytest.approx(200 / 3)


def test_a_hundredth_of_the_surface_is_beyond_the_95th_percentile() -> None:
    """A cube of 10 voxels, and the same with a voxel 7 mm off: 6 of its 606 faces."""
    cube = box((20, 14, 14), (2, 2, 2), (10, 10, 10))
    both = cube | box((20, 14, 14), (18, 7, 7), (1, 1, 1))
    assert _pair("hd95", cube, both) == _pair("hd95", both, cube) == 0
    assert _pair("asd", cube, both) > 0


@pytest.mark.parametrize("metric", DISTANCES)
def test_the_border_is_like_any_other_place(metric: str) -> None:
    """Two boxes in a corner are as far apart as the same boxes in the middle."""
    big = tuple(n + 8 for n in SHAPE)
    corner = [box(big, start, (3, 4, 5)) for start in ((0, 0, 0), (1, 2, 0))]
    middle = [box(big, start, (3, 4, 5)) for start in ((4, 4, 4), (5, 6, 4))]
    far = [box(big, np.subtract(big, n), (3, 4, 5)) for n in ((4, 6, 5), (3, 4, 5))]
    values = [_pair(metric, *masks, (1, 2, 3)) for masks in (corner, middle, far)]
    assert values[0] == pytest.approx(values[1])
    assert values[2] == pytest.approx(values[1])


def test_the_whole_volume_against_half_of_it() -> None:
    """Volume 9x12x15; its half is the first 6 of 12 rows. Edges of the half's far side included."""
    half = box(SHAPE, (0, 0, 0), (9, 6, 15))
    assert _pair("dice", np.ones(SHAPE, bool), half) == pytest.approx(200 / 3)
    assert _pair("hd95", np.ones(SHAPE, bool), half, (1, 2, 1)) == pytest.approx(12)


@pytest.mark.parametrize("metric", OF_MASKS)
def test_the_unit_is_the_millimetre_along_each_axis(metric: str) -> None:
    one, other = (sphere(SHAPE, c, 3.0) for c in ((4, 5, 6), (3.5, 6, 8)))
    plain = _pair(metric, one, other, (1, 1.5, 2.5))
    scaled = _pair(metric, one, other, (3, 4.5, 7.5))
    assert scaled == pytest.approx(plain if metric == "dice" else 3 * plain)
    turned = [np.transpose(mask, (2, 0, 1)) for mask in (one, other)]
    assert _pair(metric, *turned, (2.5, 1, 1.5)) == pytest.approx(plain)


@settings(max_examples=20, deadline=None)
@given(seed=st.integers(0, 10**6))
def test_exchanging_the_masks_changes_nothing(seed: int) -> None:
    parts = np.moveaxis(smooth_field(seed, sigma=1.5).displacement, -1, 0)
    one, other = parts[0] > 0.2, parts[1] > 0.2
    for metric in OF_MASKS:
        there, back = (_pair(metric, *m, (1, 2, 3)) for m in ((one, other), (other, one)))
        assert there == pytest.approx(back)
        assert there >= 0


def _folded() -> FieldView:
    """u = -2 (x - 5) from x = 5 on: J is 1 for x < 5, 0 at 5, -1 beyond; size 12, 8, 9."""
    x = voxel_grid((12, 8, 9))[..., 0]
    displacement = np.zeros((12, 8, 9, 3), np.float32)
    displacement[..., 0] = np.where(x < 5, 0, -2 * (x - 5))
    return FieldView(Field(displacement, np.eye(4)))


def test_folds_are_counted_exactly() -> None:
    view = _folded()
    assert _value("folds", view) == 7 * 8 * 9
    assert _value("folds_interior", view) == 5 * 4 * 5
    assert _value("folds_percent", view) == pytest.approx(100 * 7 / 12)
    values = [1] * 5 + [0] + [-1] * 6
    assert _value("std_jacobian", view) == pytest.approx(np.std(values), rel=1e-6)


def test_the_identity_has_no_fold() -> None:
    view = FieldView(Field.zero(SHAPE, np.eye(4)))
    for name in ("folds", "folds_interior", "folds_percent", "std_jacobian"):
        assert _value(name, view) == 0


@pytest.mark.parametrize("name", AFFINES)
def test_tre_is_a_distance_in_the_moving_world(name: str) -> None:
    affine = AFFINES[name]
    # Three distances: their mean is not their median.
    fixed = np.array([[2.0, 3, 4], [5, 6.5, 7], [1, 1, 9]])
    moving = np.array([[3.0, 3, 4], [5, 9.5, 6], [4, 4, 4]])
    view = LandmarkView(shift_field([1, 2, -1]), fixed, moving, affine)
    gap = (affine[:3, :3] @ (fixed + [1, 2, -1] - moving).T).T
    assert _value("tre", view) == pytest.approx(np.linalg.norm(gap, axis=1).mean(), rel=1e-5)


def test_epe_is_exact() -> None:
    """Wrong by (3, 4, 0) inside the mask; elsewhere it does not count."""
    mask = box(SHAPE, (1, 2, 3), (2, 3, 4))
    found = np.full((*SHAPE, 3), 50, np.float32)
    found[mask] = np.array([1, 2, 3]) + [3, 4, 0]
    view = TruthView(Field(found, np.eye(4)), shift_field([1, 2, 3]), mask, np.array([1, 2, 5.0]))
    assert _value("epe", view) == pytest.approx(5)
    assert _value("epe_mm", view) == pytest.approx(math.hypot(3, 8))
    # Right in half of the mask: the mean length, and not the root of the mean square.
    found[1, 2:5, 3:7] = [1, 2, 3]
    view = TruthView(Field(found, np.eye(4)), shift_field([1, 2, 3]), mask, np.array([1, 2, 5.0]))
    assert _value("epe", view) == pytest.approx(2.5)
    assert _value("epe_mm", view) == pytest.approx(math.hypot(3, 8) / 2)


def _truth(found: Any, true: Any, mask: np.ndarray, spacing: Any = ONES) -> TruthView:
    fields = (Field(np.asarray(x, np.float32), np.eye(4)) for x in (found, true))
    return TruthView(*fields, mask, np.asarray(spacing, float))


def test_the_slope_says_how_much_of_the_motion_and_r2_how_much_of_its_pattern() -> None:
    mask = box(SHAPE, (1, 2, 3), (4, 3, 4))
    true, noise = np.random.default_rng(0).normal(size=(2, *SHAPE, 3))
    for factor in (0.0, 0.4, 1.0, -0.5):
        found = factor * true
        # Outside the mask nothing counts.
        found[~mask] = 50
        view = _truth(found, true, mask)
        assert _value("displacement_slope", view) == pytest.approx(factor, abs=1e-6)
        assert _value("displacement_r2", view) == pytest.approx(float(factor != 0), abs=1e-6)
    # Across the truth: it adds to the estimate, and explains none of it.
    t, n = true[mask].ravel(), noise[mask].ravel()
    across = np.zeros((*SHAPE, 3))
    across[mask] = (n - t * (n @ t) / (t @ t)).reshape(-1, 3)
    view = _truth(0.5 * true + across, true, mask)
    a = across[mask].ravel()
    assert _value("displacement_slope", view) == pytest.approx(0.5, abs=1e-5)
    expected = 0.25 * (t @ t) / (0.25 * (t @ t) + a @ a)
    assert _value("displacement_r2", view) == pytest.approx(expected, rel=1e-4)
    assert 0.05 < expected < 0.5


def test_without_motion_there_is_no_slope() -> None:
    mask = box(SHAPE, (1, 2, 3), (4, 3, 4))
    view = _truth(np.ones((*SHAPE, 3)), np.zeros((*SHAPE, 3)), mask)
    for name in ("displacement_slope", "displacement_r2"):
        with pytest.raises(NotMeasured, match="0 everywhere"):
            _value(name, view)


def test_the_interior_is_deeper_than_12_mm() -> None:
    """A block of 40x40x20 mm, voxels of 1x2x2 mm: 12 mm in from each side and the border."""
    mask = np.zeros((44, 24, 20), bool)
    mask[2:42, 2:22] = True
    found = np.zeros((*mask.shape, 3))
    deep = np.zeros(mask.shape, bool)
    # The voxel at depth k has its nearest one outside k + 1 voxels away.
    deep[2 + 12 : 42 - 12, 2 + 6 : 22 - 6, 6:14] = True
    found[deep] = [3, 4, 0]
    view = _truth(found, np.zeros_like(found), mask, (1, 2, 2))
    assert _value("interior_voxels", view) == deep.sum() > 0
    assert _value("epe_interior", view) == pytest.approx(5)
    thin = _truth(found, found, mask & (np.arange(20) < 12), (1, 2, 2))
    assert _value("interior_voxels", thin) == 0
    with pytest.raises(NotMeasured, match="no voxel is deeper than 12 mm"):
        _value("epe_interior", thin)


def test_a_volume_without_an_interior_has_no_interior_folds() -> None:
    thin = FieldView(Field.zero((9, 8, 4), np.eye(4)))
    assert np.isnan(_value("folds_interior", thin))
    assert _value("folds", thin) == 0
