"""The voxel grid of the images: any shape, one field of view."""

import numpy as np
from numpy.typing import NDArray

from regbench.spatial.volume import centred_affine, voxel_grid, voxel_to_world

#: Millimetres along x, y, z that every shape covers, the origin in their middle.
FIELD_OF_VIEW = (144.0, 144.0, 144.0)


def grid_points(
    shape: tuple[int, int, int], displacement: NDArray | None = None
) -> NDArray[np.float32]:
    """(X, Y, Z, 3) mm: the voxel centres, or where a displacement in voxels takes them."""
    index = voxel_grid(shape)
    if displacement is not None:
        index = index + displacement
    return voxel_to_world(index, centred_affine(shape, FIELD_OF_VIEW)).astype(np.float32)
