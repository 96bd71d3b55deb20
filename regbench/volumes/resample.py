"""Resampling a volume onto another voxel grid by the two headers."""

import numpy as np
from numpy.typing import NDArray

from regbench.volumes.sampling import sample_linear, sample_nearest
from regbench.volumes.volume import Volume, voxel_grid, voxel_to_world, world_to_voxel


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
    points = world_to_voxel(voxel_to_world(voxel_grid(shape), affine), volume.affine)
    sample = sample_nearest if labels else sample_linear
    return Volume(sample(volume.data, points), np.asarray(affine, float))
