"""The data cost: how well each block of the fixed image fits, for each displacement label."""

import numpy as np
from numba import njit
from numpy.typing import NDArray

from .popcount import popcount


def data_cost(
    fixed: NDArray[np.uint64],
    warped: NDArray[np.uint64],
    spacing: int,
    radius: int,
    step: int,
    weight: float,
) -> NDArray[np.float32]:
    """Cost (control points, labels): 0.5 s / (a q) times the mean Hamming distance over a block.

    Args:
        fixed: descriptors, [axis 2, axis 1, axis 0].
        warped: descriptors of the other image, warped by the field so far.
        spacing: s, of the control points.
        radius: h; labels are the integer triples in [-h, h]^3, the one of axis 0 fastest.
        step: q, voxels a label.
        weight: a, of the regularisation.
    """
    grid = tuple(size // spacing for size in fixed.shape)
    reach = radius * step
    padded = np.pad(warped, reach, mode="edge")
    every = 1 if spacing <= 4 else 2
    labels = (2 * radius + 1) ** 3
    cost = np.empty((*grid, labels), dtype=np.float32)
    samples = spacing * len(range(0, spacing, every)) ** 2
    scale = np.float32(0.5 * spacing / (weight * step) / samples)
    _sum_distances(fixed, padded, spacing, radius, step, every, scale, cost)
    return cost.reshape(-1, labels)


@njit(cache=True, nogil=True)
def _sum_distances(fixed, padded, spacing, radius, step, every, scale, cost):  # type: ignore[no-untyped-def]
    """Whole rows of axis 0 are compared at once; they are cut into blocks last."""
    depth, height, width = cost.shape[:3]
    n = 2 * radius + 1
    length = np.uint64(width * spacing)
    row = np.empty(width * spacing, dtype=np.uint64)
    # Unsigned indices: signed ones bring tests for negative numbers that stop vectorisation.
    for cz in range(depth):
        for cy in range(height):
            for l2 in range(n):
                for l1 in range(n):
                    for l0 in range(n):
                        row[:] = 0
                        shift = np.uint64(l0 * step)
                        for z in range(cz * spacing, (cz + 1) * spacing, every):
                            for y in range(cy * spacing, (cy + 1) * spacing, every):
                                _add_row(
                                    fixed,
                                    padded,
                                    np.uint64(z),
                                    np.uint64(y),
                                    np.uint64(z + l2 * step),
                                    np.uint64(y + l1 * step),
                                    shift,
                                    length,
                                    row,
                                )
                        label = (l2 * n + l1) * n + l0
                        for cx in range(width):
                            total = np.uint64(0)
                            for x in range(cx * spacing, (cx + 1) * spacing):
                                total += row[x]
                            cost[cz, cy, cx, label] = np.float32(total) * scale


@njit(cache=True, nogil=True, inline="always")
def _add_row(fixed, padded, z, y, other_z, other_y, shift, length, row):  # type: ignore[no-untyped-def]
    x = np.uint64(0)
    for x in range(length):
        row[x] += popcount(fixed[z, y, x] ^ padded[other_z, other_y, x + shift])
