"""Bad fields: what is wrong, how to make it, and words of the one line that answers it.

The tables of docs/bad-inputs.md are written from this list; see tests/test_bad_inputs.py.
"""

import numpy as np
from damage import (
    MOVING,
    Bad,
    bomb,
    filled,
    flip,
    linked,
    nifti,
    npz_claiming,
    npz_with_bad_checksum,
    npz_with_more,
    patch,
    patch_size,
    pickled,
    truncate,
    twins,
)
from helpers import SHAPE, random_image, shift_field, smooth_field

from regbench.spatial.field import write_field
from regbench.spatial.nifti import write_volume

#: The field of the first pair is bad: all rows of that case say so, the other case is measured.
FIELDS = [
    Bad("no field of one pair", lambda f: f.field.unlink(), ("no displacement field", "disp_Toy")),
    Bad(
        "two fields of one pair",
        lambda f: write_field(
            f.root / "pred/disp_0001_0000_0001_0001.nii.gz", shift_field((0,) * 3)
        ),
        ("more than one displacement field",),
    ),
    Bad("one field for two pairs of equal numbers", twins, ("is the field of two cases",)),
    Bad(
        "a folder by the field's name",
        lambda f: (f.field.unlink(), f.field.mkdir()),
        ("no displacement field",),
    ),
    Bad(
        "a link that leaves the folder",
        lambda f: linked(f.field, f.root / "o/x.nii.gz"),
        ("link that leaves the folder",),
    ),
    Bad(
        "a link to nothing",
        lambda f: (f.field.unlink(), f.field.symlink_to("gone")),
        ("no displacement field",),
    ),
    Bad("truncated gzip", lambda f: truncate(f.field), ("is truncated or damaged",)),
    Bad(
        "a flipped bit in compressed voxels",
        lambda f: (write_field(f.field, smooth_field(1)), flip(f.field)),
        ("is truncated or damaged",),
    ),
    Bad(
        "more voxels than the header says",
        lambda f: (nifti(f.field, np.zeros((*SHAPE, 9))), patch_size(f.field, (4, *SHAPE, 3))),
        ("holds more than its header says",),
    ),
    Bad("an empty file", lambda f: f.field.write_bytes(b""), ("is not a readable NIfTI file",)),
    Bad(
        "text by the name of a NIfTI",
        lambda f: f.field.write_text("no"),
        ("is not a readable NIfTI file",),
    ),
    Bad(
        "wrong magic",
        lambda f: patch(f.field, 344, np.array(b"bad\0")),
        ("is not a readable NIfTI file",),
    ),
    Bad(
        "unknown number type in the header",
        lambda f: patch(f.field, 70, np.int16(4096)),
        ("is not a readable NIfTI file",),
    ),
    Bad(
        "two axes",
        lambda f: nifti(f.field, np.zeros((4, 5), np.float32)),
        ("wrong shape", "found (4, 5)"),
    ),
    Bad(
        "a scalar volume",
        lambda f: nifti(f.field, np.zeros(SHAPE, np.float32)),
        ("wrong shape", "expected (9, 12, 15, 3)"),
    ),
    Bad(
        "five axes, as ITK and ANTs write",
        lambda f: nifti(f.field, np.zeros((*SHAPE, 1, 3), np.float32)),
        ("five axes", "millimetres"),
    ),
    Bad(
        "components first",
        lambda f: nifti(f.field, np.zeros((3, *SHAPE), np.float32)),
        ("components first",),
    ),
    Bad(
        "axes in reversed order",
        lambda f: nifti(f.field, np.zeros((*SHAPE[::-1], 3), np.float32)),
        ("does not fit the fixed image", "found (15, 12, 9, 3)"),
    ),
    Bad(
        "another grid",
        lambda f: nifti(f.field, np.zeros((4, 5, 6, 3), np.float32)),
        ("does not fit the fixed image", "found (4, 5, 6, 3)"),
    ),
    Bad(
        "an axis of size zero",
        lambda f: patch_size(f.field, (4, 0)),
        ("its header has an impossible shape",),
    ),
    Bad(
        "a negative axis",
        lambda f: patch_size(f.field, (4, -9)),
        ("its header has an impossible shape",),
    ),
    Bad(
        "a header that promises 100 TB",
        lambda f: patch_size(f.field, (4, 30000, 30000, 30000, 3)),
        ("impossible shape", "(30000, 30000, 30000, 3)"),
    ),
    Bad(
        "a header that promises more than gzip can hold",
        lambda f: patch_size(f.field, (4, 500, 500, 500, 3)),
        ("is truncated or damaged", "a file of"),
    ),
    Bad(
        "a gzip bomb of a well-formed header",
        lambda f: bomb(f.field),
        ("does not fit the fixed image", "(128, 128, 128, 3)"),
    ),
    Bad(
        "voxels a gigabyte behind the header",
        lambda f: patch(f.field, 108, np.float32(2**30)),
        ("places the voxels too far away",),
    ),
    Bad(
        "whole numbers",
        lambda f: nifti(f.field, np.zeros((*SHAPE, 3), np.int16)),
        ("wrong number type", "int16"),
    ),
    Bad(
        "complex numbers",
        lambda f: nifti(f.field, np.zeros((*SHAPE, 3), np.complex64)),
        ("wrong number type", "complex64"),
    ),
    Bad(
        "float64 beyond float32",
        lambda f: nifti(f.field, filled(1e300, "float64")),
        ("is not finite", "found 1"),
    ),
    Bad("NaN", lambda f: nifti(f.field, filled(np.nan)), ("is not finite", "found 1")),
    Bad("an infinity", lambda f: nifti(f.field, filled(-np.inf)), ("is not finite", "found 1")),
    Bad(
        "a singular affine",
        lambda f: patch(f.field, 280, np.zeros(12, np.float32)),
        ("the affine is singular",),
    ),
    Bad(
        "an affine with NaN",
        lambda f: patch(f.field, 280, np.float32(np.nan)),
        ("the affine is not finite",),
    ),
    Bad(
        "a grid in metres",
        lambda f: patch(f.field, 123, np.uint8(1)),
        ("unsupported unit of length", "expected mm", "found meter"),
    ),
    Bad("npz: no archive", lambda f: f.npz.write_text("no"), ("is not a readable npz file",)),
    Bad(
        "npz: truncated",
        lambda f: np.savez(path := f.npz, filled(0)) or truncate(path),
        ("is not a readable npz file",),
    ),
    Bad(
        "npz: a flipped bit",
        lambda f: npz_with_bad_checksum(f.npz),
        ("is not a readable npz file", "CRC"),
    ),
    Bad(
        "npz: a header of a version that allows gigabytes",
        lambda f: npz_claiming(f.npz, (*SHAPE, 3), (2, 0)),
        ("unknown version of npy",),
    ),
    Bad(
        "npz: more data than its header says",
        lambda f: npz_with_more(f.npz),
        ("holds more than its array's header says",),
    ),
    Bad("npz: pickled objects", lambda f: pickled(f.npz), ("holds pickled objects",)),
    Bad(
        "npz: two arrays",
        lambda f: np.savez(f.npz, filled(0), filled(1)),
        ("does not hold exactly one array", "2 files"),
    ),
    Bad(
        "npz: nothing in it",
        lambda f: np.savez(f.npz),
        ("does not hold exactly one array", "0 files"),
    ),
    Bad(
        "npz: a header that promises 400 TB",
        lambda f: npz_claiming(f.npz, (10**14,)),
        ("wrong shape",),
    ),
    Bad(
        "npz: the right shape and no data",
        lambda f: npz_claiming(f.npz, (*SHAPE, 3)),
        ("is not a readable npz file",),
    ),
    Bad(
        "npz: components first",
        lambda f: np.savez(f.npz, np.zeros((3, *SHAPE), np.float16)),
        ("components first",),
    ),
    Bad(
        "npz: another grid",
        lambda f: np.savez(f.npz, np.zeros((4, 5, 6, 3), np.float32)),
        ("does not fit the fixed image",),
    ),
    Bad(
        "npz: whole numbers",
        lambda f: np.savez(f.npz, np.zeros((*SHAPE, 3), int)),
        ("wrong number type", "int64"),
    ),
    Bad(
        "npz: complex numbers",
        lambda f: np.savez(f.npz, filled(0, "complex64")),
        ("does not hold real numbers",),
    ),
    Bad(
        "npz: text",
        lambda f: np.savez(f.npz, np.full((*SHAPE, 3), "a")),
        ("does not hold real numbers",),
    ),
    Bad("npz: NaN", lambda f: np.savez(f.npz, filled(np.nan)), ("is not finite",)),
    Bad(
        "half resolution asked for, sizes of the fixed image odd",
        lambda f: f.more.extend(["--layout", "l2r-2021-half"]),
        ("even sizes", "found (9, 12, 15)"),
    ),
    Bad("the fixed image is missing", lambda f: f.image().unlink(), ("no such file",)),
    Bad(
        "the fixed image is truncated to its header's half",
        lambda f: f.image().write_bytes(f.image().read_bytes()[:90]),
        ("is not a readable NIfTI file",),
    ),
    Bad(
        "the fixed image has four axes",
        lambda f: nifti(f.image(), np.zeros((*SHAPE, 2), np.float32)),
        ("is not a scalar volume",),
    ),
    Bad(
        "the fixed image's affine is singular",
        lambda f: patch(f.image(), 280, np.zeros(12, np.float32)),
        ("the affine is singular",),
    ),
    Bad(
        "the fixed image's header is in micrometres",
        lambda f: patch(f.image(), 123, np.uint8(3)),
        ("unsupported unit of length", "found micron"),
    ),
    Bad(
        "the header's unit has an unknown code",
        lambda f: patch(f.image(), 123, np.uint8(6)),
        ("unsupported unit of length",),
    ),
    Bad(
        "fixed and moving image differ in shape",
        lambda f: write_volume(f.image(MOVING), random_image(1, (4, 5, 6))),
        ("fixed and moving image differ in shape",),
    ),
    Bad(
        "the fixed image is a link that leaves the folder",
        lambda f: linked(f.image(), f.root / "o/x.nii.gz"),
        ("link that leaves the data set's folder",),
    ),
    Bad(
        "the labels are a link that leaves the folder",
        lambda f: linked(f.labels(), f.root / "o/x.nii.gz"),
        ("link that leaves the data set's folder",),
    ),
]
