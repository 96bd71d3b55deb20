"""A scalar volume: data on a voxel grid with an affine to world millimetres."""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from regbench.base.errors import BadInput


@dataclass(frozen=True)
class Volume:
    """An image, label map or mask.

    Attributes:
        data: (X, Y, Z) array; float32 for images, integers for labels.
        affine: 4x4, voxel index to world millimetres in RAS+, as in NIfTI.
    """

    data: NDArray
    affine: NDArray[np.float64]

    def __post_init__(self) -> None:
        if self.data.ndim != 3:
            raise BadInput(
                "a volume has three axes", expected="(X, Y, Z)", found=f"shape {self.data.shape}"
            )
        check_affine(self.affine)

    @property
    def shape(self) -> tuple[int, int, int]:
        """Number of voxels along each array axis."""
        x, y, z = self.data.shape
        return x, y, z

    @property
    def spacing(self) -> NDArray[np.float64]:
        """(3,) millimetres between voxel centres along each array axis."""
        return spacing_of(self.affine)

    def with_data(self, data: NDArray) -> "Volume":
        """The same grid with other values; the shape must be the same."""
        if data.shape != self.data.shape:
            raise BadInput(
                "the data do not fit the grid", expected=self.data.shape, found=data.shape
            )
        return Volume(data, self.affine)


def spacing_of(affine: NDArray) -> NDArray[np.float64]:
    """(3,) voxel sizes in mm: the lengths of the affine's first three columns."""
    return np.sqrt((np.asarray(affine, float)[:3, :3] ** 2).sum(axis=0))


def check_affine(affine: NDArray) -> None:
    """Refuse an affine that maps no grid: wrong shape, not finite, or singular."""
    affine = np.asarray(affine)
    if affine.shape != (4, 4):
        raise BadInput("an affine is a 4x4 matrix", expected=(4, 4), found=affine.shape)
    if not np.isfinite(affine).all():
        raise BadInput("the affine is not finite", found=affine.tolist())
    spacing = spacing_of(affine)
    if (spacing <= 0).any() or abs(np.linalg.det(affine[:3, :3] / spacing)) < 1e-3:
        raise BadInput(
            "the affine is singular", expected="three independent axes", found=affine.tolist()
        )


def voxel_to_world(points: NDArray, affine: NDArray) -> NDArray[np.float64]:
    """Voxel indices (..., 3) to world millimetres."""
    return np.asarray(points, float) @ affine[:3, :3].T + affine[:3, 3]


def world_to_voxel(points: NDArray, affine: NDArray) -> NDArray[np.float64]:
    """World millimetres (..., 3) to voxel indices."""
    return (np.asarray(points, float) - affine[:3, 3]) @ np.linalg.inv(affine[:3, :3]).T


def centred_affine(
    shape: tuple[int, int, int], field_of_view: tuple[float, float, float]
) -> NDArray[np.float64]:
    """4x4 of a grid along the world axes that fills a field of view (mm) around the origin."""
    extent = np.asarray(field_of_view)
    spacing = extent / np.asarray(shape)
    affine = np.diag([*spacing, 1.0])
    affine[:3, 3] = (spacing - extent) / 2
    return affine


def voxel_grid(shape: tuple[int, ...]) -> NDArray[np.float32]:
    """(X, Y, Z, 3) index of every voxel along each array axis."""
    axes = [np.arange(n, dtype=np.float32) for n in shape]
    return np.stack(np.meshgrid(*axes, indexing="ij"), axis=-1)
