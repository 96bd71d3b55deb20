"""Bad data sets and commands: what is wrong, how to make it, and words of its one line.

The tables of docs/bad-inputs.md are written from this list; see tests/test_bad_inputs.py.
"""

from pathlib import Path

import nibabel
import numpy as np
from damage import (
    MOVING,
    PAIR,
    Bad,
    Folder,
    entry,
    image_with,
    linked,
    nifti,
    oversized,
    pairs,
    patch,
    patch_size,
    pipe,
    top,
    truncate,
)
from helpers import SHAPE, random_image

from regbench.spatial.nifti import write_volume
from regbench.spatial.volume import Volume


def as_output(folder: Folder, path: Path) -> None:
    """The last `--output` counts."""
    folder.more.extend(["--output", path])


def two_forms(folder: Folder) -> None:
    """A header that states two places."""
    image = nibabel.load(folder.image())
    image.set_sform(np.eye(4), 1)
    image.set_qform(np.diag([1, 1, 2, 1]), 1)
    nibabel.save(nibabel.Nifti1Image(np.asarray(image.dataobj), None, image.header), folder.image())


#: The JSON or the command is bad: one line, exit code 2, and nothing is written.
REFUSED = [
    Bad("no such JSON", lambda f: f.json.unlink(), ("cannot be read", "No such file")),
    Bad("JSON: no JSON", lambda f: f.json.write_text("{"), ("is not valid JSON",)),
    Bad(
        "JSON: bytes that are no text",
        lambda f: f.json.write_bytes(b"\xff\xfe"),
        ("is not valid JSON",),
    ),
    Bad(
        "JSON: 100000 brackets",
        lambda f: f.json.write_text("[" * 10**5),
        ("is not valid JSON", "nesting"),
    ),
    Bad(
        "JSON: a number of 5000 digits",
        lambda f: f.json.write_text('{"name": %s}' % ("9" * 5000)),
        ("is not valid JSON",),
    ),
    Bad(
        "JSON: a key twice",
        lambda f: f.json.write_text('{"name": "a", "labels": {"1": "liver", "1": "spleen"}}'),
        ("is not valid JSON", "the key '1' twice"),
    ),
    Bad(
        "JSON: a field twice",
        lambda f: f.json.write_text(f.json.read_text()[:-2] + ', "labels": {"1": "spleen"}}'),
        ("is not valid JSON", "the key 'labels' twice"),
    ),
    Bad("JSON: 65 MiB", lambda f: oversized(f.json), ("is too large",)),
    Bad("JSON: a pipe", lambda f: pipe(f.json), ("cannot be read", "expected a file")),
    Bad("JSON: a list", lambda f: f.json.write_text("[]"), ("is not a dataset JSON", "an object")),
    Bad("JSON: no name", top(name=None), ("field name is missing",)),
    Bad(
        "JSON: pairs as an object",
        top(registration_val={}),
        ("field registration_val is not a list",),
    ),
    Bad(
        "JSON: a pair as a list", pairs(["a", "b"]), ("field registration_val[0].fixed is missing",)
    ),
    Bad(
        "JSON: a pair without moving",
        pairs({"fixed": PAIR["fixed"]}),
        ("field registration_val[0].moving is missing",),
    ),
    Bad("JSON: no pairs", pairs(), ("lists no pairs",)),
    Bad(
        "JSON: an entry without image",
        lambda f: entry(f, 0, image=3),
        ("field training[0].image is missing",),
    ),
    Bad(
        "JSON: an absolute path",
        pairs({**PAIR, "fixed": "/etc/passwd"}),
        ("leaves the data set's folder", "/etc/passwd"),
    ),
    Bad(
        "JSON: `..` in a path",
        pairs({**PAIR, "moving": "../up.nii.gz"}),
        ("leaves the data set's folder", "../up.nii.gz"),
    ),
    Bad(
        "JSON: `..` in the path of labels",
        lambda f: entry(f, 0, label="../../x"),
        ("leaves the data set's folder",),
    ),
    Bad("JSON: an empty path", pairs({**PAIR, "fixed": ""}), ("is not a file path",)),
    Bad("JSON: a path with a null byte", pairs({**PAIR, "fixed": "a\0b"}), ("is not a file path",)),
    Bad(
        "JSON: a path that is no text",
        pairs({**PAIR, "fixed": "a\ud800.nii.gz"}),
        ("is not a file path",),
    ),
    Bad(
        "JSON: labels of an image as a number",
        lambda f: entry(f, 0, label=3),
        ("the labels of Toy_0001_0000 are not a path",),
    ),
    Bad(
        "JSON: duplicate cases",
        pairs(PAIR, PAIR),
        ("pair Toy_0001_0000_Toy_0001_0001 is listed twice in validation",),
    ),
    Bad(
        "JSON: two pairs of one name",
        pairs(
            {"fixed": "a_b.nii.gz", "moving": "c.nii.gz"},
            {"fixed": "a.nii.gz", "moving": "b_c.nii.gz"},
        ),
        ("two pairs of validation have the name a_b_c",),
    ),
    Bad(
        "JSON: a pair with a name of 300 letters",
        pairs({"fixed": "a" * 150, "moving": "b" * 150}),
        ("has too long a name", "at most 240 bytes"),
    ),
    Bad(
        "JSON: an image with itself",
        pairs({**PAIR, "moving": PAIR["fixed"]}),
        ("fixed and moving are one image",),
    ),
    Bad("JSON: a pair in two splits", top(registration_test=[PAIR]), ("is in two splits",)),
    Bad(
        "JSON: a direction without moving",
        top(registration_direction={"fixed": 0}),
        ("registration_direction is malformed",),
    ),
    Bad(
        "JSON: a direction of fractions",
        top(registration_direction={"fixed": 0.5, "moving": 1.5}),
        ("registration_direction is malformed",),
    ),
    Bad(
        "JSON: a direction in words",
        top(registration_direction="ct to mr"),
        ("registration_direction is malformed",),
    ),
    Bad("JSON: labels as a list", top(labels=["liver"]), ("field labels is not an object",)),
    Bad(
        "JSON: a label that is no number",
        top(labels={"liver": "one"}),
        ("a label is a whole number",),
    ),
    Bad(
        "JSON: a label that only looks like a number",
        top(labels={"\u00b2": "liver"}),
        ("a label is a whole number",),
    ),
    Bad(
        "JSON: the name of a label is no text",
        top(labels={"1": ["liver"]}),
        ("the name of 1 is not text",),
    ),
    Bad(
        "JSON: a label with two names",
        top(labels={"0": {"1": "liver"}, "1": {"1": "spleen"}}),
        ("label 1 has two names",),
    ),
    Bad(
        "JSON: names beside modalities",
        top(labels={"0": {"1": "liver"}, "1": "spleen"}),
        ("field labels is malformed", "found both"),
    ),
    Bad(
        "JSON: provided_data as a list",
        top(provided_data=["image"]),
        ("field provided_data is malformed",),
    ),
    Bad(
        "JSON: notes of a preparation that none wrote",
        top(regbench={"problems": []}),
        ("regbench.problems is not an object",),
    ),
    Bad(
        "JSON: prepared by an earlier version",
        top(regbench={"plugin": "learn2reg", "problems": {"Toy_0001_0000": "no such file"}}),
        ("was prepared by an earlier version",),
    ),
    Bad(
        "JSON: training images as an object of entries",
        top(training={"0": {"image": PAIR["fixed"]}}),
        ("field training.0 is not a list of entries",),
    ),
    Bad(
        "JSON: a pair by modalities without the fixed one",
        pairs({"1": PAIR["fixed"], "2": PAIR["moving"]}),
        ("field registration_val[0].0 is missing",),
    ),
    Bad(
        "an empty folder of predictions",
        lambda f: [p.unlink() for p in f.field.parent.iterdir()],
        ("holds no displacement field of the data set",),
    ),
    Bad(
        "a folder of predictions that is a file",
        lambda f: (
            [p.unlink() for p in f.field.parent.iterdir()],
            f.field.parent.rmdir(),
            f.field.parent.write_text(""),
        ),
        ("is not a folder",),
    ),
    Bad(
        "a split without pairs",
        lambda f: f.more.extend(["--split", "test"]),
        ("lists no test pairs",),
    ),
    Bad(
        "a folder as the csv to write",
        lambda f: (f.root / "out" / "m.csv").mkdir(parents=True),
        ("is a folder",),
    ),
    Bad("the dataset JSON as the csv to write", lambda f: as_output(f, f.json), ("is an input",)),
    Bad("a field as the csv to write", lambda f: as_output(f, f.field), ("is an input",)),
    Bad("an image as the csv to write", lambda f: as_output(f, f.image()), ("is an input",)),
    Bad(
        "an image as the result file to write",
        lambda f: f.more.extend(["--l2r-json", f.image()]),
        ("is an input",),
    ),
    Bad(
        "a link to an image as the csv to write",
        lambda f: (as_output(f, f.root / "link"), (f.root / "link").symlink_to(f.image())),
        ("is an input",),
    ),
    Bad(
        "a device as the csv to write",
        lambda f: as_output(f, Path("/dev/null")),
        ("is no regular file",),
    ),
]

