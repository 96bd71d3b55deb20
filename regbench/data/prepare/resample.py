"""Putting an image into another's world, and onto the grid of the pair: one interpolation."""

from dataclasses import replace

import numpy as np
from numpy.typing import NDArray

from regbench.data.pair import Side
from regbench.data.prepare.grid import Grid
from regbench.spatial.intensity import rescale
from regbench.spatial.resample import resample_volume
from regbench.spatial.volume import Volume, voxel_to_world, world_to_voxel


def placed(side: Side, alignment: NDArray) -> Side:
    """The moving side in the fixed image's world, without touching a voxel.

    The alignment becomes part of the affine. Resampling goes from a voxel of the pair's grid
    through the world to the native voxel, so the native image is interpolated once.

    Args:
        side: moving, in its own world.
        alignment: 4x4, fixed world millimetres to moving world millimetres.
    """
    affine = np.linalg.inv(alignment) @ side.image.affine
    labels, mask = (
        None if volume is None else Volume(volume.data, affine)
        for volume in (side.labels, side.mask)
    )
    return replace(side, image=Volume(side.image.data, affine), labels=labels, mask=mask)


def onto(side: Side, grid: Grid, bounds: tuple[float, float]) -> Side:
    """A side on another grid of the same world.

    The image linearly, then to [0, 1]; 0 where the native image does not reach. Labels and mask by
    nearest neighbour, 0 outside. Landmarks through the world; they may lie outside the grid.

    Args:
        side: native.
        grid: the pair's grid.
        bounds: intensities that become 0 and 1.
    """
    where = grid.shape, grid.affine
    image = resample_volume(side.image, *where)
    # The lowest intensity, not the border's: a smeared border looks like anatomy.
    data = np.where(covered(side.image, grid), rescale(image.data, *bounds), np.float32(0))
    labels, mask = (
        None if volume is None else resample_volume(volume, *where, labels=True)
        for volume in (side.labels, side.mask)
    )
    landmarks = side.landmarks
    if landmarks is not None:
        landmarks = world_to_voxel(voxel_to_world(landmarks, side.image.affine), grid.affine)
    return Side(image.with_data(data), labels, mask, landmarks)


def covered(volume: Volume, grid: Grid) -> NDArray[np.bool_]:
    """Which voxels of the grid lie within a volume's field of view."""
    ones = Volume(np.ones(volume.shape, np.uint8), volume.affine)
    return resample_volume(ones, grid.shape, grid.affine, labels=True).data != 0
