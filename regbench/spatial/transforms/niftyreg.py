"""Fields of NiftyReg, which refer to the world of the headers: RAS millimetres."""

from pathlib import Path

from regbench.base.errors import BadInput
from regbench.spatial.nifti import header_of
from regbench.spatial.transforms.files import read_vectors
from regbench.spatial.transforms.model import Displacements
from regbench.spatial.volume import voxel_grid, voxel_to_world

#: What a header names a file of NiftyReg, and its numbers for the kinds of fields.
NAME, _POSITIONS, _DISPLACEMENTS = "NREG_TRANS", 0, 1


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
