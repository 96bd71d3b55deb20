"""Transforms of other tools, held against the tool's own warp or its published definition."""

import subprocess
import sys
from pathlib import Path

import nibabel
import numpy as np
import pytest
from numpy.typing import NDArray
from scipy import ndimage

from regbench.spatial.convert import from_sitk, to_ants, to_sitk
from regbench.spatial.field import Field
from regbench.spatial.transforms.read import grid_of, layout_of, read_transforms
from regbench.spatial.volume import Grid, Volume
from regbench.spatial.warp import positions, warp_image

FIXED_SHAPE, MOVING_SHAPE = (34, 28, 24), (30, 32, 26)


def affine(spacing: tuple[float, float, float], angle: float, flip: float = 1.0) -> NDArray:
    """An oblique grid whose centre is near the world's."""
    c, s = np.cos(angle), np.sin(angle)
    turn = np.array([[c, -s, 0], [s, c, 0], [0, 0, 1.0]]) @ np.diag([flip, 1.0, 1.0])
    matrix = np.eye(4)
    matrix[:3, :3] = turn * np.array(spacing)
    matrix[:3, 3] = -matrix[:3, :3] @ np.array([16.0, 14.0, 12.0]) + [3.0, -5.0, 7.0]
    return matrix


FIXED = affine((1.5, 2.0, 2.5), 0.2)
MOVING = affine((1.8, 1.6, 2.2), -0.15, flip=-1.0)


def image(shape: tuple[int, int, int], matrix: NDArray, seed: int = 0) -> Volume:
    """Smooth noise: a wrong axis, sign or order shows."""
    noise = np.random.default_rng(seed).normal(size=shape)
    data = ndimage.gaussian_filter(noise, 2.0)
    return Volume(((data - data.min()) / np.ptp(data) * 100).astype(np.float32), matrix)


@pytest.fixture(scope="module")
def pair() -> tuple[Volume, Volume]:
    return image(FIXED_SHAPE, FIXED, 1), image(MOVING_SHAPE, MOVING, 2)


def grids(pair: tuple[Volume, Volume]) -> tuple[Grid, Grid]:
    return Grid(pair[0].shape, pair[0].affine), Grid(pair[1].shape, pair[1].affine)


def agree(field: Field, moving: Volume, theirs: NDArray) -> None:
    """The tool's warped image is ours: 1e-3 of the range for 99.9 % of what lies well inside."""
    target = positions(field)
    inside = ((target >= 1) & (target <= np.array(moving.shape) - 2)).all(axis=-1)
    assert inside.mean() > 0.1
    apart = np.abs(warp_image(moving, field).data - theirs)[inside] / np.ptp(moving.data)
    assert np.quantile(apart, 0.999) <= 1e-3
    # And it is not the moving image as it was.
    still = Field.zero(field.shape, field.affine)
    if moving.shape == field.shape:
        assert np.abs(warp_image(moving, still).data - theirs).mean() > 1e-2 * np.ptp(moving.data)


def of_simpleitk(name: str):  # type: ignore[no-untyped-def]
    """A transform of SimpleITK by name."""
    sitk = pytest.importorskip("SimpleITK")
    if name == "euler":
        return sitk.Euler3DTransform((2.0, -1.0, 4.0), 0.1, -0.15, 0.2, (1.0, 2.0, -3.0))
    if name == "versor":
        return sitk.VersorRigid3DTransform((0.0, 0.6, 0.8), 0.2, (1.0, 2.0, -3.0), (5.0, 1.0, 2.0))
    if name == "similarity":
        return sitk.Similarity3DTransform(1.1, (0.0, 0.6, 0.8), 0.2, (1.0, 2.0, -3.0), (5.0, 1, 2))
    if name == "translation":
        return sitk.TranslationTransform(3, (2.0, -3.0, 1.5))
    if name == "affine":
        matrix = (1.05, 0.1, 0.0, -0.05, 0.95, 0.1, 0.02, 0.0, 1.1)
        return sitk.AffineTransform(matrix, (2.0, 1.0, -2.0), (4.0, -2.0, 3.0))
    if name == "spline":
        spline = sitk.BSplineTransformInitializer(to_sitk(image(FIXED_SHAPE, FIXED)), (5, 4, 4), 3)
        count = len(spline.GetParameters())
        spline.SetParameters(np.random.default_rng(3).normal(0, 3, count).tolist())
        return spline
    if name == "field":
        vectors = np.random.default_rng(4).normal(0, 60, (12, 14, 17, 3))
        smooth = ndimage.gaussian_filter(vectors, (2, 2, 2, 0))
        field = sitk.GetImageFromArray(smooth, isVector=True)
        field.SetSpacing((3.5, 4.5, 5.5))
        field.SetOrigin((-30.0, -28.0, -30.0))
        field.SetDirection((0.98, -0.199, 0, 0.199, 0.98, 0, 0, 0, 1))
        return sitk.DisplacementFieldTransform(field)
    composite = sitk.CompositeTransform(3)
    for part in ("euler", "affine") if name == "two" else ("euler", "affine", "field", "spline"):
        composite.AddTransform(of_simpleitk(part))
    return composite


