"""A displacement field on another voxel grid of the same world."""

import numpy as np
from numpy.typing import NDArray

from regbench.fields.field import Field
from regbench.volumes.sampling import sample_vectors
from regbench.volumes.volume import voxel_grid, voxel_to_world, world_to_voxel


def resample_field(field: Field, shape: tuple[int, int, int], affine: NDArray) -> Field:
    """The same physical transform on a grid of other shape, spacing, origin or orientation.

    Fixed and moving image must share the grid, before and after: positions and vectors are both
    converted through world millimetres.

    Args:
        field: in voxels of its own grid.
        shape: (X, Y, Z) of the new grid.
        affine: 4x4 of the new grid.
    """
    points = world_to_voxel(voxel_to_world(voxel_grid(shape), affine), field.affine)
    vectors = sample_vectors(field.displacement, points)
    to_new = np.linalg.inv(affine[:3, :3]) @ field.affine[:3, :3]
    return Field((vectors @ to_new.T).astype(np.float32), np.asarray(affine, float))
