"""Importing a Learn2Reg folder: links, two grids, and files that are broken."""

import gzip
import json
from collections.abc import Callable
from pathlib import Path

import nibabel
import numpy as np
import pytest
from helpers import (
    REPOSITORY,
    SHAPE,
    make_affine,
    one_line,
    random_image,
    shift_field,
    toy_dataset,
    write_dataset,
    write_side,
)

from regbench.base.errors import BadInput
from regbench.base.files import sha256
from regbench.data.landmarks import read_landmarks
from regbench.data.layout import Layout, read_layout, true_field_path
from regbench.plugins.catalog import discover
from regbench.plugins.loading import load_entry
from regbench.spatial.field import write_field
from regbench.spatial.nifti import read_volume, write_volume
from regbench.spatial.volume import Volume, voxel_grid, voxel_to_world, world_to_voxel

ONE, TWO = "Toy_0001_0000", "Toy_0001_0001"
PAIR = {"fixed": f"imagesTr/{ONE}.nii.gz", "moving": f"./imagesTr/{TWO}.nii.gz"}


def _import(file: Path, target: Path) -> Layout:
    plugin = discover(REPOSITORY).datasets["learn2reg"]
    load_entry(plugin.folder, str(plugin.importer))({"path": str(file)}, target / "X_dataset.json")
    return read_layout(target / "X_dataset.json")


def test_importing_links_what_needs_no_change(tmp_path: Path) -> None:
    file = toy_dataset(tmp_path / "own", numbers=(1, 2))
    write_field(true_field_path(file.parent, ONE, TWO), shift_field([1, 2, -1]))
    layout = _import(file, tmp_path / "ready")
    old, new = (x.cases["validation"] for x in (read_layout(file), layout))
    assert [case.id for case in new] == [case.id for case in old]
    assert layout.labels == {1: "organ"}
    assert not layout.extra["problems"]
    for before, after in zip(old, new, strict=True):
        assert [sha256(p) for p in before.files] == [sha256(p) for p in after.files]
    assert new[0].fixed.image.is_symlink()
    assert new[0].true_field is not None
    assert new[1].true_field is None


def test_pairs_on_two_grids_meet_on_the_fixed_one(tmp_path: Path) -> None:
    """Images that are linear in world coordinates, and landmarks at known world points."""
    gradient = np.array([1.0, -2.0, 0.5])
    one = make_affine((2, 1.5, 1), (10, 20, 30), origin=(5, 6, 7))
    two = make_affine((1.5, 1, 1.2), (0, -15, 40), (-1, 1, 1))
    # Both grids have their centres at one place.
    two[:3, 3] = voxel_to_world(np.array([4.0, 5.5, 7.0]), one) - two[:3, :3] @ [6.5, 9.5, 8.5]
    grids = {ONE: (SHAPE, one), TWO: ((14, 20, 18), two)}
    marks = np.array([[3.0, 4.0, 5.0], [6.0, 7.0, 8.0]])
    entries, worlds = [], {}
    for stem, (shape, affine) in grids.items():
        values = voxel_to_world(voxel_grid(shape), affine) @ gradient
        labels = np.ones(shape, np.uint8)
        worlds[stem] = voxel_to_world(marks, affine)
        entries.append(
            write_side(tmp_path, stem, Volume(values.astype(np.float32), affine), labels, marks)
        )
    layout = _import(write_dataset(tmp_path, entries, [(ONE, TWO)]), tmp_path / "ready")
    assert not layout.extra["problems"]
    (case,) = layout.cases["validation"]
    fixed, moving = read_volume(case.fixed.image), read_volume(case.moving.image)
    assert moving.shape == SHAPE
    assert np.allclose(moving.affine, fixed.affine, atol=1e-5)
    assert case.moving.labels is not None
    covered = read_volume(case.moving.labels, labels=True).data == 1
    assert 0.1 < covered.mean() < 1
    source = world_to_voxel(voxel_to_world(voxel_grid(SHAPE), one), two)
    inner = ((source >= 0) & (source <= np.array([13, 19, 17]))).all(axis=-1)
    assert covered[inner].all()
    assert np.allclose(moving.data[inner], fixed.data[inner], atol=1e-2)
    assert case.fixed.landmarks is not None
    assert case.moving.landmarks is not None
    assert np.allclose(read_landmarks(case.fixed.landmarks), marks)
    found = voxel_to_world(read_landmarks(case.moving.landmarks), moving.affine)
    assert np.allclose(found, worlds[TWO], atol=1e-3)


def _truncate(path: Path) -> None:
    path.write_bytes(path.read_bytes()[:-200])


def _with_nan(path: Path) -> None:
    data = read_volume(path).data.copy()
    data[1, 2, 3] = np.nan
    write_volume(path, Volume(data, np.eye(4)))


def _unknown_type(path: Path) -> None:
    raw = bytearray(gzip.decompress(path.read_bytes()))
    raw[70:72] = np.int16(4096).tobytes()
    path.write_bytes(gzip.compress(bytes(raw)))