@pytest.mark.parametrize(
    ("name", "ending"),
    [
        *((name, ".tfm") for name in ("euler", "versor", "similarity", "translation")),
        *((name, ".txt") for name in ("affine", "spline")),
        *((name, ".h5") for name in ("euler", "affine", "spline", "field", "composite")),
        *(("affine", ".mat"), ("composite", ".tfm")),
    ],
)
def test_itk_against_simpleitk(
    name: str, ending: str, pair: tuple[Volume, Volume], tmp_path: Path
) -> None:
    sitk = pytest.importorskip("SimpleITK")
    transform = of_simpleitk(name)
    file = tmp_path / f"transform{ending}"
    sitk.WriteTransform(transform, str(file))
    theirs = sitk.Resample(to_sitk(pair[1]), to_sitk(pair[0]), transform, sitk.sitkLinear)
    assert layout_of(file, "auto") == "itk"
    field = read_transforms([str(file)], "auto", *grids(pair))
    agree(field, pair[1], from_sitk(theirs))


@pytest.mark.parametrize("ending", [".nii.gz", ".nrrd"])
def test_a_displacement_image(ending: str, pair: tuple[Volume, Volume], tmp_path: Path) -> None:
    sitk = pytest.importorskip("SimpleITK")
    transform = of_simpleitk("field")
    file = tmp_path / f"field{ending}"
    sitk.WriteImage(sitk.DisplacementFieldTransform(transform).GetDisplacementField(), str(file))
    theirs = sitk.Resample(to_sitk(pair[1]), to_sitk(pair[0]), transform, sitk.sitkLinear)
    agree(read_transforms([str(file)], "auto", *grids(pair)), pair[1], from_sitk(theirs))


@pytest.mark.parametrize("name", ["affine", "spline", "two"])
def test_an_inverse(name: str, pair: tuple[Volume, Volume], tmp_path: Path) -> None:
    sitk = pytest.importorskip("SimpleITK")
    transform = of_simpleitk(name)
    file = tmp_path / "transform.tfm"
    sitk.WriteTransform(transform, str(file))
    grid = Grid(FIXED_SHAPE, FIXED)
    there = read_transforms([str(file)], "auto", grid, grid)
    both = read_transforms([f"[{file},1]", str(file)], "auto", grid, grid)
    inside = (slice(6, -6),) * 3
    assert np.abs(there.displacement[inside]).max() > 0.5
    assert np.abs(both.displacement[inside]).max() < 0.01


def test_the_lists_of_ants(pair: tuple[Volume, Volume], tmp_path: Path) -> None:
    ants = pytest.importorskip("ants")
    fixed, moving = image(FIXED_SHAPE, FIXED, 1), image(FIXED_SHAPE, FIXED, 1)
    moved = ndimage.affine_transform(
        moving.data, np.eye(3) + 0.05, offset=(-1.5, 0.5, 1.0), order=1
    )
    moving = Volume(moved, FIXED)
    done = ants.registration(
        *(to_ants(fixed), to_ants(moving)),
        *("SyN", None),
        outprefix=f"{tmp_path}/",
        reg_iterations=(20, 10, 5),
        random_seed=1,
    )
    both = Grid(FIXED_SHAPE, FIXED), Grid(FIXED_SHAPE, FIXED)
    for names, images, inverted in (
        (done["fwdtransforms"], (fixed, moving), [False, False]),
        (done["invtransforms"], (moving, fixed), [True, False]),
    ):
        theirs = ants.apply_transforms(
            *map(to_ants, images), transformlist=names, whichtoinvert=inverted
        )
        named = [f"[{n},1]" if turn else n for n, turn in zip(names, inverted, strict=True)]
        assert len(named) == 2
        agree(read_transforms(named, "auto", *both), images[1], theirs.numpy())


