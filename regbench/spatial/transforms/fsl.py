"""Warps and matrices of FSL, which work in its own millimetres.

FSL's coordinates are voxel indices times voxel sizes; the first axis runs backwards where the
affine's determinant is positive.
"""

from collections.abc import Sequence
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from regbench.base.errors import BadInput
from regbench.spatial.nifti import header_of, read_array
from regbench.spatial.transforms.model import Affine, Chain, Displacements, Grid, Transform
from regbench.spatial.transforms.text import read_matrix
from regbench.spatial.volume import spacing_of, voxel_grid, voxel_to_world

#: Intent codes of spline coefficients, which are no field.
_COEFFICIENTS = (2007, 2008, 2009)


def fsl_affine(grid: Grid) -> NDArray[np.float64]:
    """4x4: voxel indices to FSL's millimetres."""
    spacing = spacing_of(grid.affine)
    matrix = np.diag([*spacing, 1.0])
    if np.linalg.det(grid.affine[:3, :3]) > 0:
        matrix[0, 0] *= -1
        matrix[0, 3] = (grid.shape[0] - 1) * spacing[0]
    return matrix


def between(parts: Sequence[Transform], fixed: Grid, moving: Grid) -> Transform:
    """Transforms on FSL's millimetres as one on RAS millimetres, from fixed to moving image."""
    return Chain(
        [
            Affine(fsl_affine(fixed) @ np.linalg.inv(fixed.affine)),
            *parts,
            Affine(moving.affine @ np.linalg.inv(fsl_affine(moving))),
        ]
    )


def read_flirt(path: Path) -> Transform:
    """A matrix of FLIRT (`-in moving -ref fixed -omat`), turned around: fixed to moving.

    After a warp it is applywarp's `--premat`.
    """
    return Affine(np.linalg.inv(read_matrix(path)))


def read_warp(path: Path, absolute: bool | None = None) -> Transform:
    """A field of FNIRT or convertwarp: (X, Y, Z, 3) on the reference's grid.

    Args:
        path: of the field.
        absolute: whether it holds positions. None decides as FSL does: displacements vary less
            than positions.

    Raises:
        BadInput: coefficients, or another shape.
    """
    data, affine = read_array(path)
    code = int(header_of(path)["intent_code"])
    if code in _COEFFICIENTS:
        raise BadInput(
            "holds spline coefficients", file=path, expected="a field: fnirt --fout, or convertwarp"
        )
    if data.ndim != 4 or data.shape[3] != 3 or not np.isfinite(data).all():
        raise BadInput(
            "is not a warp of FSL", file=path, expected="(X, Y, Z, 3), finite", found=data.shape
        )
    x, y, z = data.shape[:3]
    grid = Grid((x, y, z), affine)
    places = voxel_to_world(voxel_grid(grid.shape), fsl_affine(grid))
    displaced = data - places
    if absolute is None:
        absolute = bool(data.std((0, 1, 2)).sum() > displaced.std((0, 1, 2)).sum())
    return Displacements(displaced if absolute else data, fsl_affine(grid), outside=True)
