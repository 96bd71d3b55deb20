"""The Learn2Reg 2020 lung record: pairs by file names, splits, and the note that tables carry."""

from pathlib import Path
from typing import Any

import numpy as np
import pytest
from helpers import REPOSITORY, box, make_affine, one_line, random_image

from regbench.base.errors import BadInput
from regbench.data.layout import Layout, read_layout
from regbench.plan.config import resolve
from regbench.plugins.catalog import discover
from regbench.plugins.loading import load_entry
from regbench.spatial.nifti import read_volume, write_volume
from regbench.spatial.volume import Volume, rescale

PLUGIN = discover(REPOSITORY).datasets["learn2reg_lung_2020"]
SHAPE = (20, 18, 16)
AFFINE = make_affine((1.75, 1.25, 1.75), flips=(-1, -1, 1), origin=(30, 20, 0))


def record(root: Path, numbers: range, *, images: bool = False) -> Path:
    """The record's folder; empty files where no image is looked at."""
    for number in numbers:
        for phase in ("insp", "exp"):
            lung = box(SHAPE, (6, 5, 4), (8, 8, 9 if phase == "insp" else 7)).astype(np.uint8)
            for folder, data in (
                ("scans", random_image(number, SHAPE).data * 300 - 600),
                ("lungMasks", lung),
            ):
                file = root / folder / f"case_{number:03d}_{phase}.nii.gz"
                file.parent.mkdir(parents=True, exist_ok=True)
                if images:
                    write_volume(file, Volume(data, AFFINE))
                else:
                    file.touch()
    return root


def listed(path: Path, **changes: Any) -> Layout:
    layout = load_entry(PLUGIN.folder, str(PLUGIN.pairs))(
        {**PLUGIN.settings, "path": str(path), **changes}
    )
    assert isinstance(layout, Layout)
    return layout


def prepared(path: Path, target: Path, **changes: Any) -> Layout:
    own = {**PLUGIN.settings, "path": str(path), **changes}
    load_entry(PLUGIN.folder, str(PLUGIN.importer))(own, target / "lung_dataset.json")
    return read_layout(target / "lung_dataset.json")


def test_inspiration_is_fixed_as_in_the_paper(tmp_path: Path) -> None:
    record(tmp_path / "training", range(1, 21))
    layout = listed(tmp_path)
    assert {k: len(v) for k, v in layout.cases.items()} == {
        "training": 14,
        "validation": 2,
        "test": 4,
    }
    first = layout.cases["training"][0]
    assert first.fixed.image == tmp_path / "training/scans/case_001_insp.nii.gz"
    assert first.moving.image.name == "case_001_exp.nii.gz"
    assert first.moving.labels == tmp_path / "training/lungMasks/case_001_exp.nii.gz"
    assert first.moving.mask == first.moving.labels
    assert [case.fixed.stem for case in layout.cases["test"]][-1] == "case_020_insp"
    # The folder itself may be named, too.
    assert listed(tmp_path / "training").cases["test"] == layout.cases["test"]


def test_the_test_record_makes_the_papers_split(tmp_path: Path) -> None:
    record(tmp_path / "training", range(1, 21))
    record(tmp_path / "test", range(21, 31))
    layout = listed(tmp_path, test_path=str(tmp_path / "test"))
    assert {k: len(v) for k, v in layout.cases.items()} == {
        "training": 18,
        "validation": 2,
        "test": 10,
    }
    with pytest.raises(BadInput) as error:
        listed(tmp_path, test_path=str(tmp_path / "training"))
    one_line(error.value, "test record", "case_001_insp")


def test_a_table_without_the_test_record_says_so(tmp_path: Path) -> None:
    record(tmp_path / "training", range(1, 4), images=True)
    record(tmp_path / "test", range(21, 22), images=True)
    some = {"validation": 1, "held_out": 1}
    layout = prepared(tmp_path, tmp_path / "one", **some)
    assert any("not the paper's split" in remark for remark in layout.extra["remarks"])
    layout = prepared(tmp_path, tmp_path / "two", **some, test_path=str(tmp_path / "test"))
    assert not any("not the paper's split" in remark for remark in layout.extra["remarks"])


