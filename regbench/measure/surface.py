"""Distances between the surfaces of two masks, by the two definitions in use.

Only the common bounding box of the masks is looked at: both surfaces lie in it, and so do the
nearest points. They are found in a k-d tree of the surface's points: on organs it is faster than a
distance transform of the box.
"""

from dataclasses import dataclass

import numpy as np
import surface_distance
from numpy.typing import NDArray
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
    area_of = lookup_tables.create_table_neighbour_code_to_surface_area(tuple(map(float, spacing)))
    codes = [_neighbour_codes(mask) for mask in _cropped(fixed, warped)]
    borders = [(code != 0) & (code != 255) for code in codes]
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


def _cropped(fixed: NDArray, warped: NDArray) -> list[NDArray[np.uint8]]:
    """Both masks in their common bounding box, with one voxel of background around it."""
    either = fixed | warped
    flat = either.any(axis=2)
    shadows = flat.any(axis=1), flat.any(axis=0), either.any(axis=(0, 1))
    found = [np.flatnonzero(shadow) for shadow in shadows]
    box = tuple(slice(at[0], at[-1] + 1) for at in found)
    return [np.pad(mask[box].view(np.uint8), 1) for mask in (fixed, warped)]


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
    places = [np.stack(np.nonzero(points), axis=1) * spacing for points in (fixed, warped)]
    # The points lie on a lattice: unbalanced trees with large leaves are made and asked faster.
    trees = [cKDTree(p, leafsize=32, balanced_tree=False, compact_nodes=False) for p in places]
    found = []
    for points, other, own, tree in (
        (fixed, warped, places[0], trees[1]),
        (warped, fixed, places[1], trees[0]),
    ):
        # A point of both sets is 0 away.
        apart = ~other[points]
        distance = np.zeros(len(own))
        distance[apart] = tree.query(own[apart])[0]
        found.append(distance)
    return found[0], found[1]
