"""Volumes as SimpleITK images, and its vector images as arrays. SimpleITK is imported when used."""

from typing import Any

import numpy as np
from numpy.typing import NDArray

from regbench.fields.convert import itk_geometry
from regbench.volumes import Volume


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
