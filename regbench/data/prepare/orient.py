"""Canonical orientation: array axes that run to the right, to the front and up (RAS+)."""

from dataclasses import replace

import numpy as np
from nibabel.orientations import apply_orientation, inv_ornt_aff, io_orientation

from regbench.data.pair import Side
from regbench.spatial.volume import Volume, voxel_to_world, world_to_voxel


def canonical(volume: Volume) -> Volume:
    """The same voxels at the same places in the world, axes permuted and flipped to RAS+.

    Nothing is interpolated: an oblique volume stays oblique, with each axis nearest to its own.
    """
    orientation = io_orientation(volume.affine)
    data = np.ascontiguousarray(apply_orientation(volume.data, orientation))
    return Volume(data, volume.affine @ inv_ornt_aff(orientation, volume.shape))


def canonical_side(side: Side) -> Side:
    """An image in canonical orientation, its labels, mask and landmarks moved along.

    Labels and mask share the image's grid; landmarks stay at their places in the world.
    """
    image = canonical(side.image)
    landmarks = side.landmarks
    if landmarks is not None:
        landmarks = world_to_voxel(voxel_to_world(landmarks, side.image.affine), image.affine)
    labels, mask = (
        None if volume is None else canonical(Volume(volume.data, side.image.affine))
        for volume in (side.labels, side.mask)
    )
    return replace(side, image=image, labels=labels, mask=mask, landmarks=landmarks)
