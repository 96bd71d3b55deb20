"""What several tools' files have in common: lines of text, 4x4 matrices, vectors in NIfTI."""

from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from regbench.base.errors import BadInput
from regbench.base.files import check_plain_file
from regbench.spatial.nifti import read_array, read_shape
from regbench.spatial.transforms.model import Affine

#: The parameters of fine splines are long, but no honest text file is longer than this.
MAX_BYTES = 256 * 2**20


def read_lines(path: Path) -> list[str]:
    """The lines of a text file that are not empty.

    Raises:
        BadInput: missing, too long, or not text.
    """
    check_plain_file(path, MAX_BYTES)
    try:
        return [line for line in path.read_text(encoding="utf-8").splitlines() if line.strip()]
    except UnicodeDecodeError as error:
        raise BadInput("is not a text file", file=path, found=str(error)) from error


def numbers(words: list[str], path: Path) -> NDArray[np.float64]:
    """Words of a text file as numbers; others are refused."""
    try:
        return np.array(words, float)
    except ValueError as error:
        raise BadInput("holds text where numbers belong", file=path, found=str(error)) from error


def read_matrix(path: Path) -> Affine:
    """Four lines of four numbers, the last 0 0 0 1.

    Raises:
        BadInput: other content, or a singular matrix.
    """
    lines = [line.split() for line in read_lines(path)]
    if [len(line) for line in lines] == [4] * 4:
        matrix = numbers([word for line in lines for word in line], path).reshape(4, 4)
        if np.array_equal(matrix[3], [0, 0, 0, 1]) and abs(np.linalg.det(matrix)) > 0:
            return Affine(matrix)
    expected = "four lines of four numbers, the last 0 0 0 1, that can be inverted"
    raise BadInput("is not a 4x4 matrix", file=path, expected=expected)


def read_vectors(path: Path, tool: str, last: tuple[int, ...]) -> tuple[NDArray, NDArray]:
    """The vectors (X, Y, Z, 3) of a NIfTI file, and its affine.

    Args:
        path: of the file.
        tool: that writes such files, for the error.
        last: what follows X, Y, Z in the shape of its files: (3,) or (1, 3).

    Raises:
        BadInput: another shape, or values that are not finite real numbers.
    """
    shape = read_shape(path)
    if shape[3:] != last:
        expected = f"(X, Y, Z, {', '.join(map(str, last))})"
        raise BadInput(f"is not a field of {tool}", file=path, expected=expected, found=shape)
    data, affine = read_array(path)
    if data.dtype.kind not in "fiu" or not np.isfinite(data).all():
        raise BadInput("holds values that are not finite real numbers", file=path)
    return data.reshape(*shape[:3], 3), affine
