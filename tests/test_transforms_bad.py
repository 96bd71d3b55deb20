"""Transforms of other tools that cannot be used: one line each, with the file."""

from collections.abc import Callable
from pathlib import Path

import nibabel
import numpy as np
import pytest

from regbench.base.errors import BadInput
from regbench.spatial.field import Field
from regbench.spatial.transforms.itk import write_itk
from regbench.spatial.transforms.read import read_transforms
from regbench.spatial.volume import Grid

SHAPE = (20, 18, 16)
GRID = Grid(SHAPE, np.diag([2.0, 2.0, 2.0, 1.0]))
ITK_HEAD = "#Insight Transform File V1.0\n#Transform 0\n"


def text(content: str) -> Callable[[Path], None]:
    return lambda file: file.write_text(content)


def nifti(
    shape: tuple[int, ...], value: float = 0.0, **header: float | str
) -> Callable[[Path], None]:
    def write(file: Path) -> None:
        image = nibabel.Nifti1Image(np.full(shape, value, np.float32), GRID.affine)
        for key, item in header.items():
            image.header[key] = item
        nibabel.save(image, file)

    return write


def affine(kind: str, parameters: str, fixed: str = "0 0 0") -> Callable[[Path], None]:
    return text(
        f"{ITK_HEAD}Transform: {kind}\nParameters: {parameters}\nFixedParameters: {fixed}\n"
    )


EYE = "1 0 0 0 1 0 0 0 1 0 0 0"
ELASTIX = '(Transform "{}")\n(NumberOfParameters 3)\n(TransformParameters {})\n'
CASES = {
    "missing": ("none.tfm", "auto", None, "no such file"),
    "type": (
        *("a.tfm", "auto", affine("ThinPlateSplineKernelTransform_double_3_3", "1")),
        "transform of the type ThinPlateSplineKernelTransform",
    ),
    "short": (
        "a.tfm",
        "auto",
        affine("AffineTransform_double_3_3", "1 0 0"),
        "damaged AffineTransf",
    ),
    "nan": (
        *("a.tfm", "auto", affine("AffineTransform_double_3_3", EYE.replace("1", "nan", 1))),
        "not finite",
    ),
    "words": ("a.tfm", "auto", affine("AffineTransform_double_3_3", "one"), "text where numbers"),
    "empty": ("a.tfm", "auto", text(ITK_HEAD), "holds no transform"),
    "binary": ("a.tfm", "itk", lambda f: f.write_bytes(b"\xff\xfe\x00\x01"), "not a text file"),
    "hdf5": (
        "a.h5",
        "auto",
        lambda f: f.write_bytes(b"\x89HDF\r\n\x1a\n cut"),
        "not a transform of ITK",
    ),
    "matlab": ("a.mat", "itk", lambda f: f.write_bytes(b"\0\0\0\0cut"), "not a transform of ITK"),
    "4d": ("a.nii.gz", "itk", nifti((*SHAPE, 3)), "not a field of ITK"),
    "infinite": ("a.nii.gz", "auto", nifti((*SHAPE, 1, 3), np.inf), "not finite"),
    "unclear field": (
        "a.nii.gz",
        "auto",
        nifti((*SHAPE, 3)),
        "expected a layout: voxel or fsl",
    ),
    "unclear matrix": (
        "a.txt",
        "auto",
        text("1 0 0 0\n"),
        "expected a layout: fsl, niftyreg or greedy",
    ),
    "not a matrix": ("a.mat", "fsl", text("1 0 0 0\n0 1 0 0\n"), "not a 4x4 matrix"),
    "singular": ("a.mat", "fsl", text("0 0 0 0\n" * 3 + "0 0 0 1\n"), "can be inverted"),
    "coefficients": (
        "a.nii.gz",
        "fsl",
        nifti((*SHAPE, 3), 0, intent_code=2007),
        "spline coefficients",
    ),
    "control grid": (
        *("a.nii.gz", "auto"),
        nifti((*SHAPE, 1, 3), 0, intent_name="NREG_TRANS", intent_p1=3),
        "control grid or velocity field",
    ),
    "dat": ("a.dat", "auto", lambda f: f.write_bytes(b"\0" * 40), "not a displacement file"),
    "dat nan": (
        *("a.dat", "auto"),
        lambda f: f.write_bytes(np.full(3 * 5 * 4 * 4, np.nan, "<f4").tobytes()),
        "not finite",
    ),
    "2-D": (
        *("a.txt", "elastix"),
        text(ELASTIX.format("EulerTransform", "0 0 0") + "(CenterOfRotationPoint 0 0)\n"),
        "damaged Euler",
    ),
    "elastix type": (
        *("a.txt", "elastix", text(ELASTIX.format("SplineKernelTransform", "0"))),
        "transform of the type SplineKernelTransform",
    ),
    "no elastix": ("a.txt", "elastix", text("(Metric 1)\n"), "has no Transform"),
    "order": (
        *("a.txt", "elastix"),
        text(ELASTIX.format("BSplineTransform", "0") + "(BSplineTransformSplineOrder 1)\n"),
        "unsupported BSplineTransformSplineOrder",
    ),
    "endless": (
        *("a.txt", "elastix"),
        text(
            ELASTIX.format("TranslationTransform", "0 0 0")
            + '(InitialTransformParameterFileName "/elsewhere/a.txt")\n'
        ),
        "starts from itself",
    ),
    "another grid": (
        "a.npz",
        "auto",
        lambda f: np.savez(f, np.zeros((3, 3, 3, 3), "f4")),
        "does not fit",
    ),
    "layout": ("a.tfm", "spm", affine("AffineTransform_double_3_3", EYE), "unknown layout"),
}


@pytest.mark.parametrize("name", CASES)
def test_a_bad_file_is_one_line_that_names_it(name: str, tmp_path: Path) -> None:
    base, layout, write, words = CASES[name]
    file = tmp_path / base
    if write is not None:
        write(file)
    with pytest.raises(BadInput) as caught:
        read_transforms([str(file)], layout, GRID, GRID)
    message = str(caught.value)
    assert words in message, message
    assert "\n" not in message
    assert base in message or name == "layout"


def test_lists_that_cannot_be(tmp_path: Path) -> None:
    np.savez(tmp_path / "a.npz", np.zeros((*SHAPE, 3), "f4"))
    affine("AffineTransform_double_3_3", EYE)(tmp_path / "a.tfm")
    text(ELASTIX.format("TranslationTransform", "0 0 0"))(tmp_path / "b.txt")
    names = [str(tmp_path / base) for base in ("a.npz", "a.tfm", "b.txt")]
    for chosen, words in (
        ([], "no transform"),
        (names[:2], "stands alone"),
        ([names[1], names[0]], "stands alone"),
    ):
        with pytest.raises(BadInput, match=words):
            read_transforms(chosen, "auto", GRID, GRID)


def test_what_is_written_for_itk_is_read_again(tmp_path: Path) -> None:
    matrix = np.array([[0, -2.0, 0, 5], [1.5, 0, 0, -7], [0, 0, 2.5, 3], [0, 0, 0, 1]])
    u = np.random.default_rng(0).normal(size=(*SHAPE, 3)).astype(np.float32)
    write_itk(tmp_path / "warp.nii.gz", Field(u, GRID.affine), matrix)
    moving = Grid((30, 30, 30), matrix)
    again = read_transforms([str(tmp_path / "warp.nii.gz")], "auto", GRID, moving)
    np.testing.assert_allclose(again.displacement, u, atol=1e-4)
