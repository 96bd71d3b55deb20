"""Displacement fields as the Learn2Reg challenge stores them, `.npz` archives included."""

import zipfile
from collections.abc import Callable
from pathlib import Path
from typing import IO

import numpy as np
from numpy.typing import NDArray
from scipy import ndimage

from regbench.base.errors import BadInput
from regbench.base.files import check_file, writing
from regbench.spatial import SUBMITTED
from regbench.spatial.field import (
    Field,
    check_displacement,
    check_field_shape,
    read_field,
    to_float32,
    write_field,
)
from regbench.spatial.nifti import read_array, read_shape, reading


def read_submitted(
    path: Path, shape: tuple[int, int, int], affine: NDArray, layout: str = "voxel"
) -> Field:
    """Read a submitted field; nothing is unpacked before its header fits the fixed image.

    Args:
        path: `.nii.gz`, or `.npz` with one array.
        shape: (X, Y, Z) of the fixed image.
        affine: 4x4 of the fixed image, for files that carry none.
        layout: one of SUBMITTED. `voxel`: (X, Y, Z, 3), voxels of the fixed grid. `l2r-2021-half`:
            (3, X/2, Y/2, Z/2); the displacements are in voxels of the **full** grid, and the
            components are zoomed by 2 with quadratic splines, first voxel on first and last on
            last, as the challenge of 2021 did.

    Raises:
        BadInput: not readable, or not a field of this layout and shape.
    """
    if layout not in SUBMITTED:
        raise BadInput("unknown layout", expected=", ".join(SUBMITTED), found=layout)
    packed, halved = path.name.endswith(".npz"), layout == "l2r-2021-half"
    if not packed and not halved:
        return read_field(path, shape)
    check_header = _check_half if halved else check_field_shape
    if packed:
        data = read_npz(path, lambda actual: check_header(actual, shape, path))
    else:
        check_header(read_shape(path), shape, path)
        data, _ = read_array(path)
    data = to_float32(data)
    if halved:
        # Checked before it is zoomed: a spline would carry one bad value into all others.
        check_displacement(np.moveaxis(data, 0, -1), file=path)
        data = np.stack([ndimage.zoom(part, 2, order=2) for part in data], axis=-1)
    check_displacement(data, shape, file=path)
    return Field(data, np.asarray(affine, float))


def write_submitted(path: Path, field: Field, layout: str = "voxel") -> None:
    """Write a field as `read_submitted` reads it, atomically: `.npz`, or NIfTI of `voxel`.

    Raises:
        BadInput: half resolution of a grid with an odd size.
    """
    if not path.name.endswith(".npz"):
        write_field(path, field)
        return
    data = field.displacement
    if layout == "l2r-2021-half":
        _check_even(field.shape)
        # Without `nearest`, rounding may put the last voxel outside: it would be 0.
        parts = np.moveaxis(data, -1, 0)
        data = np.stack([ndimage.zoom(part, 0.5, order=2, mode="nearest") for part in parts])
    with writing(path) as file:
        np.savez_compressed(file, data)


def _check_even(shape: tuple[int, int, int]) -> None:
    if any(n % 2 for n in shape):
        raise BadInput("a field at half resolution needs a fixed image of even sizes", found=shape)


def _check_half(actual: tuple[int, ...], shape: tuple[int, int, int], path: Path) -> None:
    _check_even(shape)
    half = (3, *(n // 2 for n in shape))
    if actual != half:
        raise BadInput(
            "wrong shape of a displacement field at half resolution",
            file=path,
            expected=half,
            found=actual,
        )


#: The version that numpy writes for arrays of numbers. Later ones allow headers of gigabytes.
_VERSION = (1, 0)
_METHODS = (zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED)


def read_npz(path: Path, check: Callable[[tuple[int, ...]], None]) -> NDArray:
    """The one array of an archive, in its own type of real numbers.

    The archive's own directory is not trusted: the array's header is read first and says how much
    is unpacked. Nothing is unpickled.

    Args:
        path: of the archive.
        check: is called with the shape in the header, and raises where it does not fit.

    Raises:
        BadInput: missing, no archive, not exactly one array of real numbers, or damaged.
    """
    check_file(path, "an npz file")
    with reading(path, "is not a readable npz file"), zipfile.ZipFile(path) as archive:
        member = _only_member(archive, path)
        with archive.open(member) as file:
            _check_header(file, check, path)
        with archive.open(member) as file:
            data: NDArray = np.lib.format.read_array(file, allow_pickle=False)
            # zipfile compares the checksum at the end of the member.
            rest = file.read(1)
    if rest:
        raise BadInput("holds more than its array's header says", file=path)
    return data


def _only_member(archive: zipfile.ZipFile, path: Path) -> zipfile.ZipInfo:
    members = archive.infolist()
    if len(members) != 1 or not members[0].filename.endswith(".npy"):
        names = ", ".join(repr(member.filename) for member in members[:3])
        raise BadInput(
            "does not hold exactly one array",
            file=path,
            expected="one .npy",
            found=f"{len(members)} files ({names}{', ...' if len(members) > 3 else ''})",
        )
    if members[0].compress_type not in _METHODS:
        raise BadInput("is compressed in a way that numpy does not write", file=path)
    return members[0]


def _check_header(file: IO[bytes], check: Callable[[tuple[int, ...]], None], path: Path) -> None:
    version = np.lib.format.read_magic(file)
    if version != _VERSION:
        raise BadInput("unknown version of npy", file=path, expected=_VERSION, found=version)
    shape, _, kind = np.lib.format.read_array_header_1_0(file)
    if kind.hasobject:
        raise BadInput("holds pickled objects", file=path, expected="an array of numbers")
    if not np.issubdtype(kind, np.number) or np.issubdtype(kind, np.complexfloating):
        raise BadInput("does not hold real numbers", file=path, found=kind)
    check(shape)
