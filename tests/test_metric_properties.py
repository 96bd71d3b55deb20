"""Properties that hold for any pair of masks and any field, and agreement with the package."""

from typing import Any

import numpy as np
import pytest
import surface_distance
from helpers import REPOSITORY, smooth_field
from hypothesis import HealthCheck, assume, given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray
from scipy.ndimage import distance_transform_edt

from regbench.measure.inputs import FieldView, MaskPair
from regbench.measure.surface import deeper, edge_distances, surface_distances
from regbench.plugins.catalog import discover
from regbench.plugins.loading import load_metric
from regbench.spatial.field import Field

METRICS = {name: load_metric(m) for name, m in discover(REPOSITORY).metrics.items()}
DISTANCES = ("asd", "asd_voxel", "hd95")
OF_MASKS = ("dice", *DISTANCES)
OF_FIELDS = ("folds", "folds_percent", "folds_interior", "std_jacobian")
#: One process, one pass: made cases are slow to shrink and quick to read.
MANY = settings(max_examples=25, deadline=None, suppress_health_check=[HealthCheck.too_slow])
SEEDS = st.integers(0, 10**6)
SPACINGS = st.tuples(*[st.sampled_from([0.5, 1.0, 1.7, 3.0])] * 3)


def masks(seed: int) -> tuple[NDArray[np.bool_], NDArray[np.bool_]]:
    """Two blobs; some touch the border, some are in pieces."""
    parts = smooth_field(seed, sigma=1.5).displacement
    one, other = parts[..., 0] > 0.2, parts[..., 1] > 0.2
    assume(one.any() and other.any())
    return one, other


def of_masks(pair: Any, spacing: Any) -> dict[str, float]:
    view = MaskPair(*(np.ascontiguousarray(mask) for mask in pair), np.array(spacing, float))
    return {name: METRICS[name](view) for name in OF_MASKS}


def of_field(displacement: NDArray) -> dict[str, float]:
    view = FieldView(Field(np.ascontiguousarray(displacement), np.eye(4)))
    return {name: METRICS[name](view) for name in OF_FIELDS}


@MANY
@given(seed=SEEDS, spacing=SPACINGS, depth=st.sampled_from([0.3, 1.0, 2.0, 3.4, 6.0]))
def test_depth_is_the_distance_to_the_nearest_voxel_outside(
    seed: int, spacing: Any, depth: float
) -> None:
    # The union of both blobs reaches deeper than one of them.
    mask = np.logical_or(*masks(seed))
    distances = distance_transform_edt(np.pad(mask, 1), sampling=spacing)[1:-1, 1:-1, 1:-1]
    assert np.array_equal(deeper(mask, depth, np.array(spacing)), distances[mask] > depth)


