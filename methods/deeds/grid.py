"""Fields on control grids: resampling them, and warping images by them.

Grids are (g2, g1, g0, 3), indexed [axis 2, axis 1, axis 0]; components along axes (0, 1, 2).
"""

import numpy as np
from numba import njit
from numpy.typing import NDArray


def resample(field: NDArray[np.float32], grid: tuple[int, ...]) -> NDArray[np.float32]:
    """The field on a grid of another size: trilinear at i g / G, clamped."""
    out = np.empty((*grid, 3), dtype=np.float32)
    _resample(field, out)
    return out


@njit(cache=True, nogil=True)
def warp_by(image, field):  # type: ignore[no-untyped-def]
    """The image at x + u(x), linear, border replicated; u is trilinear between control points."""
    depth, height, width = image.shape
    out = np.empty_like(image)
    row = np.empty((width, 3), dtype=np.float32)
    for z in range(depth):
        for y in range(height):
            _resample_row(field, z, y, image.shape, row)
            for x in range(width):
                u = row[x]
                out[z, y, x] = _value(image, z + u[2], y + u[1], x + u[0])
    return out


@njit(cache=True, nogil=True)
def _resample(field, out):  # type: ignore[no-untyped-def]
    for z in range(out.shape[0]):
        for y in range(out.shape[1]):
            _resample_row(field, z, y, out.shape[:3], out[z, y])


@njit(cache=True, nogil=True, inline="always")
def _resample_row(field, z, y, shape, out):  # type: ignore[no-untyped-def]
    """A row of axis 0 of the field on a grid of the given shape."""
    at_z, at_y = z * (field.shape[0] / shape[0]), y * (field.shape[1] / shape[1])
    for x in range(shape[2]):
        sample(field, at_z, at_y, x * (field.shape[2] / shape[2]), out[x])


@njit(cache=True, nogil=True, inline="always")
def _cell(at, size):  # type: ignore[no-untyped-def]
    """Lower neighbour, upper neighbour, and the share of the upper one; clamped."""
    at = min(max(at, 0.0), size - 1.0)
    low = int(at)
    return low, min(low + 1, size - 1), np.float32(at - low)


@njit(cache=True, nogil=True)
def sample(field, z, y, x, out):  # type: ignore[no-untyped-def]
    """The field at (z, y, x), trilinear, clamped to the grid; written into `out`."""
    z0, z1, fz = _cell(z, field.shape[0])
    y0, y1, fy = _cell(y, field.shape[1])
    x0, x1, fx = _cell(x, field.shape[2])
    one = np.float32(1)
    for k in range(3):
        a = field[z0, y0, x0, k] * (one - fx) + field[z0, y0, x1, k] * fx
        b = field[z0, y1, x0, k] * (one - fx) + field[z0, y1, x1, k] * fx
        c = field[z1, y0, x0, k] * (one - fx) + field[z1, y0, x1, k] * fx
        d = field[z1, y1, x0, k] * (one - fx) + field[z1, y1, x1, k] * fx
        low = a * (one - fy) + b * fy
        out[k] = low * (one - fz) + (c * (one - fy) + d * fy) * fz


@njit(cache=True, nogil=True)
def _value(image, z, y, x):  # type: ignore[no-untyped-def]
    z0, z1, fz = _cell(z, image.shape[0])
    y0, y1, fy = _cell(y, image.shape[1])
    x0, x1, fx = _cell(x, image.shape[2])
    one = np.float32(1)
    a = image[z0, y0, x0] * (one - fx) + image[z0, y0, x1] * fx
    b = image[z0, y1, x0] * (one - fx) + image[z0, y1, x1] * fx
    c = image[z1, y0, x0] * (one - fx) + image[z1, y0, x1] * fx
    d = image[z1, y1, x0] * (one - fx) + image[z1, y1, x1] * fx
    low = a * (one - fy) + b * fy
    return low * (one - fz) + (c * (one - fy) + d * fy) * fz
