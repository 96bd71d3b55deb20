"""Landmark files: comma-separated voxel coordinates, one point a line, as Learn2Reg writes them."""

from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from regbench.errors import BadInput
from regbench.files import write_text


def read_landmarks(path: Path) -> NDArray[np.float64]:
    """(n, 3) voxel coordinates.

    Raises:
        BadInput: missing, not numbers, not three columns, not finite, or no point at all.
    """
    try:
        points = np.loadtxt(path, delimiter=",", ndmin=2, dtype=float)
    except OSError as error:
        raise BadInput("cannot be read", file=path, expected="a landmarks csv") from error
    except ValueError as error:
        raise BadInput("is not a table of numbers", file=path, found=str(error)) from error
    if points.size == 0 or points.shape[1] != 3:
        raise BadInput("wrong shape of landmarks", file=path, expected="(n, 3)", found=points.shape)
    if not np.isfinite(points).all():
        raise BadInput("landmarks are not finite", file=path)
    return points


def write_landmarks(path: Path, points: NDArray) -> None:
    """Write voxel coordinates to four decimals."""
    lines = (",".join(f"{value:.4f}" for value in point) for point in points)
    write_text(path, "\n".join(lines) + "\n")
