"""Measuring a case: rows of every metric, empty masks, what is missing, real landmarks."""

import json
import math
from functools import cache
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
from helpers import AFFINES, REPOSITORY, SHAPE, shift_field, toy_dataset

from regbench.base.errors import BadInput
from regbench.base.records import Row, read_rows, write_rows
from regbench.data.layout import Case, read_layout
from regbench.data.pair import read_image
from regbench.measure.case import CaseFiles, measure
from regbench.plugins.catalog import discover
from regbench.plugins.loading import load_metric
from regbench.spatial.field import Field, write_field
from regbench.spatial.nifti import read_volume, write_volume
from regbench.spatial.volume import Volume

OF_MASKS = ("asd", "asd_voxel", "hd95", "dice")


@cache
def _known() -> dict[str, Any]:
    return discover(REPOSITORY).metrics


def _rows(tmp_path: Path, groups: dict[str, tuple[int, ...]], shift: Any, **drop: Any) -> list[Row]:
    layout = read_layout(toy_dataset(tmp_path, affine=AFFINES["anisotropic"]))
    case = layout.cases["validation"][0]
    write_field(tmp_path / "true.nii.gz", shift_field([1, 2, -1], affine=AFFINES["anisotropic"]))
    entries = SimpleNamespace(**{**vars(case), "true_field": tmp_path / "true.nii.gz"} | drop)
    full = Case(entries.fixed, entries.moving, entries.true_field)
    files = CaseFiles(full, shift_field(shift, affine=AFFINES["anisotropic"]), groups, "nearest")
    return [r for m in _known().values() for r in measure(files, m, load_metric(m))]


def test_the_true_field_is_perfect_on_a_case(tmp_path: Path) -> None:
    rows = _rows(tmp_path, {"organ": (1,)}, (1, 2, -1))
    found = {(r.metric, r.label): r.value for r in rows}
    # The organ is too small to have an interior, which is no failure of the metric.
    assert {r.status for r in rows if r.metric != "epe_interior"} == {"ok"}
    assert {(r.label, r.status) for r in rows if r.metric == "epe_interior"} == {
        ("", "skipped: no voxel is deeper than 12 mm in the labels")
    }
    assert found["displacement_slope", "organ"] == found["displacement_r2", ""] == 1
    assert found["interior_voxels", ""] == 0
    assert found["dice", "organ"] == 100
    assert found["asd", "organ"] == found["tre", ""] == found["epe", "organ"] == 0


def test_the_identity_on_a_case(tmp_path: Path) -> None:
    """Box 3x4x5 moved by (1, 2, -1): 2 * 2 * 4 of 60 voxels overlap; spacing 1, 2, 3.5."""
    found = {(r.metric, r.label): r for r in _rows(tmp_path, {"organ": (1,)}, (0, 0, 0))}
    assert found["dice", "organ"].value == pytest.approx(100 * 16 / 60)
    assert found["tre", ""].value == pytest.approx(math.hypot(1, 4, 3.5), rel=1e-5)
    assert found["epe", ""].value == pytest.approx(math.sqrt(6))
    assert found["epe_mm", "organ"].value == pytest.approx(math.hypot(1, 4, 3.5))
    assert found["epe", "organ"].unit == "voxel"


def test_empty_masks_are_rows_without_a_number(tmp_path: Path) -> None:
    """Label 2 is nowhere; label 1 is moved out of the image."""
    rows = _rows(tmp_path, {"organ": (1,), "absent": (2,)}, (100, 0, 0))
    for row in (r for r in rows if r.metric in OF_MASKS):
        assert math.isnan(row.value)
        where = "warped mask" if row.label == "organ" else "fixed and the warped mask"
        assert row.status == f"empty: no voxel in the {where}"
    assert {r.label for r in rows if r.metric == "dice"} == {"organ", "absent"}
    errors = {r.label: r for r in rows if r.metric == "epe"}
    assert errors["absent"].status.startswith("empty")
    assert errors["organ"].status == "ok"


def test_a_group_is_united_before_it_is_measured(tmp_path: Path) -> None:
    rows = _rows(tmp_path, {"all": (1, 2), "organ": (1,)}, (0, 0, 0))
    values = [r.value for r in rows if r.metric == "asd"]
    assert values[0] == values[1] > 0


def test_what_is_not_known_is_skipped(tmp_path: Path) -> None:
    bare = read_layout(toy_dataset(tmp_path / "bare")).cases["validation"][0].fixed
    bare = type(bare)(bare.image)
    rows = _rows(tmp_path, {"organ": (1,)}, (0, 0, 0), fixed=bare, true_field=None)
    status = {r.metric: r.status.split(":")[0] for r in rows}
    assert status["folds"] == "ok"
    assert {status[m] for m in (*OF_MASKS, "tre", "epe", "epe_mm")} == {"skipped"}


def test_labels_of_another_shape_are_refused(tmp_path: Path) -> None:
    """Of the fixed side and of the moving side: a wrong grid is never warped silently."""
    layout = read_layout(toy_dataset(tmp_path))
    case = layout.cases["validation"][0]
    other = toy_dataset(tmp_path / "other", numbers=(7,))
    strange = read_layout(other).cases["validation"][0].fixed.labels
    assert strange is not None
    _crop(strange)
    for side in ("fixed", "moving"):
        entry = vars(getattr(case, side)) | {"labels": strange}
        changed = {**vars(case), side: type(case.fixed)(**entry)}
        files = CaseFiles(Case(**changed), shift_field((0, 0, 0)), {"organ": (1,)}, "nearest")
        with pytest.raises(BadInput) as error:
            list(measure(files, _known()["dice"], load_metric(_known()["dice"])))
        assert str(strange) in str(error.value)
        assert str(SHAPE) in str(error.value)


def _crop(path: Path) -> None:
    volume = read_volume(path, labels=True)
    write_volume(path, Volume(volume.data[:, :, :-2], volume.affine))


def test_rows_survive_their_file(tmp_path: Path) -> None:
    rows = [
        Row("a", "dice", "liver", 1 / 3, "%"),
        Row("b", "asd", "x, y", math.nan, "mm", 'bad: "a", b'),
    ]
    write_rows(tmp_path / "m.csv", rows)
    again = read_rows(tmp_path / "m.csv")
    assert again[0] == rows[0]
    assert (again[1].label, again[1].status) == ("x, y", 'bad: "a", b')
    assert math.isnan(again[1].value)


def test_initial_tre_of_the_real_pairs(real_data: Path) -> None:
    """Published with the data: 6.14, 5.46 and 22.11 mm before registration."""
    file = real_data / "LiverMR4D" / "LiverMR4D_dataset.json"
    if not file.is_file():
        pytest.skip("no LiverMR4D in REGBENCH_TEST_DATA")
    metric = _known()["tre"]
    found = []
    for case in read_layout(file).cases["validation"]:
        image = read_image(case.fixed)
        files = CaseFiles(case, Field.zero(image.shape, image.affine), {}, "nearest")
        found += [row.value for row in measure(files, metric, load_metric(metric))]
    assert found == pytest.approx([6.14, 5.46, 22.11], abs=0.01)
    assert json.loads(file.read_text())["numRegistration_val"] == 3
