"""The data cost: how well each block of the fixed image fits, for each displacement label."""

import numpy as np
from numba import njit
from numpy.typing import NDArray

from .distance import AT_ONCE, VECTOR, block_distances

MAX_SPACING = 16
#: Bytes of a voxel's descriptor.
BYTES = 12


def data_cost(
    fixed: NDArray[np.uint32],
    other: NDArray[np.uint32],
    spacing: int,
    radius: int,
    step: int,
    weight: float,
) -> NDArray[np.float32]:
    """Cost (control points, labels): 0.5 s / (a q) times the mean L1 distance over a block.

    Args:
        fixed: descriptors, [axis 2, axis 1, axis 0, 3].
        other: descriptors of the other image, warped by the field so far. The nearest voxel stands
            for what lies outside.
        spacing: s, of the control points; at most MAX_SPACING.
        radius: h; labels are the integer triples in [-h, h]^3, the one of axis 0 fastest.
        step: q, voxels a label.
        weight: a, of the regularisation.
    """
    grid = tuple(size // spacing for size in fixed.shape[:3])
    every = 1 if spacing <= 4 else 2
    n = 2 * radius + 1
    cost = np.empty((*grid, n, n, n), dtype=np.float32)
    samples = spacing * len(range(0, spacing, every)) ** 2
    scale = np.float32(0.5 * spacing / (weight * step) / samples)
    padded, length = _pad_rows(other, radius * step, (AT_ONCE - 1) * step * BYTES + VECTOR)
    own = fixed.view(np.uint8).reshape(*fixed.shape[:2], -1)
    _sum_distances(own, padded, other.shape[:2], length, spacing, step, every, scale, cost)
    return cost.reshape(-1, n**3)


def _pad_rows(words: NDArray[np.uint32], reach: int, spare: int) -> tuple[NDArray[np.uint8], int]:
    """Rows of axis 0, lengthened by `reach` voxels at both ends which repeat the outermost ones.

    Returns:
        the rows as flat bytes, with `spare` more at the end; and the bytes of a row.
    """
    planes, lines, size, _ = words.shape
    length = (size + 2 * reach) * BYTES
    flat = np.zeros(planes * lines * length + spare, dtype=np.uint8)
    rows = flat[: planes * lines * length].view(np.uint32).reshape(planes, lines, -1, 3)
    rows[:, :, reach : reach + size] = words
    rows[:, :, :reach] = words[:, :, :1]
    rows[:, :, reach + size :] = words[:, :, -1:]
    return flat, length


@njit(cache=True, nogil=True)
def _sum_distances(fixed, padded, lines, length, spacing, step, every, scale, cost):  # type: ignore[no-untyped-def]
    """The sampled rows of a row of blocks are packed block by block, and compared with as many
    rows of the other image for all labels along axis 0: both stay in the cache."""
    depth, height, width, n, _, _ = cost.shape
    reach = (n // 2) * step
    per_axis = (spacing + every - 1) // every
    rows = per_axis * per_axis
    used = spacing * BYTES
    vectors = (used + VECTOR - 1) // VECTOR
    mask = np.zeros(vectors * VECTOR, dtype=np.uint8)
    mask[:used] = 255
    packed = np.zeros((width, rows, vectors * VECTOR), dtype=np.uint8)
    starts = np.empty(rows, dtype=np.int64)
    sums = np.empty(AT_ONCE, dtype=np.int64)
    for cz in range(depth):
        for cy in range(height):
            for row in range(rows):
                z = cz * spacing + row // per_axis * every
                y = cy * spacing + row % per_axis * every
                for cx in range(width):
                    packed[cx, row, :used] = fixed[z, y, cx * used : (cx + 1) * used]
            for l2 in range(n):
                for l1 in range(n):
                    for row in range(rows):
                        z = cz * spacing + row // per_axis * every + l2 * step - reach
                        y = cy * spacing + row % per_axis * every + l1 * step - reach
                        z, y = min(max(z, 0), lines[0] - 1), min(max(y, 0), lines[1] - 1)
                        starts[row] = (z * lines[1] + y) * length
                    for cx in range(width):
                        # The last group may have labels that there are not.
                        for l0 in range(0, n, AT_ONCE):
                            shift = (cx * spacing + l0 * step) * BYTES
                            block_distances(
                                packed, cx, padded, starts, shift, step * BYTES, mask, sums
                            )
                            for k in range(min(AT_ONCE, n - l0)):
                                cost[cz, cy, cx, l2, l1, l0 + k] = np.float32(sums[k]) * scale
