"""Volumes as ANTs images. ANTs is imported when it is used."""

from typing import Any

import numpy as np

from regbench.fields.convert import itk_geometry
from regbench.volumes import Volume


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
