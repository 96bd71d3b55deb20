"""Landmark files: comma-separated voxel coordinates, one point a line, as Learn2Reg writes them."""

import warnings
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from regbench.base.errors import BadInput
from regbench.base.files import check_plain_file, write_text
from regbench.spatial.volume import within

#: No list of landmarks comes near this: a million points.
MAX_BYTES = 64 * 2**20


def read_landmarks(path: Path) -> NDArray[np.float64]:
    """(n, 3) voxel coordinates.

    Raises:
        BadInput: missing, not numbers, not three columns, not finite, or no point at all.
    """
    check_plain_file(path, MAX_BYTES)
    try:
        with warnings.catch_warnings():
            # An empty file is an error below; numpy would print a warning as well.
            warnings.simplefilter("ignore", UserWarning)
            points = np.loadtxt(path, delimiter=",", ndmin=2, dtype=float)
    except OSError as error:
        raise BadInput(
            "cannot be read", file=path, expected="a landmarks csv", found=error.strerror
        ) from error
    except ValueError as error:
        raise BadInput("is not a table of numbers", file=path, found=str(error)) from error
    if points.size == 0 or points.shape[1] != 3:
        raise BadInput("wrong shape of landmarks", file=path, expected="(n, 3)", found=points.shape)
    if not np.isfinite(points).all():
        raise BadInput("landmarks are not finite", file=path)
    return points


def check_inside(points: NDArray, shape: tuple[int, ...], file: Path | None, image: str) -> None:
    """Refuse landmarks (n, 3) outside a grid of `shape`; `image` says which one in the error.

    The field is not known outside, where most landmarks in millimetres would lie.

    Raises:
        BadInput: it gives the number of points outside.
    """
    inside = within(points, shape)
    if not inside.all():
        raise BadInput(
            f"landmarks outside the {image} image (are they in millimetres?)",
            file=file,
            expected=f"voxel coordinates within {shape}",
            found=f"{int((~inside).sum())} of {len(points)} outside",
        )


def write_landmarks(path: Path, points: NDArray) -> None:
    """Write voxel coordinates to four decimals."""
    lines = (",".join(f"{value:.4f}" for value in point) for point in points)
    write_text(path, "\n".join(lines) + "\n")