BROKEN: dict[str, tuple[str, str, Callable[[Path], object], str]] = {
    "truncated": ("imagesTr", ".nii.gz", _truncate, "damaged"),
    "nan": ("imagesTr", ".nii.gz", _with_nan, "not finite"),
    "constant": (
        "imagesTr",
        ".nii.gz",
        lambda p: write_volume(p, Volume(np.full(SHAPE, 3.0), np.eye(4))),
        "constant",
    ),
    "no image": ("imagesTr", ".nii.gz", Path.unlink, "no such file"),
    "unknown type": ("imagesTr", ".nii.gz", _unknown_type, ""),
    "colours": (
        "imagesTr",
        ".nii.gz",
        lambda p: nibabel.save(nibabel.Nifti1Image(np.ones((*SHAPE, 3), "u1"), np.eye(4)), p),
        "three axes",
    ),
    "other labels": (
        "labelsTr",
        ".nii.gz",
        lambda p: write_volume(p, Volume(np.ones((2, 3, 4), int), np.eye(4))),
        "(2, 3, 4)",
    ),
    "fractions": (
        "labelsTr",
        ".nii.gz",
        lambda p: write_volume(p, random_image()),
        "whole numbers",
    ),
    "no landmarks": ("landmarksTr", ".csv", Path.unlink, "cannot be read"),
    "empty landmarks": ("landmarksTr", ".csv", lambda p: p.write_text(""), "landmarks"),
    "words": ("landmarksTr", ".csv", lambda p: p.write_text("a,b,c\n"), "numbers"),
    "two columns": ("landmarksTr", ".csv", lambda p: p.write_text("1,2\n"), "(n, 3)"),
    "fewer": ("landmarksTr", ".csv", lambda p: p.write_text("1,2,3\n"), "number"),
}


@pytest.mark.parametrize("name", BROKEN)
@pytest.mark.parametrize("stem", [ONE, TWO])
def test_a_broken_file_is_a_problem_of_its_case(tmp_path: Path, name: str, stem: str) -> None:
    file = toy_dataset(tmp_path / "own", numbers=(1, 2))
    folder, ending, damage, word = BROKEN[name]
    damage(tmp_path / "own" / folder / f"{stem}{ending}")
    layout = _import(file, tmp_path / "ready")
    first, second = layout.cases["validation"]
    assert first.problem is not None
    assert word in first.problem
    assert "\n" not in first.problem
    assert second.problem is None
    assert layout.directed("validation", (1, 0))[0].problem == first.problem


def test_landmarks_in_millimetres_are_noticed(tmp_path: Path) -> None:
    file = toy_dataset(tmp_path / "own")
    (tmp_path / "own" / "landmarksTr" / f"{ONE}.csv").write_text("4,5,-7\n120,80,3\n")
    problem = _import(file, tmp_path / "ready").cases["validation"][0].problem
    assert problem is not None
    assert "millimetres" in problem


def test_equal_file_names_in_two_folders_stay_two_images(tmp_path: Path) -> None:
    """`ct/001.nii.gz` and `mr/001.nii.gz`: linked into one folder, one would replace the other."""
    images = {f"{kind}/001.nii.gz": random_image(n) for n, kind in enumerate(("ct", "mr"))}
    for name, image in images.items():
        write_volume(tmp_path / "own" / name, image)
    names = list(images)
    pair = [{"fixed": names[0], "moving": names[1]}]
    entries = [{"image": name} for name in names]
    file = write_dataset(tmp_path / "own", entries, [], registration_val=pair)
    try:
        (case,) = _import(file, tmp_path / "ready").cases["validation"]
    except BadInput as error:
        one_line(error, "001")
        return
    if case.problem is None:
        assert np.array_equal(read_volume(case.fixed.image).data, images[names[0]].data)
        assert np.array_equal(read_volume(case.moving.image).data, images[names[1]].data)


def test_masks_may_stand_for_labels(tmp_path: Path) -> None:
    """LungCT has lung masks and no label maps: without labels there is no Dice."""
    file = toy_dataset(tmp_path / "own")
    content = json.loads(file.read_text())
    for entry in content["training"]:
        entry["mask"] = entry.pop("label")
    file.write_text(json.dumps(content))
    plugin = discover(REPOSITORY).datasets["learn2reg"]
    found = {}
    for wanted in (False, True):
        own = {**plugin.settings, "path": str(file), "masks_as_labels": wanted}
        target = tmp_path / str(wanted) / "X_dataset.json"
        load_entry(plugin.folder, str(plugin.importer))(own, target)
        (found[wanted],) = read_layout(target).cases["validation"]
    assert found[False].fixed.labels is None and found[False].fixed.mask is not None
    for entry in (found[True].fixed, found[True].moving):
        assert entry.labels is not None and entry.mask is not None
        assert sha256(entry.labels) == sha256(entry.mask)
