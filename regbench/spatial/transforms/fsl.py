"""Warps and matrices of FSL, which refer to FSL's own millimetres.

These are voxel indices times voxel sizes. The first axis runs backwards where the affine's
determinant is positive.
"""

from collections.abc import Sequence
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from regbench.base.errors import BadInput
from regbench.spatial.nifti import header_of
from regbench.spatial.transforms.files import read_vectors
from regbench.spatial.transforms.model import Affine, Displacements, Mapping
from regbench.spatial.volume import Grid, spacing_of, voxel_grid, voxel_to_world

#: Intent codes of spline coefficients.
_COEFFICIENTS = (2007, 2008, 2009, 2016, 2017)


def fsl_affine(grid: Grid) -> NDArray[np.float64]:
    """4x4: voxel indices to FSL's millimetres."""
    matrix = np.diag([*spacing_of(grid.affine), 1.0])
    if np.linalg.det(grid.affine[:3, :3]) > 0:
        matrix[0, 3] = (grid.shape[0] - 1) * matrix[0, 0]
        matrix[0, 0] *= -1
    return matrix


def in_world(parts: Sequence[Mapping], fixed: Grid, moving: Grid) -> list[Mapping]:
    """Transforms of FSL's millimetres, fixed to moving, as ones of RAS millimetres."""
    first = Affine(fsl_affine(fixed) @ np.linalg.inv(fixed.affine))
    return [first, *parts, Affine(moving.affine @ np.linalg.inv(fsl_affine(moving)))]


def read_warp(path: Path, absolute: bool | None) -> Displacements:
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
