"""Conversions between the project's voxel fields and other programs' fields.

* ANTs / ITK: displacement in millimetres, components along LPS world axes.
* torch: `(N, 3, X, Y, Z)` voxel displacement, and `grid_sample`'s normalised `(N, X, Y, Z, 3)` grid
  with components in reverse order.
"""

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from regbench.base.errors import BadInput
from regbench.spatial.field import Field
from regbench.spatial.volume import spacing_of, voxel_grid

if TYPE_CHECKING:
    import torch

RAS_TO_LPS = np.diag([-1.0, -1.0, 1.0, 1.0])


@dataclass(frozen=True)
class ItkGeometry:
    """A grid as ITK states it: physical(i) = direction @ (spacing * i) + origin, in LPS mm."""

    spacing: NDArray[np.float64]
    origin: NDArray[np.float64]
    direction: NDArray[np.float64]

    def to_physical(self, index: NDArray) -> NDArray[np.float64]:
        """Voxel index (..., 3) to LPS millimetres."""
        return (index * self.spacing) @ self.direction.T + self.origin

    def to_index(self, point: NDArray) -> NDArray[np.float64]:
        """LPS millimetres (..., 3) to voxel index."""
        return ((point - self.origin) @ self.direction) / self.spacing


def itk_geometry(affine: NDArray) -> ItkGeometry:
    """An RAS affine as ITK's spacing, origin and direction.

    Raises:
        BadInput: the affine shears: ITK cannot state it.
    """
    lps = RAS_TO_LPS @ np.asarray(affine, float)
    spacing = spacing_of(lps)
    direction = lps[:3, :3] / spacing
    if not np.allclose(direction.T @ direction, np.eye(3), atol=1e-4):
        raise BadInput(
            "the affine shears", expected="orthogonal axes", found=affine[:3, :3].tolist()
        )
    return ItkGeometry(spacing, lps[:3, 3], direction)


def from_itk(vectors: NDArray, fixed_affine: NDArray, moving_affine: NDArray) -> Field:
    """ANTs' dense field to a voxel field.

    Args:
        vectors: (X, Y, Z, 3) on the fixed grid, LPS millimetres: fixed physical point to moving
            physical point.
        fixed_affine: 4x4 RAS of the fixed grid.
        moving_affine: 4x4 RAS of the moving grid; the result indexes the moving array.
    """
    fixed, moving = itk_geometry(fixed_affine), itk_geometry(moving_affine)
    index = voxel_grid(vectors.shape[:3]).astype(float)
    target = moving.to_index(fixed.to_physical(index) + vectors)
    return Field((target - index).astype(np.float32), np.asarray(fixed_affine, float))


def to_itk(field: Field, moving_affine: NDArray) -> NDArray[np.float64]:
    """A voxel field as ANTs' (X, Y, Z, 3) displacement in LPS millimetres; undoes `from_itk`."""
    fixed, moving = itk_geometry(field.affine), itk_geometry(moving_affine)
    index = voxel_grid(field.shape).astype(float)
    return moving.to_physical(index + field.displacement) - fixed.to_physical(index)


def to_torch(field: Field) -> "torch.Tensor":
    """(1, 3, X, Y, Z) float32 tensor, same units and component order."""
    import torch

    return torch.from_numpy(np.ascontiguousarray(np.moveaxis(field.displacement, -1, 0)))[None]


def from_torch(displacement: "torch.Tensor", affine: NDArray) -> Field:
    """A (1, 3, X, Y, Z) voxel displacement to a field; undoes `to_torch`."""
    if displacement.ndim != 5 or tuple(displacement.shape[:2]) != (1, 3):
        raise BadInput(
            "wrong shape of a torch field",
            expected="(1, 3, X, Y, Z)",
            found=tuple(displacement.shape),
        )
    array = displacement[0].detach().float().cpu().numpy()
    return Field(np.ascontiguousarray(np.moveaxis(array, 0, -1)), np.asarray(affine, float))


def to_grid(displacement: "torch.Tensor") -> "torch.Tensor":
    """Voxel displacement (N, 3, X, Y, Z) to the (N, X, Y, Z, 3) grid of `grid_sample`.

    For `align_corners=True`.

    The grid is normalised to [-1, 1] between the first and the last voxel centre, and its last axis
    runs z, y, x: that is the order torch's `grid_sample` reads.
    """
    import torch

    sizes = displacement.shape[2:]
    parts = []
    for k, size in enumerate(sizes):
        view = [1, 1, 1, 1]
        view[k + 1] = size
        index = torch.arange(size, device=displacement.device, dtype=displacement.dtype).view(view)
        parts.append((index + displacement[:, k]) * (2.0 / max(size - 1, 1)) - 1.0)
    return torch.stack(parts[::-1], dim=-1)


def from_grid(grid: "torch.Tensor") -> "torch.Tensor":
    """`grid_sample`'s normalised grid (N, X, Y, Z, 3) to voxel displacement; undoes `to_grid`."""
    import torch

    sizes = grid.shape[1:4]
    parts = []
    for k, size in enumerate(sizes):
        view = [1, 1, 1, 1]
        view[k + 1] = size
        index = torch.arange(size, device=grid.device, dtype=grid.dtype).view(view)
        parts.append((grid[..., 2 - k] + 1.0) * (max(size - 1, 1) / 2.0) - index)
    return torch.stack(parts, dim=1)
