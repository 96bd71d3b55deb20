"""Displacement fields in the ways that the Learn2Reg challenge stores them."""

from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from scipy import ndimage

from regbench.base.errors import BadInput
from regbench.spatial.field import Field, check_displacement, check_field_shape, read_field
from regbench.spatial.nifti import read_array, read_shape
from regbench.spatial.npz import read_npz

#: How the numbers of a submitted field are laid out. `voxel`: this project's own convention, and
#: the challenge's since 2022. `l2r-2021-half`: components first, at half resolution.
LAYOUTS = ("voxel", "l2r-2021-half")


def read_submitted(
    path: Path, shape: tuple[int, int, int], affine: NDArray, layout: str = "voxel"
) -> Field:
    """Read a submitted field of a fixed image; nothing is unpacked before its header fits.

    Args:
        path: `.nii.gz`, or `.npz` with one array.
        shape: (X, Y, Z) of the fixed image.
        affine: 4x4 of the fixed image, for files that carry none.
        layout: one of LAYOUTS. `voxel`: (X, Y, Z, 3), voxels of the fixed grid. `l2r-2021-half`:
            (3, X/2, Y/2, Z/2); the displacements are in voxels of the **full** grid, and the
            components are zoomed by 2 with quadratic splines, first voxel on first and last on
            last, as the challenge of 2021 did.

    Raises:
        BadInput: not readable, or not a field of this layout and shape.
    """
    packed = path.name.endswith(".npz")
    if layout == "voxel" and not packed:
        return read_field(path, shape)
    if layout == "voxel":
        data = read_npz(path, lambda found: check_field_shape(found, shape, path))
    elif layout == "l2r-2021-half":
        half = _half(shape)
        if packed:
            data = read_npz(path, lambda found: _check_half(found, half, path))
        else:
            _check_half(read_shape(path), half, path)
            data, _ = read_array(path)
    else:
        raise BadInput("unknown layout", expected=", ".join(LAYOUTS), found=layout)
    if not np.issubdtype(data.dtype, np.floating):
        raise BadInput(
            "wrong number type of a displacement field",
            file=path,
            expected="floating point",
            found=data.dtype,
        )
    with np.errstate(over="ignore"):
        data = np.ascontiguousarray(data, dtype=np.float32)
    if layout == "l2r-2021-half":
        # Checked before it is zoomed: a spline would carry one bad value into all others.
        check_displacement(np.moveaxis(data, 0, -1), file=path)
        data = np.stack([ndimage.zoom(part, 2, order=2) for part in data], axis=-1)
    check_displacement(data, shape, file=path)
    return Field(data, np.asarray(affine, float))


def _half(shape: tuple[int, int, int]) -> tuple[int, int, int, int]:
    if any(n % 2 for n in shape):
        raise BadInput("a field at half resolution needs a fixed image of even sizes", found=shape)
    x, y, z = (n // 2 for n in shape)
    return 3, x, y, z


def _check_half(found: tuple[int, ...], half: tuple[int, ...], path: Path) -> None:
    if found != half:
        raise BadInput(
            "wrong shape of a displacement field at half resolution",
            file=path,
            expected=half,
            found=found,
        )
