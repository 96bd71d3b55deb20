"""Deeds knows cubes only: a pair on an isotropic grid, and its field back on the pair's own."""

import numpy as np
from numpy.typing import NDArray

from regbench.spatial.field import Field
from regbench.spatial.volume import Volume

#: Spacings closer than this share are one.
CLOSE = 1e-3


def isotropic_grid(
    volume: Volume, spacing_mm: float
) -> tuple[tuple[int, int, int], NDArray[np.float64]]:
    """Shape and affine of an isotropic grid with the volume's first voxel, axes and extent.

    Args:
        volume: whose extent is covered.
        spacing_mm: of the grid; 0 takes the volume's smallest.
    """
    own = volume.spacing
    target = spacing_mm or float(own.min())
    # Across anisotropic axes the extent is from the first to the last voxel's centre.
    last = (np.array(volume.shape) - 1) * own / target
    x, y, z = (int(np.ceil(n - CLOSE)) + 1 for n in last)
    affine = volume.affine.copy()
    affine[:3, :3] = affine[:3, :3] / own * target
    return (x, y, z), affine


def to_isotropic(volume: Volume, affine: NDArray, spacing_mm: float) -> Volume:
    """The volume on the isotropic grid of the pair.

    Args:
        volume: fixed or moving image; the pair is index to index, so both take the fixed affine.
        affine: of the fixed image.
        spacing_mm: as in `isotropic_grid`.
    """
    placed = Volume(volume.data, affine)
    shape, grid = isotropic_grid(placed, spacing_mm)
    if shape == volume.shape and np.allclose(grid, affine):
        return placed
    from regbench.spatial.resample import resample_volume

    return resample_volume(placed, shape, grid)


def to_own_grid(field: Field, fixed: Volume) -> Field:
    """The field on the fixed image's own grid, in its voxels."""
    if field.shape == fixed.shape and np.allclose(field.affine, fixed.affine):
        return field
    from regbench.spatial.operations import resample_field

    return resample_field(field, fixed.shape, fixed.affine)
