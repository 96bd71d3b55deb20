"""Anatomical planes of a volume, as radiologists look at them."""

from typing import Any

import numpy as np
from numpy.typing import NDArray

#: View to the RAS axis that it looks along, and to those of its rows and columns.
AXES = {"axial": (2, 1, 0), "coronal": (1, 2, 0), "sagittal": (0, 2, 1)}
#: What is at the left, right, top and bottom of a picture: the patient's right is at the left.
LETTERS = {"axial": "RLAP", "coronal": "RLSI", "sagittal": "APSI"}


def plane(data: NDArray[Any], view: str, index: int) -> NDArray[Any]:
    """One plane of an RAS array as a picture: rows from the top, columns from the left.

    Args:
        data: (X, Y, Z) in RAS order.
        view: a key of AXES.
        index: of the plane along the axis that the view looks along.
    """
    axis, rows, columns = AXES[view]
    found = np.take(data, index, axis=axis)
    # What is left are the two others in their order: columns first.
    assert columns < rows
    return found[::-1, ::-1].T


def pixel_size(spacing: NDArray[np.float64], view: str) -> tuple[float, float]:
    """Height and width of a picture's pixel in mm, from the (3,) spacing of an RAS volume."""
    _, rows, columns = AXES[view]
    return float(spacing[rows]), float(spacing[columns])


def pixel_of(voxel: NDArray[np.float64], shape: tuple[int, ...], view: str) -> tuple[float, float]:
    """Row and column in the picture of an RAS voxel (3,)."""
    _, rows, columns = AXES[view]
    return shape[rows] - 1 - float(voxel[rows]), shape[columns] - 1 - float(voxel[columns])
