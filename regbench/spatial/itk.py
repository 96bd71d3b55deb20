"""Volumes as images of ITK's own Python package, and back. It is imported when used."""

from typing import Any

import numpy as np
from numpy.typing import NDArray

from regbench.spatial.convert import itk_geometry
from regbench.spatial.volume import Volume


def to_itk_image(volume: Volume) -> Any:
    """A volume as an ITK image of float32 that owns its voxels; its world is LPS.

    A view of an array (`itk.image_view_from_array`) crashes the process when the array goes first.

    Raises:
        BadInput: the affine shears: ITK cannot state it.
    """
    import itk

    geometry = itk_geometry(volume.affine)
    # ITK's arrays run z, y, x.
    image = itk.image_from_array(np.ascontiguousarray(volume.data.T, dtype=np.float32))
    image.SetSpacing(geometry.spacing.tolist())
    image.SetOrigin(geometry.origin.tolist())
    image.SetDirection(geometry.direction)
    return image


def from_itk_image(image: Any) -> NDArray:
    """An ITK image's voxels, (X, Y, Z), and (X, Y, Z, 3) of a displacement image."""
    import itk

    return np.moveaxis(itk.array_from_image(image), (0, 1, 2), (2, 1, 0))


def to_sitk(volume: Volume) -> Any:
    """A volume as a SimpleITK image of float32; its world is LPS.

    Raises:
        BadInput: the affine shears: ITK cannot state it.
    """
    import SimpleITK as sitk

    geometry = itk_geometry(volume.affine)
    # SimpleITK's arrays run z, y, x.
    image = sitk.GetImageFromArray(np.ascontiguousarray(volume.data.T, dtype=np.float32))
    image.SetOrigin(geometry.origin.tolist())
    image.SetSpacing(geometry.spacing.tolist())
    image.SetDirection(geometry.direction.ravel().tolist())
    return image


def from_sitk(image: Any) -> NDArray:
    """A SimpleITK image's voxels, (X, Y, Z), and (X, Y, Z, 3) of a displacement image."""
    import SimpleITK as sitk

    return np.moveaxis(sitk.GetArrayFromImage(image), (0, 1, 2), (2, 1, 0))


def to_ants(volume: Volume) -> Any:
    """A volume as an ANTs image; its world is LPS.

    Raises:
        BadInput: the affine shears: ITK cannot state it.
    """
    import ants

    geometry = itk_geometry(volume.affine)
    return ants.from_numpy(
        np.ascontiguousarray(volume.data, dtype=np.float32),
        origin=geometry.origin.tolist(),
        spacing=geometry.spacing.tolist(),
        direction=geometry.direction,
    )
