"""Distances between the surfaces of two masks, by the two definitions in use; depth in a mask.

Only the common bounding box of the masks is looked at: both surfaces lie in it, and so do the
nearest points. Every place knows how far the nearest point on its line along X is. So the lines
around a point are looked at in order of their distance, until the next is farther than what was
found; what has nothing near it asks a k-d tree. On organs this is faster than a distance transform.
"""

import itertools
import math
from dataclasses import dataclass
from functools import lru_cache
from typing import Any

import numpy as np
import surface_distance
from numpy.typing import NDArray
from scipy.spatial import cKDTree
from surface_distance import lookup_tables

#: Lines along X around a point that are looked at before the k-d tree is asked.
_LINES = 500
#: Lines that are looked at in one step: of all points together, and the least of a point.
_AT_ONCE, _LEAST = 2**15, 4


@dataclass(frozen=True)
class SurfaceDistances:
    """Distances of surface elements (surfels) of each surface to the other, with their areas.

    Attributes:
        fixed_to_warped, warped_to_fixed: (n,) mm, sorted.
        fixed_areas, warped_areas: (n,) mm^2, the weights.
    """

    fixed_to_warped: NDArray[np.float64]
    warped_to_fixed: NDArray[np.float64]
    fixed_areas: NDArray[np.float64]
    warped_areas: NDArray[np.float64]

    def robust_hausdorff(self, percent: float) -> float:
        """The larger of the two directed percentiles, weighted by area, mm."""
        distances = {
            "distances_gt_to_pred": self.fixed_to_warped,
            "distances_pred_to_gt": self.warped_to_fixed,
            "surfel_areas_gt": self.fixed_areas,
            "surfel_areas_pred": self.warped_areas,
        }
        return float(surface_distance.compute_robust_hausdorff(distances, percent))


def surface_distances(fixed: NDArray, warped: NDArray, spacing: NDArray) -> SurfaceDistances:
    """Surfel distances as the `surface-distance` package defines them, mm.

    A surfel lies at a corner of voxels that are not all alike; its area is the package's for the
    eight voxels around it. Neither mask may be empty. Beyond the border counts as background: a
    mask that touches the border has a surface there.
    """
    area_of = _surfel_areas(tuple(map(float, spacing)))
    codes = [_neighbour_codes(mask) for mask in _cropped(fixed, warped)]
    # Eight equal voxels have the codes 0 and 255.
    borders = [code - np.uint8(1) < 254 for code in codes]
    areas = [area_of[code[border]] for code, border in zip(codes, borders, strict=True)]
    forward, backward = _nearest(borders[0], borders[1], spacing)
    by_forward, by_backward = np.argsort(forward), np.argsort(backward)
    return SurfaceDistances(
        forward[by_forward], backward[by_backward], areas[0][by_forward], areas[1][by_backward]
    )


def edge_distances(
    fixed: NDArray, warped: NDArray, spacing: NDArray
) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Distances of each mask's edge voxels to the nearest edge voxel of the other, mm.

    An edge voxel has a background voxel among its 6 neighbours; beyond the border is background.
    Neither mask may be empty.
    """
    edges = [_edge(mask) for mask in _cropped(fixed, warped)]
    return _nearest(edges[0], edges[1], spacing)


def deeper(mask: NDArray[np.bool_], depth: float, spacing: NDArray) -> NDArray[np.bool_]:
    """(n,) which voxels of a mask are farther than `depth` mm from the nearest voxel outside.

    Beyond the border is outside. The mask may not be empty. Distances up to `depth` are all that is
    looked at, which takes less time than a distance transform.
    """
    # All that the depth depends on is in the mask's box and one voxel around it.
    box = np.pad(mask[bounding_box(mask, mask)], 1)
    along, square_of = _squares_along_x(~box, spacing[0])
    # Each other axis adds the square of a step, and keeps the least. X is the fastest axis here,
    # so that a step moves whole lines.
    squares = square_of.take(np.moveaxis(along, 0, 2))
    longer = np.empty_like(squares)
    for axis, side in enumerate(spacing[1:]):
        least = np.moveaxis(squares.copy(), axis, 0)
        given, sums = np.moveaxis(squares, axis, 0), np.moveaxis(longer, axis, 0)
        for step in range(1, min(math.ceil(depth / side), len(given) - 1) + 1):
            np.add(given, (step * side) ** 2, out=sums)
            np.minimum(least[step:], sums[:-step], out=least[step:])
            np.minimum(least[:-step], sums[step:], out=least[:-step])
        squares = np.moveaxis(least, 0, axis)
    return np.asarray(np.moveaxis(squares, 2, 0)[box] > depth**2)


def _cropped(fixed: NDArray, warped: NDArray) -> list[NDArray[np.uint8]]:
    """Both masks in their common bounding box, with one voxel of background around it."""
    box = bounding_box(fixed, warped)
    return [np.pad(mask[box].view(np.uint8), 1) for mask in (fixed, warped)]


def bounding_box(one: NDArray[np.bool_], other: NDArray[np.bool_]) -> tuple[slice, ...]:
    """Of two masks (X, Y, Z) together; neither may be empty."""
    # The first axis is the slowest: whole planes are joined before rows are looked at.
    flat = np.asarray(one.any(axis=0) | other.any(axis=0))
    box = _extent(flat.any(axis=1)), _extent(flat.any(axis=0))
    shadow = one[:, *box].any(axis=(1, 2)) | other[:, *box].any(axis=(1, 2))
    return (_extent(shadow), *box)


def _extent(shadow: Any) -> slice:
    """From the first to the last that is true."""
    found = np.flatnonzero(shadow)
    return slice(found[0], found[-1] + 1)


def _neighbour_codes(padded: NDArray[np.uint8]) -> NDArray[np.uint8]:
    """The eight voxels around each corner as bits, in the order of the package's table."""
    pairs = 2 * padded[:, :, :-1] + padded[:, :, 1:]
    squares = 4 * pairs[:, :-1] + pairs[:, 1:]
    codes: NDArray[np.uint8] = 16 * squares[:-1] + squares[1:]
    return codes


