"""Transforms in text files: their lines, and plain 4x4 matrices."""

from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from regbench.base.errors import BadInput

#: Text that describes a transform is shorter than this; parameters of fine splines are long.
MAX_BYTES = 256 * 2**20


def words_of(path: Path) -> list[str]:
    """The lines of a text file.

    Raises:
        BadInput: missing, too long, or no text.
    """
    if not path.is_file():
        raise BadInput("no such file", file=path, expected="a transform")
    size = path.stat().st_size
    if size > MAX_BYTES:
        raise BadInput(
            "is too long for a transform", file=path, expected=f"<= {MAX_BYTES} bytes", found=size
        )
    try:
        return path.read_text(encoding="utf-8").splitlines()
    except UnicodeDecodeError as error:
        raise BadInput("is not a text file", file=path, found=str(error)) from error


def read_matrix(path: Path) -> NDArray[np.float64]:
    """A 4x4 matrix as four lines of four numbers, the last 0 0 0 1.

    Raises:
        BadInput: other content, or a singular matrix.
    """
    try:
        matrix = np.array([line.split() for line in words_of(path) if line.strip()], float)
    except ValueError as error:
        raise BadInput("is not a 4x4 matrix", file=path, found=str(error)) from error
    fits = matrix.shape == (4, 4) and np.allclose(matrix[3], [0, 0, 0, 1])
    if not fits or not np.isfinite(matrix).all() or not np.linalg.det(matrix[:3, :3]):
        raise BadInput(
            "is not a 4x4 matrix",
            file=path,
            expected="four lines of four numbers, the last 0 0 0 1, that can be inverted",
            found=f"shape {matrix.shape}",
        )
    return matrix