def test_a_chain_of_elastix(pair: tuple[Volume, Volume], tmp_path: Path) -> None:
    itk = pytest.importorskip("itk")
    from regbench.spatial.convert import from_itk_image, to_itk_image

    fixed = pair[0]
    moved = ndimage.affine_transform(
        fixed.data, np.eye(3) + 0.04, offset=(-1.5, 0.5, 1.0), order=1, mode="nearest"
    )
    moving = Volume(moved, FIXED)
    parameters = itk.ParameterObject.New()
    for kind in ("rigid", "affine", "bspline"):
        stage = parameters.GetDefaultParameterMap(kind, 2)
        stage["MaximumNumberOfIterations"] = ["30"]
        stage["FinalGridSpacingInPhysicalUnits"] = ["14"]
        stage["ResampleInterpolator"] = ["FinalLinearInterpolator"]
        stage["ResultImagePixelType"] = ["float"]
        parameters.AddParameterMap(stage)
    result, found = itk.elastix_registration_method(
        to_itk_image(fixed), to_itk_image(moving), parameter_object=parameters
    )
    names = [str(tmp_path / f"TransformParameters.{k}.txt") for k in range(3)]
    for k, name in enumerate(names):
        if k:
            found.SetParameter(k, "InitialTransformParameterFileName", names[k - 1])
        one = itk.ParameterObject.New()
        one.AddParameterMap(found.GetParameterMap(k))
        one.WriteParameterFile(name)
    both = Grid(FIXED_SHAPE, FIXED), Grid(FIXED_SHAPE, FIXED)
    assert layout_of(Path(names[2]), "auto") == "elastix"
    agree(read_transforms([names[2]], "auto", *both), moving, from_itk_image(result))


def greedy(arguments: str) -> None:
    """Greedy in a process of its own: beside ITK's package it finds no image reader."""
    code = f"import picsl_greedy; picsl_greedy.Greedy3D().execute({arguments!r})"
    subprocess.run([sys.executable, "-c", code], check=True, capture_output=True)


def test_greedy(pair: tuple[Volume, Volume], tmp_path: Path) -> None:
    pytest.importorskip("picsl_greedy")
    fixed = pair[0]
    moved = ndimage.affine_transform(fixed.data, np.eye(3) + 0.04, offset=(-1.5, 0.5, 1.0), order=1)
    moving = Volume(moved, FIXED)
    for name, volume in (("fixed", fixed), ("moving", moving)):
        nibabel.save(nibabel.Nifti1Image(volume.data, FIXED), tmp_path / f"{name}.nii.gz")
    pairs = f"-d 3 -threads 1 -i {tmp_path}/fixed.nii.gz {tmp_path}/moving.nii.gz"
    greedy(f"{pairs} -a -m SSD -n 20x10 -ia-identity -o {tmp_path}/affine.mat")
    greedy(f"{pairs} -m SSD -n 20x10 -it {tmp_path}/affine.mat -o {tmp_path}/warp.nii.gz")
    greedy(
        f"-d 3 -threads 1 -rf {tmp_path}/fixed.nii.gz -ri LINEAR"
        f" -rm {tmp_path}/moving.nii.gz {tmp_path}/warped.nii.gz"
        f" -r {tmp_path}/warp.nii.gz {tmp_path}/affine.mat"
    )
    theirs = np.asarray(nibabel.load(tmp_path / "warped.nii.gz").dataobj)
    both = Grid(FIXED_SHAPE, FIXED), Grid(FIXED_SHAPE, FIXED)
    names = [f"{tmp_path}/warp.nii.gz", f"{tmp_path}/affine.mat"]
    agree(read_transforms(names, "greedy", *both), moving, theirs)


def test_the_original_deeds(real_data: Path) -> None:
    known = real_data / "deeds_original"
    images = real_data / "LiverMR4D" / "imagesTr"
    fixed, moving = (images / f"LiverMR4D_0001_000{k}.nii.gz" for k in range(2))
    file = known / "LiverMR4D_0001_displacements.dat"
    field = read_transforms([str(file)], "auto", grid_of(fixed), grid_of(moving))
    theirs = np.asarray(nibabel.load(known / "LiverMR4D_0001_deformed.nii.gz").dataobj, float)
    volume = nibabel.load(moving)
    agree(field, Volume(np.asarray(volume.dataobj, np.float32), volume.affine), theirs)


def save(file: Path, data: NDArray, matrix: NDArray, **header: float | str) -> str:
    """A NIfTI file with some fields of its header set."""
    written = nibabel.Nifti1Image(data.astype(np.float32), matrix)
    for key, value in header.items():
        written.header[key] = value
    nibabel.save(written, file)
    return str(file)


def shift_of(grid: Grid, millimetres: tuple[float, float, float]) -> NDArray:
    """Voxel displacement of a shift in the world."""
    return np.linalg.inv(grid.affine[:3, :3]) @ millimetres


