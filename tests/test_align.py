"""Affine alignment by ANTs: known transforms are found again."""

import sys
from itertools import product
from pathlib import Path

import numpy as np
import pytest
from helpers import make_affine, one_line
from scipy import ndimage

from regbench.base.errors import BadInput
from regbench.data.prepare.align import align, coarse, mass_centre
from regbench.spatial.resample import resample_volume
from regbench.spatial.transforms.itk import from_parameters
from regbench.spatial.volume import Volume, voxel_to_world

SHAPE = (36, 40, 32)
FIXED = make_affine((3, 3, 3), origin=(-50, -60, -40))


def blobs() -> Volume:
    """Smooth random blobs inside a body, from 0 to 1."""
    noise = ndimage.gaussian_filter(np.random.default_rng(8).standard_normal(SHAPE), 2.5)
    window = np.zeros(SHAPE)
    window[7:-7, 7:-7, 6:-6] = 1
    body = ndimage.gaussian_filter(window, 2)
    data = body * (0.5 + 0.2 * noise / noise.std())
    return Volume(np.clip(data, 0, 1).astype(np.float32), FIXED)


def corners() -> np.ndarray:
    """World points of the body's corners."""
    ends = np.array([[7, 7, 6], [28, 32, 25]])
    index = ends[list(product((0, 1), repeat=3)), [0, 1, 2]]
    return voxel_to_world(index, FIXED)


def moved(image: Volume, alignment: np.ndarray) -> Volume:
    """The image seen in another world, on an oblique, flipped grid: moving(T x) = fixed(x)."""
    grid = make_affine((2.5, 3, 3.5), (8, -5, 10), (-1, 1, -1))
    shape = (52, 48, 40)
    middle = voxel_to_world(voxel_to_world((np.array(SHAPE) - 1) / 2, FIXED), alignment)
    grid[:3, 3] = middle - grid[:3, :3] @ ((np.array(shape) - 1) / 2)
    # What lies at y in the moving world is the fixed image at T^-1 y.
    found = resample_volume(image, shape, np.linalg.inv(alignment) @ grid)
    return Volume(found.data, grid)


@pytest.mark.parametrize(
    ("kind", "alignment"),
    [
        ("rigid", make_affine(angles=(6, -4, 8), origin=(120, -35, 60))),
        ("affine", make_affine((1.08, 0.93, 1.05), (5, 3, -7), origin=(-15, 40, 200))),
    ],
)
def test_a_known_transform_is_found_across_contrasts(kind: str, alignment: np.ndarray) -> None:
    pytest.importorskip("ants", reason="antspyx is not installed")
    fixed = blobs()
    moving = moved(fixed, alignment)
    # Another modality: dark where the other is bright, but for air.
    other = moving.with_data(np.where(moving.data > 0.05, 1.1 - moving.data, 0).astype(np.float32))
    shift = mass_centre(other) - mass_centre(fixed)
    matrix = align(fixed, other, kind, shift)
    wrong = voxel_to_world(corners(), matrix) - voxel_to_world(corners(), alignment)
    # A third of a voxel.
    assert np.linalg.norm(wrong, axis=1).max() < 1.0


def test_an_itk_affine_turns_about_its_centre() -> None:
    """A quarter turn about z in LPS and a shift, by the definition of ITK."""
    turn = np.array([[0.0, -1, 0], [1, 0, 0], [0, 0, 1]])
    centre, shift = np.array([10.0, 20, 30]), np.array([1.0, 2, 3])
    numbers = np.concatenate([turn.ravel(), shift])
    found = from_parameters("AffineTransform", numbers, centre, Path("some.mat"))
    point = np.array([4.0, 5, 6])
    flip = np.array([-1.0, -1, 1])
    lps = turn @ (flip * point - centre) + centre + shift
    assert np.allclose(found(point), flip * lps)


def test_coarse_keeps_the_place_of_things() -> None:
    affine = make_affine((0.8, 1.0, 1.2), origin=(9, 8, 7))
    data = np.zeros((60, 50, 40))
    data[20:36, 15:31, 12:24] = 400
    small = coarse(Volume(data.astype(np.float32), affine), (0.0, 200.0), 3.0)
    assert np.allclose(small.spacing, 3)
    assert small.data.max() <= 1
    centres = [
        voxel_to_world(np.array(ndimage.center_of_mass(x.data)), x.affine)
        for x in (Volume(data, affine), small)
    ]
    assert np.abs(centres[0] - centres[1]).max() < 0.5
    mass = [float(x.data.sum()) * np.prod(x.spacing) for x in (Volume(data / 400, affine), small)]
    assert mass[1] == pytest.approx(mass[0], rel=0.05)


def test_without_ants_one_line(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "ants", None)
    with pytest.raises(BadInput) as error:
        align(blobs(), blobs(), "affine", np.zeros(3))
    one_line(error.value, "ANTsPy", "pip install antspyx", "alignment: none")
    assert np.array_equal(align(blobs(), blobs(), "none", np.zeros(3)), np.eye(4))


def test_a_mirror_is_no_alignment(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    ants = pytest.importorskip("ants", reason="antspyx is not installed")
    mirror = tmp_path / "mirror.txt"
    mirror.write_text(
        "#Insight Transform File V1.0\nTransform: AffineTransform_double_3_3\n"
        "Parameters: -1 0 0 0 1 0 0 0 1 0 0 0\nFixedParameters: 0 0 0\n"
    )
    monkeypatch.setattr(ants, "registration", lambda *a, **k: {"fwdtransforms": [str(mirror)]})
    with pytest.raises(BadInput) as error:
        align(blobs(), blobs(), "rigid", np.zeros(3))
    one_line(error.value, "cannot be true", "alignment: none", "-1")
