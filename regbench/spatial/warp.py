"""Warping images, label maps and landmarks by a displacement field."""

import numpy as np
from numpy.typing import NDArray

from regbench.base.errors import BadInput
from regbench.spatial.field import Field
from regbench.spatial.resample import (
    sample_linear,
    sample_moved,
    sample_moved_linear,
    sample_vectors,
)
from regbench.spatial.volume import Volume, voxel_grid

LABEL_INTERPOLATIONS = ("nearest", "linear")


def warp_image(moving: Volume, field: Field) -> Volume:
    """`warped(x) = moving(x + u(x))`, linear, border replicated, on the field's grid.

    The moving image is addressed by index: its affine is not used (Learn2Reg's convention).
    """
    return Volume(sample_moved_linear(moving.data, field.displacement), field.affine)


def warp_labels(moving: Volume, field: Field, interpolation: str = "nearest") -> Volume:
    """Warp a label map; 0 outside the moving grid.

    Args:
        moving: whole numbers.
        field: displacement of the fixed grid.
        interpolation: `nearest`, or `linear`: each label's mask linearly, then the largest wins.
    """
    if interpolation == "nearest":
        return Volume(sample_moved(moving.data, field.displacement), field.affine)
    if interpolation != "linear":
        raise BadInput(
            "unknown label interpolation", expected=LABEL_INTERPOLATIONS, found=interpolation
        )
    points = positions(field)
    # One voxel of background around the grid makes the outside background for linear sampling too.
    padded = np.pad(moving.data, 1)
    best = sample_linear((padded == 0).astype(np.float32), points + 1)
    result = np.zeros(field.shape, moving.data.dtype)
    for label in np.setdiff1d(moving.data, 0):
        share = sample_linear((padded == label).astype(np.float32), points + 1)
        result[share > best] = label
        best = np.maximum(best, share)
    return Volume(result, field.affine)


def warp_points(points: NDArray, field: Field) -> NDArray[np.float64]:
    """Landmarks of the fixed image (n, 3), in voxels, to the moving image: `p + u(p)`."""
    points = np.asarray(points, float)
    return points + sample_vectors(field.displacement, points)


def positions(field: Field) -> NDArray[np.float32]:
    """(X, Y, Z, 3) where each fixed voxel looks in the moving image: `x + u(x)`."""
    return voxel_grid(field.shape) + field.displacement
