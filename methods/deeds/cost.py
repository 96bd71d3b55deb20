"""The data cost: how well each block of the fixed image fits, for each displacement label."""

import numpy as np
from numpy.typing import NDArray

from .compiled import Compiled, Intrinsic

#: No larger one is tested. The sums of a block's distances stay whole numbers as floats.
MAX_SPACING = 16
#: Words of a voxel's descriptor, four bytes each.
WORDS = 3
#: Bytes that are compared at once.
VECTOR = 32

_three, _four = (Intrinsic("distance", "distances_of", count) for count in (3, 4))


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
    depth, height, width = (size // spacing for size in fixed.shape[:3])
    every = 1 if spacing <= 4 else 2
    n = 2 * radius + 1
    size = depth * height * width * n**3
    cost = np.empty(size, np.float32) if room is None else room[:size]
    rows = -(-spacing // every)
    samples = spacing * rows**2
    scale = np.float32(0.5 * spacing / (weight * step) / samples)
    # Of a row of a block: the sampled slices lie beside each other, voxel by voxel.
    used = 4 * WORDS * rows * spacing
    vectors = -(-used // VECTOR)
    mask = np.where(np.arange(vectors * VECTOR) < used, 255, 0).astype(np.uint8)
    packed = np.zeros((height, width, rows, vectors * VECTOR // 4), np.uint32)
    # Whole cache lines, and an odd number of them: rows below each other share no places in it.
    length = (fixed.shape[2] + 2 * radius * step) * rows * WORDS * 4 // 128 * 128 + 192
    window = np.zeros(fixed.shape[1] * length + 128, np.uint8)
    window = window[-window.ctypes.data % 64 :][:-64]
    images = (fixed, other, packed, packed.reshape(-1).view(np.uint8), window.view(np.uint32))
    places = np.full((2, rows), -1)
    _sum_distances(*images, window, length, spacing, step, n, scale, mask, places, cost)
    return cost.reshape(-1, n**3)


@Compiled
def _copy_slice(source, lines, rows, row, reach, window, length):  # type: ignore[no-untyped-def]
    """A slice among others, rows of axis 0 lengthened by `reach` voxels at both ends which repeat
    the outermost ones."""
    size = source.shape[1]
    hop = rows * WORDS
    for y in range(lines):
        line = source[y]
        start = y * length + row * WORDS
        inner = start + reach * hop
        for x in range(size):
            for k in range(WORDS):
                window[inner + x * hop + k] = line[x, k]
        after = inner + size * hop
        for x in range(reach):
            for k in range(WORDS):
                window[start + x * hop + k] = line[0, k]
                window[after + x * hop + k] = line[size - 1, k]


@Compiled
def _sum_distances(  # type: ignore[no-untyped-def]
    fixed, other, packed, own, words, window, length, spacing, step, n, scale, mask, places, cost
):
    """The sampled rows of blocks are packed block by block, and compared with as many rows of the
    other image for all labels along axis 0: both stay in the cache.

    The window holds the sampled slices of the other image, voxel by voxel beside each other, as
    words and as bytes; `held` tells which.
    """
    starts, held = places[0], places[1]
    every = 1 if spacing <= 4 else 2
    height, width, rows, block = packed.shape
    depth = fixed.shape[0] // spacing
    reach = (n // 2) * step
    hop = step * rows * WORDS * 4
    planes, lines = other.shape[:2]
    plane = n * n
    for cz in range(depth):
        for cy in range(height):
            for cx in range(width):
                for row in range(rows):
                    target = packed[cy, cx, row]
                    y = cy * spacing + row * every
                    for x in range(spacing):
                        for k in range(rows):
                            voxel = fixed[cz * spacing + k * every, y, cx * spacing + x]
                            for word in range(WORDS):
                                target[(x * rows + k) * WORDS + word] = voxel[word]
        for l2 in range(n):
            for k in range(rows):
                z = min(max(cz * spacing + k * every + l2 * step - reach, 0), planes - 1)
                if held[k] != z:
                    held[k] = z
                    _copy_slice(other[z], lines, rows, k, reach, words, length // 4)
            for cy in range(height):
                for l1 in range(n):
                    for row in range(rows):
                        y = cy * spacing + row * every + l1 * step - reach
                        starts[row] = min(max(y, 0), lines - 1) * length
                    for cx in range(width):
                        first = (cy * width + cx) * rows * block * 4
                        point = (cz * height + cy) * width + cx
                        to = (point * n + l2) * plane + l1 * n
                        at = cx * spacing * rows * WORDS * 4
                        _compare(own, first, window, starts, at, hop, n, mask, scale, cost, to)


@Compiled
def _compare(own, first, window, starts, at, hop, n, mask, scale, cost, to):  # type: ignore[no-untyped-def]
    """The costs of n labels, three or four at once: the last three may be done twice."""
    vectors = len(mask) // VECTOR
    l0 = 0
    while l0 < n:
        if (n - l0) % 4:
            l0 = min(l0, n - 3)
            there = at + l0 * hop
            _three(own, first, window, starts, there, hop, mask, vectors, scale, cost, to + l0)
            l0 += 3
        else:
            there = at + l0 * hop
            _four(own, first, window, starts, there, hop, mask, vectors, scale, cost, to + l0)
            l0 += 4