#: A file of a pair is bad when the data set is prepared: every method has a failed case there.
PREPARED = [
    Bad(
        "image: NaN",
        lambda f: write_volume(f.image(), image_with(np.nan)),
        ("has voxels that are not finite",),
    ),
    Bad(
        "image: an infinity",
        lambda f: write_volume(f.image(MOVING), image_with(np.inf)),
        ("has voxels that are not finite",),
    ),
    Bad(
        "image: constant",
        lambda f: write_volume(f.image(), Volume(np.full(SHAPE, 3.0), np.eye(4))),
        ("is a constant image",),
    ),
    Bad(
        "image: two axes",
        lambda f: nifti(f.image(), np.zeros((4, 5), np.float32)),
        ("is not a scalar volume",),
    ),
    Bad(
        "image: colours",
        lambda f: nifti(f.image(), np.ones((*SHAPE, 3), np.uint8)),
        ("is not a scalar volume",),
    ),
    Bad(
        "image: complex",
        lambda f: nifti(f.image(), np.ones(SHAPE, np.complex64)),
        ("does not hold real numbers",),
    ),
    Bad("image: truncated", lambda f: truncate(f.image()), ("is truncated or damaged",)),
    Bad(
        "image: voxels beyond 32-bit numbers",
        lambda f: patch(f.image(), 112, np.array([3e38, 0], np.float32)),
        ("has voxels beyond 32-bit numbers",),
    ),
    Bad(
        "image: voxels of a nanometre",
        lambda f: nifti(f.image(), random_image().data, np.diag([1e-6, 1, 1, 1])),
        ("its voxels have an absurd size", "1e-06 x 1 x 1"),
    ),
    Bad("image: sform and qform disagree", lambda f: two_forms(f), ("sform and qform disagree",)),
    Bad(
        "image: a link to itself",
        lambda f: (f.image().unlink(), f.image().symlink_to(f.image())),
        ("is a link that leads nowhere",),
    ),
    Bad("image: missing", lambda f: f.image(MOVING).unlink(), ("no such file",)),
    Bad(
        "image: a header in metres",
        lambda f: patch(f.image(), 123, np.uint8(1)),
        ("unsupported unit of length",),
    ),
    Bad(
        "image: a singular affine",
        lambda f: patch(f.image(), 280, np.zeros(12, np.float32)),
        ("the affine is singular",),
    ),
    Bad(
        "image: a header of 512 million voxels and more",
        lambda f: patch_size(f.image(), (3, 1000, 1000, 1000)),
        ("impossible shape",),
    ),
    Bad(
        "image: a link that leaves the folder",
        lambda f: linked(f.image(), f.root / "o/x.nii.gz"),
        ("link that leaves the data set's folder",),
    ),
    Bad(
        "labels: another shape (preparation)",
        lambda f: nifti(f.labels(), np.ones((4, 5, 6), np.uint8)),
        ("the labels do not fit the image",),
    ),
    Bad(
        "landmarks in millimetres, fixed",
        lambda f: f.landmarks().write_text("4,5,-7\n120,80,3\n"),
        ("outside the fixed image", "millimetres"),
    ),
    Bad(
        "landmarks in millimetres, moving",
        lambda f: f.landmarks(MOVING).write_text("4,5,-7\n120,80,3\n"),
        ("outside the moving image", "millimetres"),
    ),
]
