"""Transforms of NiftyReg, which work on the headers' own world: RAS millimetres."""

from pathlib import Path

import numpy as np

from regbench.base.errors import BadInput
from regbench.spatial.nifti import header_of, read_array
from regbench.spatial.transforms.model import Affine, Displacements, Transform
from regbench.spatial.transforms.text import read_matrix
from regbench.spatial.volume import voxel_grid, voxel_to_world

NAME = "NREG_TRANS"
_DEFORMATION, _DISPLACEMENT = 0, 1


def is_niftyreg(path: Path) -> bool:
    """Whether a NIfTI file says that NiftyReg wrote it."""
    return bytes(header_of(path)["intent_name"]).startswith(NAME.encode())


def read_niftyreg(path: Path) -> Transform:
    """A deformation or displacement field, (X, Y, Z, 1, 3), or a matrix (reference to floating).

    Raises:
        BadInput: a control grid, a velocity field, or another shape.
    """
    if path.suffix == ".txt":
        return Affine(read_matrix(path))
    data, affine = read_array(path)
    kind = int(float(header_of(path)["intent_p1"]))
    if kind not in (_DEFORMATION, _DISPLACEMENT):
        raise BadInput(
            "is a control grid or a velocity field of NiftyReg",
            file=path,
            expected="a deformation: reg_transform -def",
            found=f"type {kind}",
        )
    if data.ndim != 5 or data.shape[3:] != (1, 3) or not np.isfinite(data).all():
        raise BadInput(
            "is not a field of NiftyReg",
            file=path,
            expected="(X, Y, Z, 1, 3), finite",
            found=data.shape,
        )
    vectors = data[:, :, :, 0]
    if kind == _DEFORMATION:
        vectors = vectors - voxel_to_world(voxel_grid(vectors.shape[:3]), affine)
    return Displacements(vectors, affine, outside=True)