def _edge(padded: NDArray[np.uint8]) -> NDArray[np.bool_]:
    inner = padded[1:-1, 1:-1, 1:-1]
    around = (
        *(padded[:-2, 1:-1, 1:-1], padded[2:, 1:-1, 1:-1], padded[1:-1, :-2, 1:-1]),
        *(padded[1:-1, 2:, 1:-1], padded[1:-1, 1:-1, :-2], padded[1:-1, 1:-1, 2:]),
    )
    eroded = inner.copy()
    for neighbour in around:
        eroded &= neighbour
    return inner > eroded


def _nearest(
    fixed: NDArray[np.bool_], warped: NDArray[np.bool_], spacing: NDArray
) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """The distance of each point to the nearest of the other set, mm, both ways, in array order."""
    return _one_way(fixed, warped, spacing), _one_way(warped, fixed, spacing)


def _one_way(
    own: NDArray[np.bool_], other: NDArray[np.bool_], spacing: NDArray
) -> NDArray[np.float64]:
    """(n,) mm, from each point of a set (X, Y, Z) to the nearest of the other."""
    offsets, squares = _lines_around(tuple(map(float, spacing[1:])))
    # No line that is looked at lies outside this array.
    around = [(0, 0), *((n, n) for n in np.abs(offsets).max(axis=0))]
    along, square_of = _squares_along_x(other, spacing[0])
    # The steps below are those of this order, whatever the order of the masks.
    along = np.pad(np.ascontiguousarray(along), around, constant_values=len(along))
    steps = offsets @ (np.array(along.strides[1:]) // along.itemsize)
    points = np.unravel_index(np.flatnonzero(own), own.shape)
    moved = (p + n for p, (n, _) in zip(points, around, strict=True))
    at, flat = np.ravel_multi_index(tuple(moved), along.shape), along.ravel()
    least = np.full(len(at), np.inf)
    left, start = np.arange(len(at)), 0
    while left.size and start < len(steps):
        stop = start + max(_LEAST, _AT_ONCE // left.size)
        found = square_of.take(flat.take(at[left] + steps[start:stop, np.newaxis]))
        found += squares[start:stop, np.newaxis]
        nearest = np.minimum(least[left], found.min(axis=0))
        least[left] = nearest
        # The lines still to come are as far away as this, or farther.
        reached = squares[min(stop, len(squares) - 1)]
        left, start = left[nearest > reached], stop
    distances = np.sqrt(least)
    if left.size:
        # Points on a lattice: unbalanced trees with large leaves are made and asked faster.
        far = np.stack([p[left] for p in points], axis=1) * spacing
        tree = cKDTree(
            np.argwhere(other) * spacing, leafsize=32, balanced_tree=False, compact_nodes=False
        )
        distances[left] = tree.query(far)[0]
    return distances


def _squares_along_x(points: NDArray[np.bool_], side: float) -> tuple[NDArray, NDArray[np.float64]]:
    """Of each place (X, Y, Z): the squared distance to the nearest point on its line along X.

    Args:
        side: of a voxel along X, mm.

    Returns:
        (X, Y, Z) voxels, X where there is no point; and (X + 1,) their squares in mm^2, inf at X.
    """
    none = len(points)
    # Numbers as small as can be: they are looked up again and again.
    kind = np.min_scalar_type(none + 1)
    steps = np.where(points, kind.type(0), kind.type(none))
    for planes in (steps, steps[::-1]):
        for before, plane in itertools.pairwise(planes):
            np.minimum(plane, before + kind.type(1), out=plane)
    squares = np.square(np.arange(none + 1) * side)
    squares[none] = np.inf
    return steps, squares


@lru_cache(maxsize=8)
def _lines_around(
    spacing: tuple[float, float],
) -> tuple[NDArray[np.intp], NDArray[np.float64]]:
    """Offsets (n, 2) along Y and Z, voxels, of lines within a radius, the nearest first.

    Args:
        spacing: mm along Y and Z.

    Returns:
        offsets, and (n,) their squared lengths, mm^2.
    """
    radius = (_LINES * np.prod(spacing) / np.pi) ** (1 / 2)
    sides = [np.arange(-n, n + 1) for n in (int(radius / side) for side in spacing)]
    offsets = np.stack(np.meshgrid(*sides, indexing="ij"), axis=-1).reshape(-1, 2)
    squares = np.square(offsets * spacing).sum(axis=1)
    order = np.argsort(squares, kind="stable")
    # Where the lines are far apart along one axis, there are more of them along the other.
    order = order[: min(np.count_nonzero(squares <= radius**2), _LINES)]
    return offsets[order], squares[order]


#: (256,) mm^2 for each code of eight voxels, by the voxel's sides.
_surfel_areas = lru_cache(maxsize=8)(lookup_tables.create_table_neighbour_code_to_surface_area)
