"""The quantised self-similarity context (SSC): 12 levels a voxel (Heinrich et al., MICCAI 2013).

Six neighbours at distance r form an octahedron. Each of its twelve edges compares two patches; each
of the twelve distances is quantised to six levels. The authors store a level as five bits of a word
and compare words; here it is a byte, because one instruction compares 32 of them.

Arrays here are indexed [axis 2, axis 1, axis 0]: axis 0 is contiguous.
"""

import numpy as np
from numba import njit
from numpy.typing import NDArray

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
#: Slices that are worked on together, so that they stay in the cache.
SLAB = 24
SMALLEST = np.float32(1e-6)


def describe(image: NDArray[np.float32], radius: int) -> NDArray[np.uint32]:
    """The descriptor of each voxel: [axis 2, axis 1, axis 0, 3], four levels (0 to 5) in a word.

    Args:
        image: [axis 2, axis 1, axis 0].
        radius: r, of the patches and of the octahedron.
    """
    words = np.empty((*image.shape, 3), dtype=np.uint32)
    depth = image.shape[0]
    for start in range(0, depth, SLAB):
        stop = min(start + SLAB, depth)
        first, last = max(start - radius, 0), min(stop + radius, depth)
        distances = np.empty((len(OFFSETS), last - first, *image.shape[1:]), dtype=np.float32)
        for group, offset in enumerate(OFFSETS):
            _patch_distances(image, radius, offset * radius, first, distances[group])
        _quantise(distances, radius, first, start, words[start:stop], depth)
    return words


@njit(cache=True, nogil=True)
def _patch_distances(image, radius, offset, first, out):  # type: ignore[no-untyped-def]
    """D_o: the sum over a patch of (I(x + o) - I(x))^2; what lies outside counts as 0."""
    depth, height, width = image.shape
    slices = out.shape[0]
    low, high = max(first - radius, 0), min(first + slices + radius, depth)
    squares = np.zeros((high - low, height, width), dtype=np.float32)
    x0, x1 = max(0, -offset[0]), min(width, width - offset[0])
    for z in range(low, high):
        other = z + offset[2]
        if other < 0 or other >= depth:
            continue
        for y in range(max(0, -offset[1]), min(height, height - offset[1])):
            for x in range(x0, x1):
                d = image[other, y + offset[1], x + offset[0]] - image[z, y, x]
                squares[z - low, y, x] = d * d
    # Direct, not running, sums: a flat patch is exactly 0.
    row = np.empty(width, dtype=np.float32)
    for z in range(high - low):
        for y in range(height):
            row[:] = 0
            for k in range(-radius, radius + 1):
                for x in range(max(0, -k), min(width, width - k)):
                    row[x] += squares[z, y, x + k]
            squares[z, y] = row
    plane = np.empty((height, width), dtype=np.float32)
    for z in range(high - low):
        plane[:] = 0
        for y in range(height):
            for k in range(max(-radius, -y), min(radius, height - 1 - y) + 1):
                for x in range(width):
                    plane[y, x] += squares[z, y + k, x]
        squares[z] = plane
    out[:] = 0
    for z in range(slices):
        at = z + first
        for k in range(max(at - radius, low), min(at + radius, high - 1) + 1):
            for y in range(height):
                for x in range(width):
                    out[z, y, x] += squares[k - low, y, x]


@njit(cache=True, nogil=True)
def _quantise(distances, radius, first, start, out, depth):  # type: ignore[no-untyped-def]
    """Levels of exp(-m / mean m)."""
    slices, height, width, _ = out.shape
    edges = len(EDGES)
    m = np.empty((edges, width), dtype=np.float32)
    least = np.empty(width, dtype=np.float32)
    mean = np.empty(width, dtype=np.float32)
    limits = np.empty((5, width), dtype=np.float32)
    words = np.empty((3, width), dtype=np.uint32)
    for i in range(slices):
        z = start + i
        for y in range(height):
            for e in range(edges):
                group = EDGES[e, 0]
                dx, dy, dz = EDGES[e, 1] * radius, EDGES[e, 2] * radius, EDGES[e, 3] * radius
                inside = 0 <= z + dz < depth and 0 <= y + dy < height
                for x in range(width):
                    m[e, x] = distances[group, z - first, y, x]
                if inside:
                    for x in range(max(0, -dx), min(width, width - dx)):
                        m[e, x] = distances[group, z + dz - first, y + dy, x + dx]
            least[:] = m[0]
            mean[:] = m[0]
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
                    out[i, y, x, k] = words[k, x]
