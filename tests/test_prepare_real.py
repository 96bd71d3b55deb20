"""Real CT and MR of different people, orientations and fields of view, through the preparation."""

from functools import cache
from pathlib import Path
from typing import Any

import nibabel
import numpy as np
import pytest

from regbench.data.layout import Entry
from regbench.data.pair import Pair, Side, read_side
from regbench.data.prepare.pair import prepare_pair
from regbench.data.prepare.recipe import read_recipe
from regbench.spatial.volume import voxel_to_world, within, world_to_voxel

LABELS = {1, 2, 3, 4}
SETTINGS: dict[str, Any] = {
    "alignment": "rigid",
    "alignment_spacing": 6.0,
    "alignment_start": "labels",
    "spacing": 3.0,
    "around": "labels",
    "fixed_intensity": {"percentiles": [0.5, 99.5]},
    "moving_intensity": {"window": [-150, 250]},
}
BOX = (128, 104, 48)


@pytest.fixture
def raw(real_data: Path) -> Path:
    folder = real_data / "AbdomenCTMR_raw"
    if not folder.is_dir():
        pytest.skip("REGBENCH_TEST_DATA has no AbdomenCTMR_raw")
    return folder


@cache
def side(folder: Path, name: str) -> Side:
    """An image with its label map, and a landmark in the middle of each label."""
    entry = Entry(folder / f"{name}.nii.gz", folder / f"{name}_label.nii.gz")
    read = read_side(entry)
    assert read.labels is not None
    data = read.labels.data
    return Side(read.image, read.labels, None, centroids(data))


def centroids(data: np.ndarray) -> np.ndarray:
    """(4, 3) mean voxel of each label."""
    return np.array([np.argwhere(data == label).mean(axis=0) for label in sorted(LABELS)])


def check(ready: Pair, native: dict[str, Side]) -> None:
    """What every prepared pair must be."""
    fixed, moving = ready.sides
    assert fixed.image.shape == moving.image.shape == tuple(ready.notes["shape"])
    assert np.array_equal(fixed.image.affine, moving.image.affine)
    assert nibabel.aff2axcodes(fixed.image.affine) == ("R", "A", "S")
    for role, now in (("fixed", fixed), ("moving", moving)):
        assert now.labels is not None and now.landmarks is not None
        assert 0 <= now.image.data.min() < now.image.data.max() <= 1
        assert set(np.unique(now.labels.data)) - {0} <= LABELS
        before = native[role].labels
        assert before is not None
        for label, cut in ready.notes["cut_percent"][role].items():
            # Volumes are kept, but for what was cut off and what nearest neighbours round.
            old = float((before.data == int(label)).sum()) * np.prod(before.spacing)
            new = float((now.labels.data == int(label)).sum()) * np.prod(now.labels.spacing)
            assert new == pytest.approx(old * (1 - cut / 100), rel=0.06), (role, label)
            # Landmarks went the way of the labels.
            if cut == 0:
                mean = np.argwhere(now.labels.data == int(label)).mean(axis=0)
                assert np.abs(mean - now.landmarks[int(label) - 1]).max() < 0.5


@pytest.mark.parametrize("name", ["ct", "ct_full"])
def test_different_people_meet_on_one_grid(raw: Path, name: str) -> None:
    """MR fixed (left, posterior, 20 slices), CT moving (right, anterior, 30 or 112 slices)."""
    pytest.importorskip("ants", reason="antspyx is not installed")
    native = {"fixed": side(raw, "mr"), "moving": side(raw, name)}
    recipe = read_recipe({**SETTINGS, "size": BOX})
    ready = prepare_pair(native["fixed"], native["moving"], recipe)
    check(ready, native)
    assert ready.sides[0].image.shape == BOX
    assert ready.notes["cut_percent"]["fixed"] == dict.fromkeys("1234", 0.0)
    # The alignment is the one the record tells: landmarks go through it.
    matrix = np.array(ready.notes["affine"])
    assert ready.sides[1].landmarks is not None and native["moving"].landmarks is not None
    world = voxel_to_world(ready.sides[1].landmarks, ready.sides[1].image.affine)
    back = world_to_voxel(voxel_to_world(world, matrix), native["moving"].image.affine)
    assert np.allclose(back, native["moving"].landmarks, atol=1e-3)


def test_the_whole_ct_is_aligned_as_its_part_is(raw: Path) -> None:
    """`ct` is the upper 30 of `ct_full`'s 112 slices, under a header that does not say so."""
    pytest.importorskip("ants", reason="antspyx is not installed")
    recipe = read_recipe({**SETTINGS, "size": BOX})
    found = []
    for name, first in (("ct", 82), ("ct_full", 0)):
        ready = prepare_pair(side(raw, "mr"), side(raw, name), recipe)
        assert not ready.notes["apart"]
        matrix = np.array(ready.notes["affine"])
        matrix[2, 3] += 3 * first
        found.append(matrix)
    fixed = side(raw, "mr")
    assert fixed.landmarks is not None
    marks = voxel_to_world(fixed.landmarks, fixed.image.affine)
    one, two = (voxel_to_world(marks, matrix) for matrix in found)
    # Found on 6 mm voxels, rigidly, from different slices. A wrong start is 100 mm off.
    assert np.linalg.norm(one - two, axis=1).max() < 18


def test_an_alignment_that_failed_is_warned_of(raw: Path) -> None:
    """The centre of mass of a whole torso is not that of a slab: no organ meets its partner."""
    pytest.importorskip("ants", reason="antspyx is not installed")
    recipe = read_recipe({**SETTINGS, "alignment_start": "mass", "size": [128, 104, 128]})
    ready = prepare_pair(side(raw, "mr"), side(raw, "ct_full"), recipe)
    assert set(ready.notes["apart"]) >= {"2", "3"}
    assert any("no voxel in common" in text for text in ready.notes["warnings"])


def test_what_a_small_box_cuts_off_is_what_is_missing(raw: Path) -> None:
    """One spacing, no alignment: every share is counted by hand, and what is left is exact."""
    native = side(raw, "ct_full")
    window = {"fixed_intensity": SETTINGS["moving_intensity"]}
    recipe = read_recipe({**SETTINGS, **window, "alignment": "none", "size": [60, 50, 30]})
    ready = prepare_pair(native, native, recipe)
    grid = ready.sides[0].image.grid
    shares = ready.notes["cut_percent"]["fixed"]
    assert shares == ready.notes["cut_percent"]["moving"]
    assert native.labels is not None and ready.sides[0].labels is not None
    for label in LABELS:
        voxels = np.argwhere(native.labels.data == label)
        places = world_to_voxel(voxel_to_world(voxels, native.labels.affine), grid.affine)
        kept = int(within(places, grid.shape).sum())
        assert shares[str(label)] == pytest.approx(100 * (1 - kept / len(voxels)), abs=0.01)
        assert int((ready.sides[0].labels.data == label).sum()) == kept
    assert max(shares.values()) > 5
    assert any("% of label" in text for text in ready.notes["warnings"])
