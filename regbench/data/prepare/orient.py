"""Canonical orientation: array axes that run to the right, to the front and up (RAS+)."""

from dataclasses import replace

from regbench.data.pair import Side
from regbench.spatial.orient import to_ras
from regbench.spatial.volume import Volume, voxel_to_world, world_to_voxel


def side_to_ras(side: Side) -> Side:
    """An image in canonical orientation, its labels, mask and landmarks moved along.

    Labels and mask share the image's grid; landmarks stay at their places in the world.
    """
    image = to_ras(side.image)
    landmarks = side.landmarks
    if landmarks is not None:
        landmarks = world_to_voxel(voxel_to_world(landmarks, side.image.affine), image.affine)
    labels, mask = (
        None if volume is None else to_ras(Volume(volume.data, side.image.affine))
        for volume in (side.labels, side.mask)
    )
    return replace(side, image=image, labels=labels, mask=mask, landmarks=landmarks)