@pytest.mark.parametrize(
    "shape",
    [(40, 30, 20), (300, 9, 7), (7, 300, 9), (260, 70, 60)],
    ids=["some", "long in X", "long in Y", "large"],
)
@pytest.mark.parametrize(
    "spacing",
    [(1.0, 1.0, 1.0), (0.05, 3.0, 2.0), (5.0, 0.7, 1.3), (1.0, 0.01, 90.0)],
    ids=["even", "fine", "coarse", "odd"],
)
def test_sparse_points_find_the_nearest_of_the_other_set(shape: Any, spacing: Any) -> None:
    # Single voxels are their own edges. Some of the other set are near, most are far.
    rng = np.random.default_rng(sum(shape))
    one, other = rng.random(shape) < 1e-2, rng.random(shape) < 1e-3
    other[:, : shape[1] // 2] = False
    one[0, 0, 0] = other[-1, -1, -1] = True
    ways = edge_distances(one, other, np.array(spacing))
    for own, to, found in ((one, other, ways[0]), (other, one, ways[1])):
        expected = distance_transform_edt(~to, sampling=spacing)[own]
        assert np.allclose(found, expected, rtol=0, atol=1e-12)


@pytest.mark.parametrize("orders", ["CF", "FC", "FF"])
def test_the_order_of_the_masks_in_memory_does_not_matter(orders: Any) -> None:
    # They fill their box: numpy keeps the order of no smaller part.
    one, other = np.random.default_rng(0).random((2, 20, 18, 16)) < 0.5
    one[0, 0, 0] = one[-1, -1, -1] = other[0, 0, 0] = other[-1, -1, -1] = True
    pair = [np.array(m, order=o) for m, o in zip((one, other), orders, strict=True)]
    found, expected = (surface_distances(*masks, np.ones(3)) for masks in (pair, (one, other)))
    for name, values in vars(expected).items():
        assert np.array_equal(getattr(found, name), values)


@MANY
@given(seed=SEEDS, spacing=SPACINGS)
def test_the_package_says_the_same(seed: int, spacing: Any) -> None:
    one, other = masks(seed)
    found = of_masks((one, other), spacing)
    distances = surface_distance.compute_surface_distances(one, other, spacing)
    ways = surface_distance.compute_average_surface_distance(distances)
    assert found["asd"] == pytest.approx(np.mean(ways), abs=1e-9)
    robust = surface_distance.compute_robust_hausdorff(distances, 95.0)
    assert found["hd95"] == pytest.approx(robust, abs=1e-9)
    dice = surface_distance.compute_dice_coefficient(one, other)
    assert found["dice"] == pytest.approx(100 * dice, abs=1e-9)


@MANY
@given(seed=SEEDS, spacing=SPACINGS)
def test_masks_exchanged_padded_or_flipped_are_as_far_apart(seed: int, spacing: Any) -> None:
    pair = masks(seed)
    expected = pytest.approx(of_masks(pair, spacing), abs=1e-9)
    assert of_masks(pair[::-1], spacing) == expected
    assert of_masks([np.pad(mask, ((1, 3), (0, 2), (4, 0))) for mask in pair], spacing) == expected
    for axis in range(3):
        assert of_masks([np.flip(mask, axis) for mask in pair], spacing) == expected


@MANY
@given(seed=SEEDS, spacing=SPACINGS, factor=st.sampled_from([0.25, 2.0, 10.0]))
def test_distances_grow_with_the_spacing_and_dice_does_not(
    seed: int, spacing: Any, factor: float
) -> None:
    pair = masks(seed)
    plain, scaled = of_masks(pair, spacing), of_masks(pair, factor * np.array(spacing))
    assert scaled["dice"] == plain["dice"]
    for name in DISTANCES:
        assert scaled[name] == pytest.approx(factor * plain[name])


@MANY
@given(seed=SEEDS, axis=st.integers(0, 2))
def test_a_field_counted_from_the_other_end_has_the_same_folds(seed: int, axis: int) -> None:
    displacement = smooth_field(seed, size=2.5, sigma=1.5).displacement
    flipped = np.flip(displacement, axis).copy()
    flipped[..., axis] *= -1
    found, expected = of_field(flipped), of_field(displacement)
    # Rounding may move a determinant of almost 0 across it.
    assert found["folds"] == pytest.approx(expected["folds"], abs=1)
    assert found["std_jacobian"] == pytest.approx(expected["std_jacobian"], abs=1e-5)


@MANY
@given(seed=SEEDS, pad=st.integers(1, 3))
def test_a_still_rim_adds_no_folds(seed: int, pad: int) -> None:
    displacement = smooth_field(seed, size=2.5, sigma=1.5).displacement
    displacement[[0, -1]] = displacement[:, [0, -1]] = displacement[:, :, [0, -1]] = 0
    around = ((pad, pad), (pad, pad), (pad, pad), (0, 0))
    grown = of_field(np.pad(displacement, around))
    # Inside, the same voxels fold; at the old rim differences were one-sided.
    inner = of_field(displacement)["folds_interior"]
    view = FieldView(Field(np.pad(displacement, around), np.eye(4)))
    core = view.jacobian[tuple(slice(pad + 2, -(pad + 2)) for _ in range(3))]
    assert (core <= 0).sum() == inner
    assert grown["folds"] >= inner
