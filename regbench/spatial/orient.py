"""Reorientation: array axes that run to the right, to the front and up (RAS+)."""

import numpy as np
from nibabel.orientations import apply_orientation, inv_ornt_aff, io_orientation

from regbench.spatial.volume import Volume


def to_ras(volume: Volume) -> Volume:
    """The same voxels at the same places in the world, axes permuted and flipped to RAS+.

    Nothing is interpolated: an oblique volume stays oblique, with each axis nearest to its own.
    """
    orientation = io_orientation(volume.affine)
    data = np.ascontiguousarray(apply_orientation(volume.data, orientation))
    return Volume(data, volume.affine @ inv_ornt_aff(orientation, volume.shape))
