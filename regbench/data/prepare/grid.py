"""Voxel grids: where the voxels of a prepared pair lie."""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from regbench.base.errors import BadInput
from regbench.spatial.volume import Volume, check_affine, spacing_of, voxel_to_world

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
