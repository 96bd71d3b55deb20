"""Conversion of fields and volumes from and to other programs, and a check of the result.

* ANTs / ITK: displacement in millimetres, components along LPS world axes.
* torch: `(N, 3, X, Y, Z)` voxel displacement, and `grid_sample`'s normalised `(N, X, Y, Z, 3)` grid
  with components in reverse order.
"""

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from regbench.base.errors import BadInput
from regbench.spatial.field import Field
from regbench.spatial.volume import Volume, spacing_of, voxel_grid, voxel_to_world, world_to_voxel

if TYPE_CHECKING:
    import torch

RAS_TO_LPS = np.diag([-1.0, -1.0, 1.0, 1.0])
#: Factors of a vector's components between RAS and LPS, in both directions.
RAS_LPS = np.array([-1.0, -1.0, 1.0])


@dataclass(frozen=True)
class ItkGeometry:
    """A grid as ITK states it: physical(i) = direction @ (spacing * i) + origin, in LPS mm."""

    spacing: NDArray[np.float64]
    origin: NDArray[np.float64]
    direction: NDArray[np.float64]

    @property
    def affine(self) -> NDArray[np.float64]:
        """4x4, voxel index to RAS millimetres."""
        lps = np.eye(4)
        lps[:3, :3] = self.direction * self.spacing
        lps[:3, 3] = self.origin
        return RAS_TO_LPS @ lps


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
    index = voxel_grid(vectors.shape[:3]).astype(float)
    target = voxel_to_world(index, fixed_affine) + vectors * RAS_LPS
    displacement = (world_to_voxel(target, moving_affine) - index).astype(np.float32)
    return Field(displacement, np.asarray(fixed_affine, float))


def to_itk(field: Field, moving_affine: NDArray) -> NDArray[np.float32]:
    """A voxel field as ANTs' dense field; undoes `from_itk`. Refused where an affine shears."""
    from regbench.spatial.warp import positions

    itk_geometry(field.affine), itk_geometry(moving_affine)
    start = voxel_to_world(voxel_grid(field.shape), field.affine)
    return ((voxel_to_world(positions(field), moving_affine) - start) * RAS_LPS).astype(np.float32)


def from_torch(displacement: "torch.Tensor", affine: NDArray) -> Field:
    """A (1, 3, X, Y, Z) voxel displacement to a field."""
    if displacement.ndim != 5 or tuple(displacement.shape[:2]) != (1, 3):
        raise BadInput(
            "wrong shape of a torch field",
            expected="(1, 3, X, Y, Z)",
            found=tuple(displacement.shape),
        )
    array = displacement[0].detach().float().cpu().numpy()
    return Field(np.ascontiguousarray(np.moveaxis(array, 0, -1)), np.asarray(affine, float))


def to_torch(field: Field) -> "torch.Tensor":
    """A field as a (1, 3, X, Y, Z) voxel displacement; undoes `from_torch`."""
    import torch

    return torch.from_numpy(np.ascontiguousarray(np.moveaxis(field.displacement, -1, 0)))[None]


def to_grid(displacement: "torch.Tensor") -> "torch.Tensor":
    """Voxel displacement (N, 3, X, Y, Z) to the (N, X, Y, Z, 3) grid of `grid_sample`.

    For `align_corners=True`: -1 and 1 are the first and the last voxel centre. The last axis runs
    z, y, x, the order that `grid_sample` reads.
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


def to_itk_image(volume: Volume) -> Any:
    """A volume as an image of the `itk` package; float32, its world is LPS.

    The image owns its voxels: a view (`itk.image_view_from_array`) crashes the process when the
    array is freed first.

    Raises:
        BadInput: the affine shears: ITK cannot state it.
    """
    import itk

    geometry = itk_geometry(volume.affine)
    return _placed(itk.image_from_array(_voxels(volume)), geometry, geometry.direction)


def to_sitk(volume: Volume) -> Any:
    """A volume as a SimpleITK image of float32; its world is LPS.

    Raises:
        BadInput: the affine shears: ITK cannot state it.
    """
    import SimpleITK as sitk

    geometry = itk_geometry(volume.affine)
    flat = geometry.direction.ravel().tolist()
    return _placed(sitk.GetImageFromArray(_voxels(volume)), geometry, flat)


def to_ants(volume: Volume) -> Any:
    """A volume as an ANTs image of float32; its world is LPS.

    Raises:
        BadInput: the affine shears: ITK cannot state it.
    """
    import ants

    geometry = itk_geometry(volume.affine)
    # Unlike the two others, ANTs takes arrays that run x, y, z.
    return ants.from_numpy(
        np.ascontiguousarray(volume.data, dtype=np.float32),
        origin=geometry.origin.tolist(),
        spacing=geometry.spacing.tolist(),
        direction=geometry.direction,
    )


def from_itk_image(image: Any) -> NDArray:
    """An ITK image's voxels, (X, Y, Z), or (X, Y, Z, 3) of a displacement image."""
    import itk

    return np.moveaxis(itk.array_from_image(image), (0, 1, 2), (2, 1, 0))


def from_sitk(image: Any) -> NDArray:
    """A SimpleITK image's voxels, (X, Y, Z), or (X, Y, Z, 3) of a displacement image."""
    import SimpleITK as sitk

    return np.moveaxis(sitk.GetArrayFromImage(image), (0, 1, 2), (2, 1, 0))


def _voxels(volume: Volume) -> NDArray[np.float32]:
    """The voxels as ITK's arrays run: z, y, x."""
    return np.ascontiguousarray(volume.data.T, dtype=np.float32)


def _placed(image: Any, geometry: ItkGeometry, direction: Any) -> Any:
    image.SetSpacing(geometry.spacing.tolist())
    image.SetOrigin(geometry.origin.tolist())
    image.SetDirection(direction)
    return image


#: Largest mean difference between a tool's warped image and ours, as a share of the intensities.
OWN_WARP_TOLERANCE = 1e-3


def check_own_warp(tool: str, warped: NDArray, moving: Volume, field: Field) -> None:
    """Refuse a field that does not warp the moving image as its tool did, linearly.

    Args:
        tool: its name, for the error.
        warped: (X, Y, Z) on the fixed grid, the tool's own warped moving image.
        moving: the moving image.
        field: the tool's transform, converted.

    Raises:
        BadInput: the two images differ by more than OWN_WARP_TOLERANCE. Voxels that look outside
            the moving image do not count: each program fills them in its own way.
    """
    # SciPy is imported where it is used: the worker of a method's own environment may lack it.
    from regbench.spatial.warp import positions, warp_image

    target = positions(field)
    inside = ((target >= 0) & (target <= np.array(moving.shape) - 1)).all(axis=-1)
    span = float(np.ptp(moving.data))
    ours = warp_image(moving, field).data
    difference = float(np.abs(warped - ours)[inside].mean()) / span if inside.any() else 0.0
    if not difference <= OWN_WARP_TOLERANCE:
        raise BadInput(
            f"the image that {tool} warped differs from the dense field's",
            expected=f"<= {OWN_WARP_TOLERANCE}",
            found=difference,
        )
