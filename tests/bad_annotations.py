"""Bad labels, masks and landmarks: what is wrong, how to make it, and words of its one line.

A table of docs/bad-inputs.md is written from this list; see tests/test_bad_inputs.py.
"""

from pathlib import Path
from typing import Any

import nibabel
import numpy as np
from damage import (
    MOVING,
    Bad,
    Folder,
    bomb,
    entry,
    image_with,
    nifti,
    oversized,
    pipe,
    truncate,
    with_mask,
)
from helpers import SHAPE, random_image

from regbench.spatial.nifti import write_volume

FCSV = "# CoordinateSystem = {}\n# columns = id,x,y,z,label\n"


def points(folder: Folder, ending: str, text: str, number: int = 0) -> None:
    """A file of landmarks of another kind."""
    name = f"landmarksTr/points{number}{ending}"
    (folder.root / "data" / name).write_text(text)
    entry(folder, number, landmarks=name)


def moved(image: Path, file: Path, shift: Any = (0, 0, 0), scale: Any = (1, 1, 1)) -> None:
    """A file whose header places it elsewhere than its image."""
    affine = nibabel.load(image).affine @ np.diag([*scale, 1.0])
    affine[:3, 3] += shift
    nibabel.save(nibabel.Nifti1Image(np.asarray(nibabel.load(file).dataobj), affine), file)


