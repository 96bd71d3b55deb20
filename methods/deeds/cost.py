"""The data cost: how well each block of the fixed image fits, for each displacement label."""

import numpy as np
from numba import njit
from numpy.typing import NDArray

from .popcount import popcount

#: Sums of four labels lie in one word, 16 bits each: a block's distances must stay below 2^16.
MAX_SPACING = 16


def pad_rows(words: NDArray[np.uint64], reach: int) -> NDArray[np.uint64]:
    """Axis 0 lengthened by `reach` voxels at both ends, which repeat the outermost ones."""
    return np.pad(words, ((0, 0), (0, 0), (reach, reach)), mode="edge")


def data_cost(
    fixed: NDArray[np.uint64],
    padded: NDArray[np.uint64],
    spacing: int,
    radius: int,
    step: int,
    weight: float,
) -> NDArray[np.float32]:
    """Cost (control points, labels): 0.5 s / (a q) times the mean Hamming distance over a block.

    Args:
        fixed: descriptors, [axis 2, axis 1, axis 0].
        padded: descriptors of the other image, warped by the field so far, its rows padded by
            q h. Across axes 1 and 2 the nearest row stands for what lies outside.
        spacing: s, of the control points; at most MAX_SPACING.
        radius: h; labels are the integer triples in [-h, h]^3, the one of axis 0 fastest.
        step: q, voxels a label.
        weight: a, of the regularisation.
    """
    grid = tuple(size // spacing for size in fixed.shape)
    every = 1 if spacing <= 4 else 2
    n = 2 * radius + 1
    # The labels of one slice, along axes (1, 0), in voxels; the last is repeated to fill its four.
    slice_labels = np.stack(np.divmod(np.arange(n * n), n)) * step
    slice_labels = np.pad(slice_labels, ((0, 0), (0, -n * n % 4)), mode="edge")
    cost = np.empty((*grid, n, n * n), dtype=np.float32)
    samples = spacing * len(range(0, spacing, every)) ** 2
    scale = np.float32(0.5 * spacing / (weight * step) / samples)
    _sum_distances(fixed, padded, spacing, step, every, slice_labels, scale, cost)
    return cost.reshape(-1, n**3)


@njit(cache=True, nogil=True)
def _sum_distances(fixed, padded, spacing, step, every, slice_labels, scale, cost):  # type: ignore[no-untyped-def]
    """Whole rows of axis 0 are compared at once, for four labels; they are cut into blocks last."""
    depth, height, width, n, in_slice = cost.shape
    planes, rows, length = padded.shape
    reach = (n // 2) * step
    row = np.empty(width * spacing, dtype=np.uint64)
    firsts = np.empty(4, dtype=np.uint64)
    words, other = fixed.ravel(), padded.ravel()
    for cz in range(depth):
        for cy in range(height):
            for l2 in range(n):
                for label in range(0, in_slice, 4):
                    row[:] = 0
                    for z in range(cz * spacing, (cz + 1) * spacing, every):
                        plane = min(max(z + l2 * step - reach, 0), planes - 1) * rows
                        for y in range(cy * spacing, (cy + 1) * spacing, every):
                            start = np.uint64((z * fixed.shape[1] + y) * fixed.shape[2])
                            for k in range(4):
                                at = y + slice_labels[0, label + k] - reach
                                at = plane + min(max(at, 0), rows - 1)
                                firsts[k] = at * length + slice_labels[1, label + k]
                            _add_distances(words, start, other, firsts, row)
                    for cx in range(width):
                        total = np.uint64(0)
                        for x in range(cx * spacing, (cx + 1) * spacing):
                            total += row[x]
                        for k in range(min(4, in_slice - label)):
                            share = (total >> np.uint64(16 * k)) & np.uint64(0xFFFF)
                            cost[cz, cy, cx, l2, label + k] = np.float32(share) * scale


@njit(cache=True, nogil=True, inline="always")
def _add_distances(words, start, other, firsts, row):  # type: ignore[no-untyped-def]
    """Add a row's distances to four rows of the other image, each in its 16 bits of a word."""
    # Unsigned indices: signed ones bring tests for negative numbers that stop vectorisation.
    a, b, c, d = firsts[0], firsts[1], firsts[2], firsts[3]
    for x in range(np.uint64(len(row))):
        word = words[start + x]
        row[x] += (
            popcount(word ^ other[a + x])
            + (popcount(word ^ other[b + x]) << np.uint64(16))
            + (popcount(word ^ other[c + x]) << np.uint64(32))
            + (popcount(word ^ other[d + x]) << np.uint64(48))
        )
