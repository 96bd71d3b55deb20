"""Anatomical planes of a volume as pictures, as radiologists look at them."""

from typing import Any

import numpy as np
from numpy.typing import NDArray

from regbench.spatial.intensity import percentile_window

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


#: Squares along the shorter side of a checkerboard.
SQUARES = 8


def grid_lines(looks: NDArray, view: str, index: int) -> tuple[NDArray, NDArray]:
    """Pictures of the `grid` layer whose level lines are the moving image's rows and columns."""
    _, rows, columns = AXES[view]
    return plane(looks[..., rows], view, index), plane(looks[..., columns], view, index)


def checkerboard(first: NDArray, second: NDArray) -> NDArray:
    """Two pictures in turn, in squares; the top left one is of the first."""
    edge = max(1, min(first.shape) // SQUARES)
    row, column = np.indices(first.shape) // edge
    return np.where((row + column) % 2 == 0, first, second)


def shaded(image: NDArray, window: tuple[float, float]) -> NDArray[np.float64]:
    """Intensities as shades: 0 at the darkest and 1 at the brightest value of a window."""
    low, high = window
    return np.clip((np.asarray(image, float) - low) / max(high - low, 1e-12), 0, 1)


def window(image: NDArray) -> tuple[float, float]:
    """Darkest and brightest value to show: percentiles 1 and 99.5 of what is not background."""
    low = image.min()
    seen = image[image > low]
    if not seen.size:
        return float(low), float(low) + 1
    dark, bright = percentile_window(seen, (1, 99.5))
    return float(dark), float(max(bright, dark + 1e-6))
