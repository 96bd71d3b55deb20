"""Files of tools that need few words: matrices, and fields of deedsBCV, NiftyReg and FSL.

FSL's transforms refer to FSL's own millimetres. These are voxel indices times voxel sizes. The
first axis runs backwards where the affine's determinant is positive.
"""

from collections.abc import Sequence
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from regbench.base.errors import BadInput
from regbench.base.files import check_plain_file
from regbench.spatial.nifti import header_of, read_array, read_shape
from regbench.spatial.resample import sample_vectors
from regbench.spatial.transforms.model import Affine, Displacements, Mapping
from regbench.spatial.volume import Grid, spacing_of, voxel_grid, voxel_to_world

#: The parameters of fine splines are long, but no honest text file is longer than this.
MAX_BYTES = 256 * 2**20
#: What a header names a file of NiftyReg, and its numbers for the kinds of fields.
NIFTYREG, _POSITIONS, _DISPLACEMENTS = "NREG_TRANS", 0, 1
#: FSL's intent codes of spline coefficients.
_COEFFICIENTS = (2007, 2008, 2009, 2016, 2017)


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


def read_dat(path: Path, shape: tuple[int, ...], spacings: range) -> NDArray[np.float32]:
    """The dense displacement (X, Y, Z, 3), voxels of the fixed image, pull-back.

    The file holds little-endian float32: the components along axes 1, 0, 2 in turn, each with axis
    0 fastest. Voxel i is at position i g / n of the control grid; linear, clamped.

    Args:
        path: of the file.
        shape: of the fixed image.
        spacings: that the last level's control points may have, in voxels. The file's size decides.

    Raises:
        BadInput: of another size, or not finite.
    """
    size = path.stat().st_size
    grids = {
        12 * int(np.prod(grid)): grid for s in spacings if all(grid := [n // s for n in shape])
    }
    if size not in grids:
        expected = f"{' or '.join(map(str, grids))} bytes"
        what = "is not a displacement file of this pair"
        raise BadInput(what, file=path, expected=expected, found=size)
    values = np.fromfile(path, dtype="<f4").reshape(3, *grids[size][::-1])
    if not np.isfinite(values).all():
        raise BadInput("holds values that are not finite", file=path)
    control = values[[1, 0, 2]].transpose(3, 2, 1, 0)
    return sample_vectors(control, voxel_grid(shape) * np.divide(grids[size], shape))


def read_niftyreg(path: Path) -> Displacements:
    """A deformation or displacement field, (X, Y, Z, 1, 3).

    Raises:
        BadInput: a control grid, a velocity field, or another shape.
    """
    kind = int(float(header_of(path)["intent_p1"]))
    if kind not in (_POSITIONS, _DISPLACEMENTS):
        what, expected = "is a control grid or velocity field of NiftyReg", "reg_transform -def"
        raise BadInput(what, file=path, expected=f"a deformation: {expected}", found=f"type {kind}")
    vectors, affine = read_vectors(path, "NiftyReg", (1, 3))
    if kind == _POSITIONS:
        vectors = vectors - voxel_to_world(voxel_grid(vectors.shape[:3]), affine)
    return Displacements(vectors, affine, extended=True)


def fsl_affine(grid: Grid) -> NDArray[np.float64]:
    """4x4: voxel indices to FSL's millimetres."""
    matrix = np.diag([*spacing_of(grid.affine), 1.0])
    if np.linalg.det(grid.affine[:3, :3]) > 0:
        matrix[0, 3] = (grid.shape[0] - 1) * matrix[0, 0]
        matrix[0, 0] *= -1
    return matrix


def fsl_in_world(parts: Sequence[Mapping], fixed: Grid, moving: Grid) -> list[Mapping]:
    """Transforms of FSL's millimetres, fixed to moving, as ones of RAS millimetres."""
    first = Affine(fsl_affine(fixed) @ np.linalg.inv(fixed.affine))
    return [first, *parts, Affine(moving.affine @ np.linalg.inv(fsl_affine(moving)))]


def read_fsl(path: Path, absolute: bool | None) -> Displacements:
    """A field of FNIRT or convertwarp, (X, Y, Z, 3), on the grid of the reference image.

    Args:
        path: of the file.
        absolute: whether it holds positions. None decides as FSL does: displacements vary less.

    Raises:
        BadInput: spline coefficients, or another shape.
    """
    if int(header_of(path)["intent_code"]) in _COEFFICIENTS:
        expected = "a field: fnirt --fout, or convertwarp"
        raise BadInput("holds spline coefficients", file=path, expected=expected)
    vectors, affine = read_vectors(path, "FSL", (3,))
    matrix = fsl_affine(Grid(vectors.shape[:3], affine))
    displaced = vectors - voxel_to_world(voxel_grid(vectors.shape[:3]), matrix)
    if absolute is None:
        absolute = bool(vectors.std((0, 1, 2)).sum() > displaced.std((0, 1, 2)).sum())
    return Displacements(displaced if absolute else vectors, matrix, extended=True)