#: The annotations of the first pair are bad: the metrics that need them say so.
LABELLED = ("labels", "learn2reg_labels")
POINTS = ("landmarks",)
MASKED = ("learn2reg_field",)
ANNOTATIONS: list[tuple[tuple[str, ...], Bad]] = [
    (
        MASKED,
        Bad(
            "mask: another shape",
            lambda f: with_mask(f, np.ones((4, 5, 6), np.uint8)),
            ("the mask does not fit the field", "found (4, 5, 6)"),
        ),
    ),
    (
        MASKED,
        Bad(
            "mask: fractions",
            lambda f: with_mask(f, np.full(SHAPE, 0.5, np.float32)),
            ("is not a label map",),
        ),
    ),
    (
        MASKED,
        Bad(
            "mask: elsewhere than its image",
            lambda f: (
                with_mask(f, np.ones(SHAPE, np.uint8)),
                moved(f.image(), f.root / "data" / "masksTr" / "m.nii.gz", shift=(0, 0, 2)),
            ),
            ("the mask lies elsewhere than the image", "corners 2 mm apart"),
        ),
    ),
    (
        LABELLED,
        Bad(
            "labels: 100 mm from their image",
            lambda f: moved(f.image(), f.labels(), shift=(100, 0, 0)),
            ("the labels lie elsewhere than the image", "corners 100 mm apart"),
        ),
    ),
    (
        LABELLED,
        Bad(
            "labels: another spacing than their image's",
            lambda f: moved(f.image(), f.labels(), scale=(1, 1, 1.5)),
            ("the labels lie elsewhere than the image",),
        ),
    ),
    (
        LABELLED,
        Bad(
            "labels of the moving image: left and right exchanged",
            lambda f: moved(f.image(MOVING), f.labels(MOVING), scale=(-1, 1, 1)),
            ("the labels lie elsewhere than the image", "geometry: trust"),
        ),
    ),
    (LABELLED, Bad("labels: missing file", lambda f: f.labels().unlink(), ("no such file",))),
    (
        LABELLED,
        Bad(
            "labels: fractions",
            lambda f: write_volume(f.labels(), random_image(1)),
            ("is not a label map", "whole numbers"),
        ),
    ),
    (
        LABELLED,
        Bad("labels: NaN", lambda f: write_volume(f.labels(), image_with(np.nan)), ("not finite",)),
    ),
    (
        LABELLED,
        Bad(
            "labels: beyond 32 bits",
            lambda f: nifti(f.labels(), np.full(SHAPE, 2.0**40)),
            ("is not a label map",),
        ),
    ),
    (
        LABELLED,
        Bad(
            "labels: another shape",
            lambda f: nifti(f.labels(), np.ones((4, 5, 6), np.uint8)),
            ("the labels do not fit the field", "found (4, 5, 6)"),
        ),
    ),
    (
        LABELLED,
        Bad(
            "labels: colours",
            lambda f: nifti(f.labels(), np.zeros(SHAPE, [("R", "u1"), ("G", "u1"), ("B", "u1")])),
            ("does not hold real numbers",),
        ),
    ),
    (
        LABELLED,
        Bad(
            "labels of the moving image: truncated",
            lambda f: truncate(f.labels(MOVING)),
            ("is truncated or damaged",),
        ),
    ),
    (
        LABELLED,
        Bad(
            "labels: a gzip bomb", lambda f: bomb(f.labels()), ("the labels do not fit the field",)
        ),
    ),
    (POINTS, Bad("landmarks: missing file", lambda f: f.landmarks().unlink(), ("cannot be read",))),
    (
        POINTS,
        Bad(
            "landmarks: empty file",
            lambda f: f.landmarks().write_text(""),
            ("wrong shape of landmarks",),
        ),
    ),
    (
        POINTS,
        Bad(
            "landmarks: a header of words",
            lambda f: f.landmarks().write_text("a,b,c\n1,2,3\n"),
            ("is not a list of points", "the header 'a,b,c'", "x y z"),
        ),
    ),
    (
        POINTS,
        Bad(
            "landmarks: two columns",
            lambda f: f.landmarks().write_text("1,2\n3,4\n"),
            ("wrong shape of landmarks", "found (2, 2)"),
        ),
    ),
    (
        POINTS,
        Bad(
            "landmarks: lines of unequal length",
            lambda f: f.landmarks().write_text("1,2,3\n4,5\n"),
            ("is not a list of points", "three numbers a point"),
        ),
    ),
    (
        POINTS,
        Bad(
            "landmarks: separated by semicolons",
            lambda f: f.landmarks().write_text("1;2;3\n4;5;6\n"),
            ("is not a list of points", "three numbers a point"),
        ),
    ),
    (
        POINTS,
        Bad(
            "landmarks: NaN",
            lambda f: f.landmarks().write_text("1,2,3\nnan,5,6\n"),
            ("landmarks are not finite",),
        ),
    ),
    (
        POINTS,
        Bad(
            "landmarks: an infinity",
            lambda f: f.landmarks().write_text("1,2,3\n4,inf,6\n"),
            ("landmarks are not finite",),
        ),
    ),
    (
        POINTS,
        Bad(
            "landmarks: unequal numbers of points",
            lambda f: f.landmarks().write_text("1,2,3\n"),
            ("differ in number", "expected 1", "found 2"),
        ),
    ),
    (
        POINTS,
        Bad(
            "landmarks outside the fixed image",
            lambda f: f.landmarks().write_text("1,2,3\n4,5,60\n"),
            ("landmarks outside the fixed image", "1 of 2 outside"),
        ),
    ),
    (
        POINTS,
        Bad(
            "landmarks outside the moving image",
            lambda f: f.landmarks(MOVING).write_text("-90,2,3\n4,5,6\n"),
            ("landmarks outside the moving image", "1 of 2 outside"),
        ),
    ),
    (
        POINTS,
        Bad(
            "landmarks: bytes that are no text",
            lambda f: f.landmarks().write_bytes(b"\xff\xfe\x00\x01"),
            ("is not a list of points", "three numbers a point"),
        ),
    ),
    (
        POINTS,
        Bad(
            "landmarks: a pipe",
            lambda f: pipe(f.landmarks()),
            ("cannot be read", "expected a file"),
        ),
    ),
    (
        POINTS,
        Bad(
            "landmarks: a folder",
            lambda f: (f.landmarks().unlink(), f.landmarks().mkdir()),
            ("cannot be read", "expected a file"),
        ),
    ),
    (
        POINTS,
        Bad(
            "landmarks: a header in centimetres",
            lambda f: f.landmarks().write_text("x_cm,y_cm,z_cm\n1,2,3\n"),
            ("is not a list of points", "'x_cm,y_cm,z_cm'", "x_mm y_mm z_mm"),
        ),
    ),
    (
        POINTS,
        Bad(
            "landmarks: no frame stated, and two that fit",
            lambda f: f.landmarks().write_text("x,y,z\n0.2,0.1,3\n0.3,0.2,5\n"),
            (
                "frame of the landmarks is not stated",
                "landmarks_frame: voxel, ras or lps",
                "as LPS",
            ),
        ),
    ),
    (
        POINTS,
        Bad(
            "landmarks: no frame stated, and none that fits",
            lambda f: f.landmarks().write_text("x_mm,y_mm,z_mm\n1,2,3\n4,5,90\n"),
            ("landmarks outside", "of 2 points outside: 1 as RAS millimetres"),
        ),
    ),
    (
        POINTS,
        Bad(
            "landmarks: left and right exchanged",
            lambda f: f.landmarks().write_text("-4,5,7\n-3,6,8\n"),
            ("landmarks outside the fixed image", "with left and right exchanged"),
        ),
    ),
    (
        POINTS,
        Bad(
            "landmarks: RAS that calls itself LPS",
            lambda f: points(f, ".fcsv", f"{FCSV.format('LPS')}1,4,5,7,a\n2,3,6,8,b\n"),
            ("landmarks outside the fixed image", "all inside as voxels or RAS millimetres"),
        ),
    ),
    (
        POINTS,
        Bad(
            "landmarks: other names than in the moving image",
            lambda f: [
                points(
                    f, ".fcsv", f"{FCSV.format('RAS')}1,4,5,7,{names[0]}\n2,3,6,8,{names[1]}\n", k
                )
                for k, names in enumerate((("apex", "hilum"), ("apex", "base")))
            ],
            ("landmarks differ in their names", "expected 'hilum'", "found 'base'"),
        ),
    ),
    (
        POINTS,
        Bad(
            "landmarks: an unknown frame in an fcsv",
            lambda f: points(f, ".fcsv", f"{FCSV.format('MNI')}1,4,5,7,a\n"),
            ("is not a list of points", "the frame 'MNI'"),
        ),
    ),
    (
        POINTS,
        Bad(
            "landmarks: a truncated mrk.json",
            lambda f: points(f, ".mrk.json", '{"markups": [{"controlPoints": [{"position": [4, 5'),
            ("is not a list of points",),
        ),
    ),
    (
        POINTS,
        Bad(
            "landmarks: a mrk.json in metres",
            lambda f: points(
                f, ".mrk.json", '{"markups": [{"coordinateUnits": "m", "controlPoints": []}]}'
            ),
            ("is not a list of points", "the unit 'm', not mm"),
        ),
    ),
    (
        POINTS,
        Bad(
            "landmarks: a truncated vtk",
            lambda f: points(
                f, ".vtk", "# vtk DataFile Version 3.0\nx\nASCII\nPOINTS 2 float\n4 5 7 3"
            ),
            ("is not a list of points", "4 numbers of 2 points"),
        ),
    ),
    (
        POINTS,
        Bad(
            "landmarks: a truncated point file of elastix",
            lambda f: points(f, ".txt", "point\n2\n4 5 7\n"),
            ("is not a list of points", "3 numbers of 2 points"),
        ),
    ),
    (POINTS, Bad("landmarks: 65 MiB", lambda f: oversized(f.landmarks()), ("is too large",))),
]
