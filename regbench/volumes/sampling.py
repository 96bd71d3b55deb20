"""Sampling an array at fractional voxel positions: the one interpolation that everything shares."""

import numpy as np
from numpy.typing import NDArray
from scipy import ndimage


def sample_linear(data: NDArray, points: NDArray) -> NDArray[np.float32]:
    """Trilinear values of a scalar (X, Y, Z) array at `points` (..., 3); border replicated."""
    coordinates = np.moveaxis(points, -1, 0)
    return ndimage.map_coordinates(data, coordinates, order=1, mode="nearest", output=np.float32)


def sample_cubic(data: NDArray, points: NDArray) -> NDArray[np.float64]:
    """Cubic spline values of a scalar (X, Y, Z) array at `points` (..., 3); 0 outside the grid."""
    coordinates = np.moveaxis(points, -1, 0)
    # map_coordinates keeps the type of its input: float32 would round.
    return ndimage.map_coordinates(np.asarray(data, float), coordinates, order=3, mode="constant")


def sample_vectors(data: NDArray, points: NDArray) -> NDArray[np.float32]:
    """Trilinear values of a vector (X, Y, Z, C) array at `points` (..., 3); border replicated."""
    parts = [sample_linear(data[..., k], points) for k in range(data.shape[-1])]
    return np.stack(parts, axis=-1)


def sample_nearest(data: NDArray, points: NDArray) -> NDArray:
    """Nearest values of a scalar (X, Y, Z) array at `points` (..., 3); 0 outside the grid."""
    index = np.floor(np.asarray(points) + 0.5).astype(np.intp)
    inside = ((index >= 0) & (index < data.shape)).all(axis=-1)
    index[~inside] = 0
    values = data[index[..., 0], index[..., 1], index[..., 2]]
    return np.where(inside, values, np.zeros((), data.dtype))
