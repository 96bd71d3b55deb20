"""Symmetrisation: a forward and a backward field that undo each other.

Grids are (g2, g1, g0, 3), indexed [axis 2, axis 1, axis 0]; components along axes (0, 1, 2).
"""

from collections.abc import Callable
from typing import Any

import numpy as np
from numpy.typing import NDArray

from .compiled import Compiled
from .grid import sample

ROUNDS = 10


def make_inverse_consistent(
    forward: NDArray[np.float32],
    backward: NDArray[np.float32],
    spacing: int,
    each: Callable[..., Any] = map,
) -> tuple[NDArray[np.float32], NDArray[np.float32]]:
    """Each field averaged with the inverse that the other one implies, ten times over.

    u_f <- 0.5 (u_f - u_b o (id + u_f)) and the same with the roles exchanged, both from the old
    values. Without this thousands of voxels fold.
    """
    scale = np.float32(spacing)
    f, b = forward / scale, backward / scale
    for _ in range(ROUNDS):
        f, b = each(_average, (f, b), (b, f))
    return f * scale, b * scale


def _average(own: NDArray[np.float32], other: NDArray[np.float32]) -> NDArray[np.float32]:
    out = np.empty_like(own)
    _compose(other, own, out)
    return np.float32(0.5) * (own - out)


@Compiled
def _compose(outer, inner, out):  # type: ignore[no-untyped-def]
    """outer(x + inner(x)), both in units of the grid."""
    depth, height, width, _ = inner.shape
    for z in range(depth):
        for y in range(height):
            for x in range(width):
                u = inner[z, y, x]
                sample(outer, z + u[2], y + u[1], x + u[0], out[z, y, x])
