"""The affine part, where one is given: read, applied before, and made part of the field after."""

from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from regbench.base.errors import BadInput
from regbench.spatial.field import Field
from regbench.spatial.volume import Volume, voxel_grid


def read_affine(file: Path) -> NDArray[np.float64]:
    """The 4x4 matrix A of a text file: fixed voxel x, as a column, looks at moving voxel A x.

    The file is as the authors' `linearBCV` writes it: four rows of four numbers, to be multiplied
    by a row [i j k 1] from the left, in voxels of the isotropic grid; the shift is the last row.

    Raises:
        BadInput: missing, not 4x4 numbers, another last column than 0 0 0 1, or not invertible.
    """
    try:
        rows = np.loadtxt(file, dtype=float, ndmin=2)
    except (OSError, ValueError) as error:
        raise BadInput("is no affine matrix", file=file, expected="4 rows of 4 numbers") from error
    if rows.shape != (4, 4) or not np.isfinite(rows).all():
        raise BadInput("is no affine matrix", file=file, expected="4x4 numbers", found=rows.shape)
    if not np.allclose(rows[:, 3], (0, 0, 0, 1)):
        raise BadInput(
            "has its shift in another place than the last row",
            file=file,
            expected="last column 0 0 0 1",
            found=rows[:, 3].tolist(),
        )
    if np.linalg.det(rows) <= 0:
        raise BadInput("is mirrored or singular", file=file, expected="a determinant above 0")
    return rows.T


def prealign(moving: Volume, matrix: NDArray[np.float64]) -> Volume:
    """The moving image at A x, on its own grid, for the search; no result is made of it."""
    from regbench.spatial.warp import warp_image

    still = Field(np.zeros((*moving.shape, 3), np.float32), moving.affine)
    return warp_image(moving, with_affine(still, matrix))


def with_affine(field: Field, matrix: NDArray[np.float64]) -> Field:
    """The whole transform x -> A (x + u(x)) of a field u that was found after `prealign`."""
    from regbench.spatial.warp import positions

    reached = positions(field).astype(float) @ matrix[:3, :3].T + matrix[:3, 3]
    return Field((reached - voxel_grid(field.shape)).astype(np.float32), field.affine)
