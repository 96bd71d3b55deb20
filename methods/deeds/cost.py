"""The data cost: how well each block of the fixed image fits, for each displacement label."""

import math

import numpy as np
from numba import njit
from numpy.typing import NDArray

from .distance import AT_ONCE, VECTOR, distances_of

#: Sums of three labels lie in one word, 16 bits each: a block's distances must stay below 2^16.
MAX_SPACING = 16
#: Bytes of a voxel's descriptor.
BYTES = 12

_two, _three, _six = (distances_of(vectors) for vectors in (2, 3, 6))


def data_cost(
    fixed: NDArray[np.uint32],
    other: NDArray[np.uint32],
    spacing: int,
    radius: int,
    step: int,
    weight: float,
    room: NDArray[np.float32] | None = None,
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
        room: floats that the result may lie in: allocating takes time.
    """
    grid = tuple(size // spacing for size in fixed.shape[:3])
    every = 1 if spacing <= 4 else 2
    n = 2 * radius + 1
    shape = (*grid, n, n, n)
    size = math.prod(shape)
    cost = (np.empty(size, np.float32) if room is None else room[:size]).reshape(shape)
    samples = spacing * len(range(0, spacing, every)) ** 2
    scale = np.float32(0.5 * spacing / (weight * step) / samples)
    per_axis = -(-spacing // every)
    # Whole cache lines, and an odd number of them: rows below each other share no places in it.
    length = (fixed.shape[2] + 2 * radius * step) * BYTES // 128 * 128 + 192
    plane = fixed.shape[1] * length
    plane += (1024 - plane) % 4096
    spare = AT_ONCE * step * BYTES + 6 * VECTOR
    window = np.zeros(per_axis * plane + spare, dtype=np.uint8)
    flat = (words.reshape(*words.shape[:2], -1) for words in (fixed, other))
    _sum_distances(
        *flat, window.view(np.uint32), window, plane, length, spacing, step, every, scale, cost
    )
    return cost.reshape(-1, n**3)


@njit(cache=True, nogil=True)
def _copy_plane(words, lines, length, reach, window, at):  # type: ignore[no-untyped-def]
    """Rows of axis 0, lengthened by `reach` voxels at both ends which repeat the outermost ones."""
    size = words.shape[1]
    for y in range(lines):
        row, source = window[at + y * length : at + (y + 1) * length], words[y]
        inner = row[3 * reach : 3 * reach + size]
        for i in range(size):
            inner[i] = source[i]
        for voxel in range(reach):
            for k in range(3):
                row[3 * voxel + k] = source[k]
                row[3 * (reach + voxel) + size + k] = source[size - 3 + k]


@njit(cache=True, nogil=True)
def _sum_distances(  # type: ignore[no-untyped-def]
    fixed, other, words, window, plane, length, spacing, step, every, scale, cost
):
    """The sampled rows of blocks are packed block by block, and compared with as many rows of the
    other image for all labels along axis 0: both stay in the cache.

    The window holds the sampled slices of the other image, as words and as bytes.
    """
    depth, height, width, n, _, _ = cost.shape
    reach = (n // 2) * step
    per_axis = (spacing + every - 1) // every
    rows = per_axis * per_axis
    used = spacing * BYTES
    vectors = 2 if used <= 2 * VECTOR else 3 if used <= 3 * VECTOR else 6
    hop = step * BYTES
    mask = np.zeros(vectors * VECTOR, dtype=np.uint8)
    mask[:used] = 255
    packed = np.zeros((height, width, rows, vectors * VECTOR // 4), dtype=np.uint32)
    own = packed.reshape(packed.size).view(np.uint8)
    starts = np.empty(rows, dtype=np.int64)
    planes, lines, _ = other.shape
    for cz in range(depth):
        for cy in range(height):
            for row in range(rows):
                z = cz * spacing + row // per_axis * every
                y = cy * spacing + row % per_axis * every
                for cx in range(width):
                    block = packed[cy, cx, row]
                    source = fixed[z, y, cx * 3 * spacing : (cx + 1) * 3 * spacing]
                    for i in range(3 * spacing):
                        block[i] = source[i]
        for l2 in range(n):
            for k in range(per_axis):
                z = min(max(cz * spacing + k * every + l2 * step - reach, 0), planes - 1)
                _copy_plane(other[z], lines, length // 4, reach, words, k * plane // 4)
            for cy in range(height):
                for l1 in range(n):
                    for row in range(rows):
                        y = cy * spacing + row % per_axis * every + l1 * step - reach
                        y = min(max(y, 0), lines - 1)
                        starts[row] = row // per_axis * plane + y * length
                    for cx in range(width):
                        first = (cy * width + cx) * rows * vectors * VECTOR
                        target = cost[cz, cy, cx, l2, l1]
                        # The last group may reach beyond the labels.
                        for l0 in range(0, n, AT_ONCE):
                            shift = (cx * spacing + l0 * step) * BYTES
                            if vectors == 2:
                                sums = _two(own, first, window, starts, shift, hop, mask)
                            elif vectors == 3:
                                sums = _three(own, first, window, starts, shift, hop, mask)
                            else:
                                sums = _six(own, first, window, starts, shift, hop, mask)
                            for k in range(min(AT_ONCE, n - l0)):
                                share = (sums >> np.uint64(16 * k)) & np.uint64(0xFFFF)
                                target[l0 + k] = np.float32(share) * scale