def test_by_default_the_pairs_are_what_the_organisers_made(tmp_path: Path) -> None:
    """Whole images on their own voxels: the row Moving is that of the record."""
    record(tmp_path / "training", range(1, 4), images=True)
    layout = prepared(tmp_path, tmp_path / "ready", validation=1, held_out=1)
    assert layout.extra["prealigned"] is True
    (case,) = layout.cases["test"]
    for entry, phase in ((case.fixed, "insp"), (case.moving, "exp")):
        raw = read_volume(tmp_path / "training/scans" / f"case_003_{phase}.nii.gz")
        turned = raw.data[::-1, ::-1]
        assert np.array_equal(read_volume(entry.image).data, rescale(turned, -1000, 500))
        lung = read_volume(tmp_path / "training/lungMasks" / f"case_003_{phase}.nii.gz")
        assert entry.labels is not None
        assert np.array_equal(read_volume(entry.labels).data, lung.data[::-1, ::-1])
    data = {"lung": {"plugin": PLUGIN.id, "settings": {"path": str(tmp_path)}}}
    content = {"name": "x", "datasets": data, "tasks": {"lung": {"dataset": "lung"}}}
    task = resolve({**content, "methods": ["identity"]}, REPOSITORY).tasks["lung"]
    assert task.prealigned
    data["lung"]["settings"]["alignment"] = "rigid"
    assert not resolve({**content, "methods": ["identity"]}, REPOSITORY).tasks["lung"].prealigned


def test_native_spacing_is_kept_and_masks_are_labels(tmp_path: Path) -> None:
    record(tmp_path / "training", range(1, 4), images=True)
    layout = prepared(tmp_path, tmp_path / "ready", validation=1, held_out=1, size=[12, 12, 12])
    assert not layout.extra["problems"]
    (case,) = layout.cases["test"]
    image = read_volume(case.fixed.image)
    assert image.shape == (12, 12, 12)
    assert np.allclose(image.spacing, (1.75, 1.25, 1.75))
    assert case.fixed.labels is not None and case.moving.labels is not None
    lungs = [read_volume(x, labels=True).data for x in (case.fixed.labels, case.moving.labels)]
    assert [int(lung.sum()) for lung in lungs] == [8 * 8 * 9, 8 * 8 * 7]
    # The lung that became shorter at one end was not moved to the middle.
    ends = [(np.argwhere(lung).min(axis=0), np.argwhere(lung).max(axis=0)) for lung in lungs]
    assert np.array_equal(ends[0][0], ends[1][0])
    assert np.array_equal(ends[0][1] - ends[1][1], [0, 0, 2])
    assert layout.extra["notes"][case.id]["cut_percent"]["fixed"] == {"1": 0.0}


def test_a_box_that_cuts_the_lung_is_warned_of(tmp_path: Path) -> None:
    record(tmp_path / "training", range(1, 4), images=True)
    layout = prepared(tmp_path, tmp_path / "ready", validation=1, held_out=1, size=[12, 6, 12])
    (case,) = layout.cases["test"]
    assert layout.extra["notes"][case.id]["cut_percent"]["fixed"] == {"1": 25.0}
    assert any("25.0 %" in r and "in 3 of 3 pairs" in r for r in layout.extra["remarks"])


def test_a_missing_phase_is_a_problem_of_its_case(tmp_path: Path) -> None:
    root = record(tmp_path / "training", range(1, 5), images=True)
    (root / "scans" / "case_004_exp.nii.gz").unlink()
    (root / "scans" / "notes.txt").write_text("not a scan")
    layout = prepared(tmp_path, tmp_path / "ready", validation=1, held_out=1)
    (case,) = layout.cases["test"]
    assert case.problem is not None and "case_004_exp.nii.gz" in case.problem
    assert len(layout.extra["problems"]) == 1


@pytest.mark.parametrize(
    ("numbers", "changes", "words"),
    [
        (range(0), {}, ["scans", "no such folder"]),
        (range(1, 7), {}, ["too few", "more than 6", "found 6"]),
        (range(1, 7), {"held_out": -1}, ["held_out"]),
        (range(1, 7), {"validation": "two"}, ["validation", "two"]),
        (range(1, 21), {"test_path": "nowhere"}, ["nowhere"]),
    ],
)
def test_what_is_no_record(
    tmp_path: Path, numbers: range, changes: dict[str, Any], words: list[str]
) -> None:
    record(tmp_path / "training", numbers)
    with pytest.raises(BadInput) as error:
        listed(tmp_path, **changes)
    one_line(error.value, *words)
