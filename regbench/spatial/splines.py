"""Cubic splines of an array at points: as `scipy.ndimage` has them, and cheaper at few points.

The spline through an array is linear in its values, and separable. Its value at a point is the sum
of the values, each times three weights, one of each axis. The weights fall to 0.27 of themselves
from a voxel to the next, so only values near the point count.
"""

import numpy as np
from numpy.typing import NDArray
from scipy import ndimage

#: Columns of a block, along X and along Y.
_BLOCK = 12
#: Values that weigh less than this do not count: their sum is below the rounding of the others.
_LEAST = 1e-16
#: Above so many points a column (x, y), the splines of the whole array are faster.
_MANY = 0.25


def sample_cubic(data: NDArray, points: NDArray) -> NDArray[np.float64]:
    """Cubic spline values of a scalar (X, Y, Z) array at `points` (..., 3); 0 outside the grid."""
    coordinates = np.moveaxis(points, -1, 0)
    # map_coordinates keeps the type of its input: float32 would round.
    return ndimage.map_coordinates(np.asarray(data, float), coordinates, order=3, mode="constant")


def sample_vectors_cubic(data: NDArray, points: NDArray) -> NDArray[np.float64]:
    """The same of a vector (X, Y, Z, C) array at `points` (n, 3): (n, C).

    It takes as long as the points are many, where `sample_cubic` takes as long as the array is
    large.
    """
    x_size, y_size, z_size, channels = data.shape
    if len(points) > _MANY * x_size * y_size:
        return np.stack([sample_cubic(data[..., k], points) for k in range(channels)], axis=-1)
    x, y, z = (_weights(size, points[:, axis]) for axis, size in enumerate(data.shape[:3]))
    columns = np.zeros((len(points), z_size * channels))
    starts = [np.arange(0, size, _BLOCK) for size in (x_size, y_size)]
    largest = [
        np.maximum.reduceat(np.abs(weights), start, axis=1)
        for weights, start in zip((x, y), starts, strict=True)
    ]
    for i, first in enumerate(starts[0]):
        for j, left in enumerate(starts[1]):
            near = np.flatnonzero(largest[0][:, i] * largest[1][:, j] > _LEAST)
            if not near.size:
                continue
            part = slice(first, first + _BLOCK), slice(left, left + _BLOCK)
            weights = x[near, part[0], np.newaxis] * y[near, np.newaxis, part[1]]
            values = data[part].astype(np.float64)
            columns[near] += weights.reshape(near.size, -1) @ values.reshape(-1, columns.shape[1])
    along = columns.reshape(len(points), z_size, channels)
    return np.einsum("nz,nzc->nc", z, along)


def _weights(size: int, positions: NDArray) -> NDArray[np.float64]:
    """(n, size): what each value on an axis weighs in the spline at each position (n,).

    As in `scipy.ndimage`, the values are mirrored about the outermost voxel centres, and the spline
    is 0 beyond them.
    """
    # The coefficients of the spline through a single 1, at each place of the axis.
    coefficients = ndimage.spline_filter1d(np.eye(size), order=3, axis=0, mode="mirror")
    # In float32, the weights would be wrong by 1e-7.
    positions = positions.astype(np.float64)
    lower = np.floor(positions)
    up = positions - lower
    down = 1 - up
    shares = [
        down**3 / 6,
        (up**2 * (up - 2) * 3 + 4) / 6,
        (down**2 * (down - 2) * 3 + 4) / 6,
        up**3 / 6,
    ]
    inside = (positions >= 0) & (positions <= size - 1)
    period = max(2 * (size - 1), 1)
    result = np.zeros((len(positions), size))
    for step, share in enumerate(shares, -1):
        place = np.where(inside, lower + step, 0).astype(np.intp) % period
        result += (share * inside)[:, np.newaxis] * coefficients[np.minimum(place, period - place)]
    return result
