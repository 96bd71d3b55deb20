"""Voxel grids, and putting an image with its annotations onto one: a single interpolation."""

from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from regbench.base.errors import BadInput
from regbench.data.pair import Side
from regbench.spatial.resample import resample_volume
from regbench.spatial.volume import (
    Volume,
    check_affine,
    rescale,
    spacing_of,
    to_ras,
    voxel_to_world,
    world_to_voxel,
)

#: A grid may not have more voxels than this: no volume of this field is larger.
MAX_VOXELS = 2**29


@dataclass(frozen=True)
class Grid:
    """A voxel grid without values.

    Attributes:
        shape: (X, Y, Z) number of voxels.
        affine: 4x4, voxel index to world millimetres in RAS+.
    """

    shape: tuple[int, int, int]
    affine: NDArray[np.float64]

    def __post_init__(self) -> None:
        check_affine(self.affine)
        if min(self.shape) < 1 or int(np.prod(self.shape, dtype=np.int64)) > MAX_VOXELS:
            raise BadInput(
                "a grid of an impossible size",
                expected=f"1 to {MAX_VOXELS} voxels",
                found=self.shape,
            )

    @property
    def spacing(self) -> NDArray[np.float64]:
        """(3,) millimetres between voxel centres along each array axis."""
        return spacing_of(self.affine)


def grid_of(volume: Volume) -> Grid:
    """The grid that a volume lies on."""
    return Grid(volume.shape, volume.affine)


def isotropic(grid: Grid, spacing: float) -> Grid:
    """The grid of the same field of view and directions with one spacing along all axes.

    The outer face of the first voxels stays where it was; the last voxels may reach beyond the old
    field of view by less than one voxel. A grid that has the spacing already stays as it is.

    Args:
        grid: the old grid.
        spacing: millimetres, above 0.
    """
    factor = spacing / grid.spacing
    # 1e-3: a header's float32 must not add a voxel.
    x, y, z = np.maximum(np.ceil(np.array(grid.shape) / factor - 1e-3), 1).astype(int).tolist()
    affine = grid.affine.copy()
    affine[:3, :3] = grid.affine[:3, :3] * factor
    affine[:3, 3] = voxel_to_world(0.5 * factor - 0.5, grid.affine)
    return Grid((x, y, z), affine)


def box(grid: Grid, start: tuple[int, int, int], size: tuple[int, int, int]) -> Grid:
    """The box of `size` voxels that begins at voxel `start`; it may reach beyond the grid."""
    affine = grid.affine.copy()
    affine[:3, 3] = voxel_to_world(np.array(start, float), grid.affine)
    return Grid(size, affine)


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


def resample_side(side: Side, grid: Grid) -> Side:
    """A side on another grid of the same world.

    The image linearly, its border replicated. Labels and mask by nearest neighbour, 0 outside.
    Landmarks through the world; they may lie outside the grid.
    """
    image = resample_volume(side.image, grid.shape, grid.affine)
    labels, mask = (
        None if volume is None else resample_volume(volume, grid.shape, grid.affine, labels=True)
        for volume in (side.labels, side.mask)
    )
    return Side(image, labels, mask, _moved(side, grid.affine))


def onto(side: Side, grid: Grid, bounds: tuple[float, float]) -> Side:
    """A side on the pair's grid, its image in [0, 1] and 0 where the native one does not reach.

    Args:
        side: native.
        grid: the pair's grid.
        bounds: intensities that become 0 and 1.
    """
    ready = resample_side(side, grid)
    # The lowest intensity, not the border's: a smeared border looks like anatomy.
    data = np.where(covered(side.image, grid), rescale(ready.image.data, *bounds), np.float32(0))
    return replace(ready, image=ready.image.with_data(data))


def covered(volume: Volume, grid: Grid) -> NDArray[np.bool_]:
    """Which voxels of the grid lie within a volume's field of view."""
    ones = Volume(np.ones(volume.shape, np.uint8), volume.affine)
    return resample_volume(ones, grid.shape, grid.affine, labels=True).data != 0


def side_to_ras(side: Side) -> Side:
    """An image in canonical orientation, its labels, mask and landmarks moved along.

    Labels and mask share the image's grid; landmarks stay at their places in the world.
    """
    image = to_ras(side.image)
    landmarks = _moved(side, image.affine)
    labels, mask = (
        None if volume is None else to_ras(Volume(volume.data, side.image.affine))
        for volume in (side.labels, side.mask)
    )
    return replace(side, image=image, labels=labels, mask=mask, landmarks=landmarks)


def _moved(side: Side, affine: NDArray) -> NDArray[np.float64] | None:
    """The side's landmarks in the voxels of another grid of the same world."""
    if side.landmarks is None:
        return None
    return world_to_voxel(voxel_to_world(side.landmarks, side.image.affine), affine)
