"""Resampling a volume onto another voxel grid by the two headers."""

import numpy as np
from numpy.typing import NDArray

from regbench.volumes.sampling import sample_linear, sample_nearest
from regbench.volumes.volume import Volume, voxel_grid, voxel_to_world, world_to_voxel

#: Voxels that are sampled at once.
SLAB = 2**20


def resample_volume(
    volume: Volume,
    shape: tuple[int, int, int],
    affine: NDArray,
    *,
    labels: bool = False,
) -> Volume:
    """Sample `volume` at the voxel centres of another grid in the same world.

    Args:
        volume: what to sample.
        shape: (X, Y, Z) of the new grid.
        affine: 4x4 of the new grid, voxel to world millimetres.
        labels: nearest neighbour with 0 outside, instead of linear with replicated border.
    """
    sample = sample_nearest if labels else sample_linear
    result = np.empty(shape, volume.data.dtype if labels else np.float32)
    # Slab by slab: the positions of a whole volume take many times its memory.
    thick = max(1, SLAB // (shape[1] * shape[2]))
    for first in range(0, shape[0], thick):
        grid = voxel_grid((min(thick, shape[0] - first), *shape[1:]))
        grid[..., 0] += first
        points = world_to_voxel(voxel_to_world(grid, affine), volume.affine)
        result[first : first + thick] = sample(volume.data, points)
    return Volume(result, np.asarray(affine, float))
