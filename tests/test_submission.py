"""Fields as Learn2Reg stores them: names, npz archives, the layout at half resolution."""

from pathlib import Path

import numpy as np
import pytest
from helpers import SHAPE, make_affine, one_line, shift_field, smooth_field

from regbench.base.errors import BadInput
from regbench.data.field_names import field_stems, find_field, numbers
from regbench.spatial.field import read_field, write_field
from regbench.spatial.submission import read_submitted

AFFINE = make_affine((1, 2, 3), (10, 20, 30))
EVEN = (8, 10, 12)


@pytest.mark.parametrize(
    ("stem", "found"),
    [
        ("LungCT_0001_0000", ("0001", "0000")),
        ("AbdomenMRCT_0012_0001", ("0012", "0001")),
        ("a_b_7_1", ("7", "1")),
        ("0001_0000", ("0001", "0000")),
        ("case_001_exp", None),
        ("patient", None),
        ("Toy_0001", None),
    ],
)
def test_numbers_at_the_end_of_a_stem(stem: str, found: tuple[str, str] | None) -> None:
    assert numbers(stem) == found


@pytest.mark.parametrize(
    ("fixed", "moving", "short"),
    [
        ("L_0001_0000", "L_0001_0001", ["disp_0001_0000_0001_0001", "disp_0001_0001"]),
        ("L_0001_0000", "L_0002_0000", ["disp_0001_0000_0002_0000", "disp_0001_0002"]),
        # Turned around, the case numbers alone would be the name of the other direction.
        ("L_0001_0001", "L_0001_0000", ["disp_0001_0001_0001_0000"]),
        ("L_0001_0000", "L_0001_0002", ["disp_0001_0000_0001_0002"]),
        ("one", "two", []),
    ],
)
def test_names_of_a_field(fixed: str, moving: str, short: list[str]) -> None:
    names = [f"disp_{fixed}_{moving}", *short]
    assert field_stems(fixed, moving) == names


@pytest.mark.parametrize("ending", [".nii.gz", ".npz"])
@pytest.mark.parametrize("stem", field_stems("L_0001_0000", "L_0001_0001"))
def test_a_field_is_found_under_each_of_its_names(tmp_path: Path, stem: str, ending: str) -> None:
    (tmp_path / f"{stem}{ending}").write_bytes(b"")
    (tmp_path / "disp_0001_0001_0001_0000.nii.gz").write_bytes(b"")
    assert find_field(tmp_path, "L_0001_0000", "L_0001_0001") == tmp_path / f"{stem}{ending}"


@pytest.mark.parametrize("kind", ["float16", "float32", "float64", ">f4"])
@pytest.mark.parametrize("order", ["C", "F"])
@pytest.mark.parametrize("save", [np.savez, np.savez_compressed])
def test_an_archive_gives_the_same_field_as_a_nifti(
    tmp_path: Path, kind: str, order: str, save: object
) -> None:
    """Multiples of 1/64 voxel below 16 fit into float16."""
    data = np.round(smooth_field(3).displacement * 64) / 64
    stored = np.asarray(data.astype(kind), order=order)  # type: ignore[call-overload]
    save(tmp_path / "a.npz", stored)  # type: ignore[operator]
    field = read_submitted(tmp_path / "a.npz", SHAPE, AFFINE)
    assert field.displacement.dtype == np.float32
    assert np.array_equal(field.displacement, data)
    assert np.array_equal(field.affine, AFFINE)


def test_a_nifti_keeps_its_own_affine(tmp_path: Path) -> None:
    write_field(tmp_path / "a.nii.gz", shift_field((1, 2, 3)))
    field = read_submitted(tmp_path / "a.nii.gz", SHAPE, AFFINE)
    assert np.array_equal(field.affine, read_field(tmp_path / "a.nii.gz").affine)


def test_half_resolution_keeps_the_length_of_displacements(tmp_path: Path) -> None:
    """They are in voxels of the full grid already: nothing is doubled."""
    half = np.empty((3, 4, 5, 6), np.float16)
    half[:] = np.array([2, -1, 3])[:, None, None, None]
    np.savez(tmp_path / "a.npz", half)
    field = read_submitted(tmp_path / "a.npz", EVEN, AFFINE, "l2r-2021-half")
    assert field.shape == EVEN
    assert np.allclose(field.displacement, [2, -1, 3], atol=1e-5)


def test_half_resolution_lays_first_on_first_and_last_on_last(tmp_path: Path) -> None:
    x, y, z = np.meshgrid(*(np.arange(n) for n in (4, 5, 6)), indexing="ij")
    half = np.stack([x + 10, y * y, -z]).astype(np.float16)
    np.savez(tmp_path / "a.npz", half)
    found = read_submitted(tmp_path / "a.npz", EVEN, AFFINE, "l2r-2021-half").displacement
    assert np.allclose(found[0, 0, 0], [10, 0, 0], atol=1e-3)
    assert np.allclose(found[-1, -1, -1], [13, 16, -5], atol=1e-3)
    assert np.allclose(found[:, 0, 0, 0] - found[:, -1, -1, 0], 0, atol=1e-3)


def test_half_resolution_is_read_only_when_asked_for(tmp_path: Path) -> None:
    np.savez(tmp_path / "a.npz", np.zeros((3, 4, 5, 6), np.float16))
    with pytest.raises(BadInput) as error:
        read_submitted(tmp_path / "a.npz", EVEN, AFFINE)
    one_line(error.value, "components first", (*EVEN, 3), (3, 4, 5, 6))


def test_an_unknown_layout_is_an_error(tmp_path: Path) -> None:
    with pytest.raises(BadInput) as error:
        read_submitted(tmp_path / "a.npz", EVEN, AFFINE, "itk")
    one_line(error.value, "layout", "l2r-2021-half", "itk")
