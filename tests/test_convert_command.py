"""`regbench convert`: what it writes, and what it refuses."""

from pathlib import Path

import nibabel
import numpy as np
import pytest
from helpers import AFFINES, SHAPE, centred, smooth_field
from scipy import ndimage
from shell import Shell

from regbench.base.errors import BadInput
from regbench.spatial.field import Field, read_field, write_field
from regbench.spatial.operations import compose
from regbench.spatial.submission import read_submitted, write_submitted
from regbench.spatial.transforms.itk import write_itk
from regbench.spatial.transforms.model import Displacements
from regbench.spatial.transforms.read import read_transforms
from regbench.spatial.volume import Grid

FIXED, MOVING = AFFINES["oblique"], AFFINES["unit"]
HEAD = "#Insight Transform File V1.0\n#Transform 0\nTransform: {}\n"
SHIFT = HEAD.format("TranslationTransform_double_3_3") + "Parameters: {}\nFixedParameters:\n"


def field(seed: int = 0, size: float = 1.0) -> Field:
    return Field(smooth_field(seed, size=size).displacement, FIXED)


def test_a_field_of_itk_and_back(shell: Shell) -> None:
    truth, there, back = field(), shell.root / "itk.nii.gz", shell.root / "back.npz"
    write_field(shell.root / "own.nii.gz", truth)
    words = ["--transform", shell.root / "own.nii.gz", "--to", "itk"]
    code, out, err = shell(*shell.pair("convert", *words, output=there))
    assert (code, err) == (0, [])
    assert "voxel to itk; " in out and "of the fixed voxels look into" in out
    assert nibabel.load(there).shape == (*SHAPE, 1, 3)
    code, out, _ = shell(*shell.pair("convert", "--transform", there, output=back))
    assert code == 0 and "itk to voxel" in out
    again = read_submitted(back, SHAPE, FIXED)
    # Own fields are rounded to 2^-10 voxel.
    assert np.abs(again.displacement - truth.displacement).max() < 1e-3


def test_the_world_of_the_headers_counts(shell: Shell) -> None:
    """The identity of the world leads a fixed voxel to its own millimetres in the moving grid."""
    file = shell.root / "a.tfm"
    file.write_text(SHIFT.format("0 0 0"))
    assert shell(*shell.pair("convert", "--transform", file, output=shell.output))[0] == 0
    at = np.array([3, 4, 5])
    expected = (np.linalg.inv(MOVING) @ FIXED @ [*at, 1])[:3] - at
    found = read_field(shell.output).displacement[tuple(at)]
    np.testing.assert_allclose(found, expected, atol=1e-3)


def test_half_resolution_is_what_the_kit_of_2021_makes_whole(tmp_path: Path) -> None:
    index = np.moveaxis(np.indices((24, 20, 28)), 0, -1)
    truth = Field(np.cos(index[..., ::-1] / 9 + [0, 1, 2]).astype(np.float32), np.eye(4))
    write_submitted(tmp_path / "a.npz", truth, "l2r-2021-half")
    halves = np.load(tmp_path / "a.npz")["arr_0"]
    assert halves.shape == (3, 12, 10, 14)
    whole = np.stack([ndimage.zoom(part, 2, order=2) for part in halves], axis=-1)
    assert np.abs(whole - truth.displacement).max() < 0.05
    with pytest.raises(BadInput, match="even sizes"):
        write_submitted(tmp_path / "b.npz", smooth_field(0), "l2r-2021-half")
    assert not (tmp_path / "b.npz").exists()


