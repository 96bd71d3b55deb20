"""Distances between the surfaces of two masks, by the two definitions in use.

Only the common bounding box of the masks is looked at: both surfaces lie in it, and so do the
nearest points. They are found in a k-d tree of the surface's points: on organs it is faster than a
distance transform of the box.
"""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy import ndimage
from scipy.spatial import cKDTree
from surface_distance import lookup_tables


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


def surface_distances(fixed: NDArray, warped: NDArray, spacing: NDArray) -> SurfaceDistances:
    """Surfel distances as the `surface-distance` package defines them, mm.

    A surfel lies at a corner of voxels that are not all alike; its area is the package's for the
    eight voxels around it. Neither mask may be empty. Beyond the border counts as background: a
    mask that touches the border has a surface there.
    """
    area_of = lookup_tables.create_table_neighbour_code_to_surface_area(tuple(map(float, spacing)))
    places, areas = [], []
    for mask in _cropped(fixed, warped):
        codes = _neighbour_codes(mask)
        at = np.nonzero((codes != 0) & (codes != 255))
        places.append(np.stack(at, axis=1) * spacing)
        areas.append(area_of[codes[at]])
    forward, backward = _nearest(places[0], places[1])
    by_forward, by_backward = np.lexsort((areas[0], forward)), np.lexsort((areas[1], backward))
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
    places = [np.argwhere(_edge(mask)) * spacing for mask in _cropped(fixed, warped)]
    return _nearest(places[0], places[1])


def _cropped(fixed: NDArray, warped: NDArray) -> list[NDArray[np.uint8]]:
    """Both masks in their common bounding box, with one voxel of background around it."""
    box = ndimage.find_objects((fixed | warped).view(np.uint8))[0]
    return [np.pad(mask[box].view(np.uint8), 1) for mask in (fixed, warped)]


def _neighbour_codes(padded: NDArray[np.uint8]) -> NDArray[np.uint8]:
    """The eight voxels around each corner as bits, in the order of the package's table."""
    pairs = 2 * padded[:, :, :-1] + padded[:, :, 1:]
    squares = 4 * pairs[:, :-1] + pairs[:, 1:]
    codes: NDArray[np.uint8] = 16 * squares[:-1] + squares[1:]
    return codes


def _edge(padded: NDArray[np.uint8]) -> NDArray[np.uint8]:
    inner = padded[1:-1, 1:-1, 1:-1]
    around = (
        *(padded[:-2, 1:-1, 1:-1], padded[2:, 1:-1, 1:-1], padded[1:-1, :-2, 1:-1]),
        *(padded[1:-1, 2:, 1:-1], padded[1:-1, 1:-1, :-2], padded[1:-1, 1:-1, 2:]),
    )
    eroded = inner.copy()
    for neighbour in around:
        eroded &= neighbour
    return inner & ~eroded


def _nearest(
    fixed: NDArray[np.float64], warped: NDArray[np.float64]
) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """The distance of each point to the nearest of the other set, mm, both ways."""
    # The points lie on a lattice: unbalanced trees are made faster and are as good.
    trees = [cKDTree(p, balanced_tree=False, compact_nodes=False) for p in (fixed, warped)]
    return trees[1].query(fixed)[0], trees[0].query(warped)[0]
