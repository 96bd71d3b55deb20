"""Where an alignment begins: a shift that puts the two images roughly on one another."""

import numpy as np
from numpy.typing import NDArray
from scipy import ndimage

from regbench.base.errors import BadInput
from regbench.data.pair import Side
from regbench.spatial.volume import Volume, voxel_to_world

#: What is put on one another: centres of mass of the intensities, of the labels that both images
#: have, or the two worlds as their headers state them.
STARTS = ("mass", "labels", "headers")


def start_shift(kind: str, sides: tuple[Side, Side], small: tuple[Volume, Volume]) -> NDArray:
    """(3,) millimetres from fixed to moving world (RAS+).

    Args:
        kind: one of STARTS.
        sides: fixed and moving, native.
        small: fixed and moving images, intensities from 0 to 1.

    Raises:
        BadInput: `labels`, and the two images have no label in common.
    """
    if kind == "headers":
        return np.zeros(3)
    if kind == "mass":
        fixed, moving = (mass_centre(volume) for volume in small)
        return moving - fixed
    centres = [label_centres(side.labels) for side in sides]
    common = sorted(set(centres[0]) & set(centres[1]))
    if not common:
        raise BadInput(
            "setting alignment_start: labels, but the two images have no label in common",
            expected="mass or headers, which need no labels",
        )
    return np.mean([centres[1][label] - centres[0][label] for label in common], axis=0)


def mass_centre(volume: Volume) -> NDArray[np.float64]:
    """(3,) world millimetres: the centre of mass of the intensities."""
    return voxel_to_world(np.array(ndimage.center_of_mass(volume.data)), volume.affine)


def label_centres(labels: Volume | None) -> dict[int, NDArray[np.float64]]:
    """Label to the centre of its voxels, in world millimetres; background left out."""
    if labels is None:
        return {}
    values = [int(value) for value in np.unique(labels.data) if value != 0]
    centres = ndimage.center_of_mass(np.ones(labels.shape), labels.data, values) if values else []
    return {
        value: voxel_to_world(np.array(centre), labels.affine)
        for value, centre in zip(values, centres, strict=True)
    }