@pytest.mark.parametrize("layout", ["voxel", "itk"])
def test_a_backward_field_is_inverted(layout: str, tmp_path: Path) -> None:
    """Moving to fixed, on the moving grid, of another shape, flipped and oblique."""
    fixed = Grid((20, 18, 16), centred(AFFINES["oblique-flipped"], (20, 18, 16)))
    moving = Grid((22, 16, 18), centred(AFFINES["oblique"], (22, 16, 18)))
    world = Grid(fixed.shape, fixed.affine)
    start = read_transforms([str(_shift(tmp_path))], "itk", moving, world)
    waves = smooth_field(5, shape=moving.shape, size=0.8).displacement
    backward = Field(start.displacement + waves, moving.affine)
    file = tmp_path / "backward.nii.gz"
    if layout == "itk":
        write_itk(file, backward, fixed.affine)
    else:
        write_field(file, backward)
    forward = read_transforms([f"[{file},1]"], "auto", fixed, moving)
    round_trip = compose(forward, backward).displacement
    target = np.moveaxis(np.indices(fixed.shape), 0, -1) + forward.displacement
    inside = ((target > 0) & (target < np.array(moving.shape) - 1)).all(axis=-1)
    assert inside.sum() > 200
    assert np.abs(round_trip[inside]).max() < 0.02


def _shift(folder: Path) -> Path:
    file = folder / "shift.tfm"
    file.write_text(SHIFT.format("0.5 -0.5 0.25"))
    return file


def test_the_residual_of_a_fold_is_told() -> None:
    vectors = np.zeros((20, 20, 20, 3))
    vectors[..., 0] = 8 * np.sin(np.arange(20))[:, None, None]
    points = np.moveaxis(np.indices((20, 20, 20)), 0, -1) + 0.25
    with pytest.raises(BadInput, match=r"cannot be inverted; expected no folds .*; found \d+\.\d+"):
        Displacements(vectors, np.eye(4)).inverse()(points)


def _several(file: Path) -> None:
    part = SHIFT.format("1 0 0")
    file.write_text(part + part.replace("#Insight Transform File V1.0\n", ""))


def _folding(file: Path) -> None:
    data = np.zeros((*SHAPE, 1, 3), np.float32)
    data[..., 0] = 30 * np.sin(2.0 * np.arange(SHAPE[0]))[:, None, None, None]
    nibabel.save(nibabel.Nifti1Image(data, FIXED), file)


REFUSED = {
    "far": ("a.tfm", SHIFT.format("900 0 0"), [], ["outside the moving image everywhere"]),
    "fold": ("a.nii.gz", _folding, ["[{}, 1]"], ["cannot be inverted", "mm"]),
    "no composite": ("a.tfm", _several, [], ["one, or a CompositeTransform", "2 transforms"]),
    "cut": ("a.tfm", SHIFT.format("1 0 0")[:-18], [], ["damaged Translation", "FixedParameters"]),
    "order": (
        "a.tfm",
        HEAD.format("BSplineTransform_double_3_3_2") + "Parameters: 1\nFixedParameters: 1\n",
        [],
        ["BSplineTransform_double_3_3_2", "cubic"],
    ),
    "singular": (
        "a.tfm",
        HEAD.format("AffineTransform_double_3_3")
        + f"Parameters: {'0 ' * 12}\nFixedParameters: 0 0 0\n",
        [],
        ["singular AffineTransform"],
    ),
    "missing": ("a.tfm", None, [], ["no such file"]),
}


@pytest.mark.parametrize("name", REFUSED)
def test_what_cannot_be_converted_is_one_line_and_no_file(shell: Shell, name: str) -> None:
    base, content, pattern, words = REFUSED[name]
    file = shell.root / base
    if callable(content):
        content(file)
    elif content is not None:
        file.write_text(content)
    named = (pattern or ["{}"])[0].format(file)
    words = shell.pair("convert", "--transform", named), words
    shell.refuses(*words[0], naming=(base, *words[1]))
    assert not shell.output.parent.exists()


def test_the_ending_must_fit_what_is_written(shell: Shell) -> None:
    file = _shift(shell.root)
    for layout, output in (("itk", "o.npz"), ("l2r-2021-half", "o.nii.gz"), ("voxel", "o.h5")):
        words = ["convert", "--transform", file, "--to", layout]
        shell.refuses(*shell.pair(*words, output=shell.root / output), naming=(layout, output))
