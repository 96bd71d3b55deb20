"""Distances between the surfaces of two masks, by the two definitions in use."""

from dataclasses import dataclass

import numpy as np
import surface_distance
from numpy.typing import NDArray
from scipy import ndimage


@dataclass(frozen=True)
class SurfaceDistances:
    """Distances of surface elements (surfels) of each surface to the other, with their areas.

    Attributes:
        fixed_to_warped, warped_to_fixed: (n,) mm.
        fixed_areas, warped_areas: (n,) mm^2, the weights.
    """

    fixed_to_warped: NDArray[np.float64]
    warped_to_fixed: NDArray[np.float64]
    fixed_areas: NDArray[np.float64]
    warped_areas: NDArray[np.float64]


def surface_distances(fixed: NDArray, warped: NDArray, spacing: NDArray) -> SurfaceDistances:
    """Surfel distances by DeepMind's `surface-distance` package, mm.

    Neither mask may be empty. Beyond the border counts as background: a mask that touches the
    border has a surface there.
    """
    found = surface_distance.compute_surface_distances(fixed, warped, tuple(map(float, spacing)))
    return SurfaceDistances(
        found["distances_gt_to_pred"],
        found["distances_pred_to_gt"],
        found["surfel_areas_gt"],
        found["surfel_areas_pred"],
    )


def edge_distances(
    fixed: NDArray, warped: NDArray, spacing: NDArray
) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Distances of each mask's edge voxels to the nearest edge voxel of the other, mm.

    An edge voxel has a background voxel among its 6 neighbours; beyond the border is background.
    Neither mask may be empty.
    """
    # Both edges lie in the common bounding box, and so do the nearest points.
    box = ndimage.find_objects((fixed | warped).astype(np.uint8))[0]
    edges = [_edge(mask[box]) for mask in (fixed, warped)]
    to_warped, to_fixed = (
        ndimage.distance_transform_edt(~edge, sampling=spacing) for edge in (edges[1], edges[0])
    )
    return to_warped[edges[0]], to_fixed[edges[1]]


def _edge(mask: NDArray) -> NDArray[np.bool_]:
    return mask & ~ndimage.binary_erosion(mask, border_value=0)
