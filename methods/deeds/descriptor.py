"""The quantised self-similarity context (SSC): 12 levels a voxel (Heinrich et al., MICCAI 2013).

Six neighbours at distance r form an octahedron. Each of its twelve edges compares two patches; each
of the twelve distances is quantised to six levels. The authors store a level as five bits of a word
and compare words; here it is a byte, because one instruction compares 32 of them.

Arrays here are indexed [axis 2, axis 1, axis 0]: axis 0 is contiguous.
"""

import numpy as np
from numpy.typing import NDArray

from .compiled import Compiled

#: Offset of each group of parallel edges, in units of r, along axes (0, 1, 2).
OFFSETS = np.array(
    [(1, 1, 0), (-1, 1, 0), (0, -1, 1), (-1, 0, 1), (0, 1, 1), (1, 0, 1)], dtype=np.int64
)
#: The edges: (group, where its first patch lies, in units of r).
EDGES = np.array(
    [
        *((0, -1, 0, 0), (0, 0, -1, 0)),
        *((1, 1, 0, 0), (1, 0, -1, 0)),
        *((2, 0, 1, 0), (2, 0, 0, -1)),
        *((3, 1, 0, 0), (3, 0, 0, -1)),
        *((4, 0, -1, 0), (4, 0, 0, -1)),
        *((5, -1, 0, 0), (5, 0, 0, -1)),
    ],
    dtype=np.int64,
)
#: exp(-x) rounds to a level above c where x is below the c-th threshold.
THRESHOLDS = np.array([-np.log((c + 1.5) / 6) for c in range(5)], dtype=np.float32)
SMALLEST = np.float32(1e-6)


def describe(image: NDArray[np.float32], radius: int) -> NDArray[np.uint32]:
    """The descriptor of each voxel: [axis 2, axis 1, axis 0, 3], four levels (0 to 5) in a word.

    Args:
        image: [axis 2, axis 1, axis 0].
        radius: r, of the patches and of the octahedron.
    """
    out = np.empty((*image.shape, 3), dtype=np.uint32)
    _, height, width = image.shape
    # A border of zeros: it changes no sum. A plane is one long row, so that loops are long.
    count, wide, tall = 2 * radius + 1, width + 2 * radius, height + 2 * radius
    floats = [(tall * wide + 2 * radius,), (tall * wide,)]
    # The last slices of each group: summed along axes 0 and 1, and along all.
    floats += [(len(OFFSETS), count, height * wide)] * 2
    # Of a row: distances along the edges, the least, the mean, and the levels' limits.
    floats += [(len(EDGES), width), (width,), (width,), (len(THRESHOLDS), width)]
    spaces = [np.zeros(shape, np.float32) for shape in floats]
    _describe(image, radius, OFFSETS * radius, out, *spaces, np.empty((3, width), np.uint32))
    return out


@Compiled
def _describe(  # type: ignore[no-untyped-def]
    image, radius, offsets, out, squares, summed, planes, distances, m, least, mean, limits, words
):
    """Slice by slice: what a slice needs of its neighbours is kept while it is needed."""
    depth, _, width = image.shape
    count, wide = 2 * radius + 1, width + 2 * radius
    for z in range(depth + 2 * radius):
        ready = z - radius
        for group in range(len(OFFSETS)):
            plane = planes[group, z % count]
            dx, dy, dz = offsets[group]
            if z < depth and 0 <= z + dz < depth:
                _square(image, z, dx, dy, dz, radius, squares)
                # Direct, not running, sums: a flat patch is exactly 0.
                _copy(squares, summed)
                for k in range(1, count, 2):
                    _add(squares[k:], squares[k + 1 :], summed)
                _copy(summed, plane)
                for k in range(wide, count * wide, 2 * wide):
                    _add(summed[k:], summed[k + wide :], plane)
            else:
                plane[:] = 0
            if 0 <= ready < depth:
                total = distances[group, ready % count]
                first = z + 1
                _copy(planes[group, first % count], total)
                for k in range(first + 1, first + count, 2):
                    _add(planes[group, k % count], planes[group, (k + 1) % count], total)
        if z >= 2 * radius:
            at = z - 2 * radius
            _quantise(distances, radius, at, depth, m, least, mean, limits, words, out[at])


@Compiled
def _copy(source, target):  # type: ignore[no-untyped-def]
    for i in range(len(target)):
        target[i] = source[i]


@Compiled
def _add(one, other, total):  # type: ignore[no-untyped-def]
    for i in range(len(total)):
        total[i] = total[i] + one[i] + other[i]


@Compiled
def _square(image, z, dx, dy, dz, border, out):  # type: ignore[no-untyped-def]
    """(I(x + o) - I(x))^2 of a slice, with a border; what lies outside counts as 0."""
    _, height, width = image.shape
    wide = width + 2 * border
    x0, x1 = max(0, -dx), min(width, width - dx)
    out[:] = 0
    for y in range(max(0, -dy), min(height, height - dy)):
        one, other = image[z, y, x0:x1], image[z + dz, y + dy, x0 + dx : x1 + dx]
        start = (y + border) * wide + border
        row = out[start + x0 : start + x1]
        for x in range(len(row)):
            d = other[x] - one[x]
            row[x] = d * d


@Compiled
def _quantise(  # type: ignore[no-untyped-def]
    distances, radius, z, depth, m, least, mean, limits, words, out
):
    """Levels of exp(-m / mean m), of a slice."""
    height, width, _ = out.shape
    count, wide = 2 * radius + 1, width + 2 * radius
    edges = len(EDGES)
    for y in range(height):
        for e in range(edges):
            group = EDGES[e, 0]
            dx, dy, dz = EDGES[e, 1] * radius, EDGES[e, 2] * radius, EDGES[e, 3] * radius
            own = distances[group, z % count, y * wide : y * wide + width]
            row = m[e]
            _copy(own, row)
            if 0 <= z + dz < depth and 0 <= y + dy < height:
                x0, x1 = max(0, -dx), min(width, width - dx)
                start = (y + dy) * wide + dx
                other = distances[group, (z + dz) % count, start + x0 : start + x1]
                _copy(other, row[x0:x1])
        _copy(m[0], least)
        _copy(m[0], mean)
        for e in range(1, edges):
            for x in range(width):
                least[x] = min(least[x], m[e, x])
                mean[x] += m[e, x]
        for x in range(width):
            mean[x] = max(mean[x] / np.float32(edges) - least[x], SMALLEST)
        for c in range(5):
            for x in range(width):
                limits[c, x] = THRESHOLDS[c] * mean[x]
        words[:] = 0
        for e in range(edges):
            shift = np.uint32(8 * (e % 4))
            for x in range(width):
                d = m[e, x] - least[x]
                level = (
                    np.float32(d < limits[0, x])
                    + np.float32(d < limits[1, x])
                    + np.float32(d < limits[2, x])
                    + np.float32(d < limits[3, x])
                    + np.float32(d < limits[4, x])
                )
                words[e // 4, x] |= np.uint32(np.int32(level)) << shift
        for x in range(width):
            for k in range(3):
                out[y, x, k] = words[k, x]
