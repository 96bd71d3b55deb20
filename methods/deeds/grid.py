"""Fields on control grids: resampling them, and warping images by them.

Grids are (g2, g1, g0, 3), indexed [axis 2, axis 1, axis 0]; components along axes (0, 1, 2).
"""

from collections.abc import Callable
from functools import partial
from typing import Any

import numpy as np
from numpy.typing import NDArray

from .compiled import Compiled


def resample(
    field: NDArray[np.float32], grid: tuple[int, ...], each: Callable[..., Any] = map
) -> NDArray[np.float32]:
    """The field on a grid of another size: trilinear at i g / G, clamped.

    `each` is `map`, or works on parts at once. In memory the result is (g0, g1, g2, 3), C order.
    """
    out = np.empty((*grid[::-1], 3), dtype=np.float32)
    half = len(out) // 2
    list(each(partial(_resample, field, out), (0, half), (half, len(out))))
    return out.transpose(2, 1, 0, 3)


def warp_by(image: NDArray[np.float32], field: NDArray[np.float32]) -> NDArray[np.float32]:
    """The image at x + u(x), linear, border replicated; u is trilinear between control points."""
    out = np.empty_like(image)
    wide = np.empty((*field.shape[:2], image.shape[2], 3), np.float32)
    _widen(field, wide)
    wide = wide.reshape(*field.shape[:2], -1)
    _warp(image, wide, np.empty(wide.shape[2], np.float32), out)
    return out


@Compiled
def _widen(field, out):  # type: ignore[no-untyped-def]
    """The field at each place of a longer axis 0: `sample` begins with this."""
    one = np.float32(1)
    width = out.shape[2]
    for x in range(width):
        x0, x1, fx = _cell(x * (field.shape[2] / width), field.shape[2])
        for z in range(out.shape[0]):
            for y in range(out.shape[1]):
                for k in range(3):
                    out[z, y, x, k] = field[z, y, x0, k] * (one - fx) + field[z, y, x1, k] * fx


@Compiled
def _warp(image, wide, row, out):  # type: ignore[no-untyped-def]
    """`wide` has three components for each place along axis 0, beside each other."""
    depth, height, width = image.shape
    one = np.float32(1)
    for z in range(depth):
        z0, z1, fz = _cell(z * (wide.shape[0] / depth), wide.shape[0])
        for y in range(height):
            y0, y1, fy = _cell(y * (wide.shape[1] / height), wide.shape[1])
            a, b, c, d = wide[z0, y0], wide[z0, y1], wide[z1, y0], wide[z1, y1]
            for i in range(len(row)):
                low = a[i] * (one - fy) + b[i] * fy
                row[i] = low * (one - fz) + (c[i] * (one - fy) + d[i] * fy) * fz
            for x in range(width):
                i = 3 * x
                out[z, y, x] = _value(image, z + row[i + 2], y + row[i + 1], x + row[i])


@Compiled
def _resample(field, out, first, last):  # type: ignore[no-untyped-def]
    """Into (g0, g1, g2, 3), from the first to before the last place along axis 0."""
    width, height, depth, _ = out.shape
    for x in range(first, last):
        at_x = x * (field.shape[2] / width)
        for y in range(height):
            at_y = y * (field.shape[1] / height)
            for z in range(depth):
                sample(field, z * (field.shape[0] / depth), at_y, at_x, out[x, y, z])


@Compiled
def _cell(at, size):  # type: ignore[no-untyped-def]
    """Lower neighbour, upper neighbour, and the share of the upper one; clamped."""
    at = min(max(at, 0.0), size - 1.0)
    low = int(at)
    return low, min(low + 1, size - 1), np.float32(at - low)


@Compiled
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


@Compiled
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
