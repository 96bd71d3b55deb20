"""Cubic splines at points: against scipy's of the whole array, and against polynomials."""

from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray
from scipy import ndimage

from regbench.spatial import splines
from regbench.spatial.splines import sample_vectors_cubic
from regbench.spatial.volume import voxel_grid

SIZES = st.one_of(st.integers(1, 5), st.integers(6, 70))


def whole(data: NDArray, points: NDArray) -> NDArray[np.float64]:
    """As Learn2Reg's kit calls scipy."""
    parts = [
        ndimage.map_coordinates(
            data[..., k].astype(np.float64), points.T, order=3, mode="constant", cval=0.0
        )
        for k in range(data.shape[-1])
    ]
    return np.stack(parts, axis=-1)


@settings(max_examples=60, deadline=None)
@given(shape=st.tuples(SIZES, SIZES, SIZES), count=st.integers(0, 40), seed=st.integers(0, 10**6))
def test_it_is_scipy_s_spline_of_the_whole_array(shape: Any, count: int, seed: int) -> None:
    rng = np.random.default_rng(seed)
    data = rng.normal(0, 10, (*shape, 3)).astype(np.float32)
    points = rng.uniform(-0.5, np.array(shape) - 0.5, (count, 3))
    # Some on the voxel centres, also on the outermost ones.
    points[::3] = np.clip(np.round(points[::3]), 0, np.array(shape) - 1)
    points = points.astype(rng.choice([np.float32, np.float64]))
    with pytest.MonkeyPatch.context() as patch:
        # By the points, not by the whole array, also where it has few columns.
        patch.setattr(splines, "_MANY", np.inf)
        found = sample_vectors_cubic(data, points)
    assert np.abs(found - whole(data, points)).max(initial=0) < 1e-12


@pytest.mark.parametrize("count", [7, 600])
def test_few_points_and_many(count: int, monkeypatch: pytest.MonkeyPatch) -> None:
    """The blocks near a point, and its place in the block, decide nothing."""
    rng = np.random.default_rng(count)
    data = rng.normal(0, 10, (47, 50, 12, 2)).astype(np.float32)
    points = rng.uniform(0, [46, 49, 11], (count, 3))
    expected = whole(data, points)
    called = []
    scipy_s = ndimage.map_coordinates
    monkeypatch.setattr(
        ndimage, "map_coordinates", lambda *a, **k: called.append(1) or scipy_s(*a, **k)
    )
    assert np.abs(sample_vectors_cubic(data, points) - expected).max() < 1e-12
    # The splines of the whole array are computed only for many points: 7 of 2350 columns are few.
    assert bool(called) == (count == 600)


def test_a_cubic_polynomial_is_its_own_spline() -> None:
    """Far from the ends, where the mirrored values bend it."""

    def polynomial(points: NDArray) -> NDArray:
        x, y, z = np.moveaxis(np.asarray(points, float) - 30, -1, 0) / 10
        return np.stack([x**3 - y * z**2, y**3 + x, 2 * z**3 - x**2 * y + 1], axis=-1)

    points = np.random.default_rng(1).uniform(28, 32, (20, 3))
    found = sample_vectors_cubic(polynomial(voxel_grid((61, 61, 61))), points)
    assert np.abs(found - polynomial(points)).max() < 1e-12


def test_it_is_0_beyond_the_outermost_voxel_centres() -> None:
    data = np.ones((6, 5, 4, 3), np.float32)
    inside, step = np.array([[0.0, 0, 0], [5, 4, 3], [5, 0, 1.5]]), 1e-6
    assert np.allclose(sample_vectors_cubic(data, inside), 1, rtol=0, atol=1e-14)
    outside = np.array([[-step, 2, 2], [5 + step, 2, 2], [2, -step, 2], [2, 4 + step, 2]])
    outside = np.concatenate([outside, [[2, 2, -step], [2, 2, 3 + step]]])
    assert not sample_vectors_cubic(data, outside).any()