@pytest.mark.parametrize("flip", [1.0, -1.0])
@pytest.mark.parametrize("absolute", [False, True])
def test_fsl_counts_in_scaled_voxels_with_x_reversed_where_the_determinant_is_positive(
    flip: float, absolute: bool, tmp_path: Path
) -> None:
    grid = Grid(FIXED_SHAPE, affine((1.5, 2.0, 2.5), 0.2, flip))
    # A shift by (2, -1, 3) voxels: FSL's first axis runs backwards for a positive determinant.
    sign = -1.0 if flip > 0 else 1.0
    warp = np.broadcast_to(np.array([sign * 2 * 1.5, -1 * 2.0, 3 * 2.5]), (*FIXED_SHAPE, 3))
    if absolute:
        index = np.moveaxis(np.indices(FIXED_SHAPE), 0, -1).astype(float)
        if flip > 0:
            index[..., 0] = FIXED_SHAPE[0] - 1 - index[..., 0]
        warp = warp + index * (1.5, 2.0, 2.5)
    name = save(tmp_path / "warp.nii.gz", warp, grid.affine, intent_code=2006)
    field = read_transforms([name], "fsl", grid, grid)
    np.testing.assert_allclose(
        field.displacement, np.broadcast_to((2, -1, 3), (*FIXED_SHAPE, 3)), atol=1e-4
    )


def test_flirts_matrix_leads_from_moving_to_fixed(tmp_path: Path) -> None:
    grid, wide = Grid(FIXED_SHAPE, FIXED), Grid(MOVING_SHAPE, MOVING)
    file = tmp_path / "flirt.mat"
    matrix = np.eye(4)
    matrix[:3, 3] = (3.0, 4.0, 5.0)
    np.savetxt(file, matrix)
    field = read_transforms([str(file)], "fsl", grid, wide)
    # FIXED has a positive determinant, MOVING a negative one: x of fixed runs backwards in FSL.
    index = np.array([10.0, 12.0, 9.0])
    millimetres = np.array([(33 - 10) * 1.5, 12 * 2.0, 9 * 2.5]) - (3, 4, 5)
    expected = millimetres / (1.8, 1.6, 2.2) - index
    np.testing.assert_allclose(field.displacement[10, 12, 9], expected, atol=1e-4)


@pytest.mark.parametrize("kind", [0, 1])
def test_niftyreg_writes_positions_or_displacements_of_the_world(kind: int, tmp_path: Path) -> None:
    grid = Grid(FIXED_SHAPE, FIXED)
    index = np.moveaxis(np.indices(FIXED_SHAPE), 0, -1).astype(float)
    vectors = np.broadcast_to(np.array([3.0, -2.0, 4.0]), (*FIXED_SHAPE, 3))
    if kind == 0:
        vectors = vectors + index @ FIXED[:3, :3].T + FIXED[:3, 3]
    name = save(
        tmp_path / "cpp.nii.gz",
        vectors[:, :, :, None],
        FIXED,
        intent_code=1007,
        intent_name="NREG_TRANS",
        intent_p1=kind,
    )
    field = read_transforms([name], "auto", grid, grid)
    np.testing.assert_allclose(field.displacement[4, 5, 6], shift_of(grid, (3, -2, 4)), atol=1e-4)


@pytest.mark.verify
def test_syn_of_real_images(real_data: Path, tmp_path: Path) -> None:
    """Both lists of SyN on a part of a breathing pair, at half its resolution in the plane."""
    ants = pytest.importorskip("ants")
    volumes = []
    for number in range(2):
        file = real_data / "LiverMR4D" / "imagesTr" / f"LiverMR4D_0001_000{number}.nii.gz"
        image = nibabel.load(file).slicer[30:126:2, 30:126:2]
        volumes.append(Volume(np.asarray(image.dataobj, np.float32), image.affine))
    done = ants.registration(
        *map(to_ants, volumes),
        *("SyN", None),
        outprefix=f"{tmp_path}/",
        reg_iterations=(20, 10, 0),
        random_seed=1,
    )
    for names, turned, (fixed, moving) in (
        (done["fwdtransforms"], [False, False], volumes),
        (done["invtransforms"], [True, False], volumes[::-1]),
    ):
        theirs = ants.apply_transforms(
            to_ants(fixed), to_ants(moving), transformlist=names, whichtoinvert=turned
        )
        named = [f"[{n},1]" if turn else n for n, turn in zip(names, turned, strict=True)]
        both = Grid(fixed.shape, fixed.affine), Grid(moving.shape, moving.affine)
        agree(read_transforms(named, "auto", *both), moving, theirs.numpy())
