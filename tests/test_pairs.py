"""A case is a pair: several pairs share an image, and what was called by it before is not read."""

import csv
import json
import shutil
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from helpers import box, edit_json, one_line, random_image, shift_field, write_dataset, write_side
from shell import Shell
from test_precomputed import register, with_method
from toy_project import ToyProject, make_project

from regbench.base.errors import BadInput
from regbench.base.paths import layout_file
from regbench.base.records import Status, read_status
from regbench.data.layout import Layout, read_layout, true_field_path
from regbench.execution.prepare import prepare
from regbench.measure.evaluate import measure_run
from regbench.plan.config import resolve
from regbench.plan.jobs import Job
from regbench.plugins.loading import load_entry
from regbench.spatial.field import read_field, write_field

SHAPE = (9, 12, 15)
A, B, C = (f"Toy_{n:04d}_0000" for n in (1, 2, 3))
PAIRS = [(A, B), (A, C), (B, A)]


def atlas(root: Path) -> Path:
    """Three images, the last two alike; two pairs of one fixed image, and one turned."""
    entries = []
    for number, stem in enumerate((A, B, C)):
        labels = box(SHAPE, (3 + min(number, 1), 4, 6), (3, 4, 5)).astype(np.uint8)
        image = random_image(min(number, 1), SHAPE)
        entries.append(write_side(root, stem, image, labels))
    for pair in PAIRS:
        write_field(true_field_path(root, *pair), shift_field((1, 0, 0), SHAPE))
    lists = {
        "registration_val": [],
        "registration_test": [
            {"fixed": f"imagesTr/{a}.nii.gz", "moving": f"imagesTr/{b}.nii.gz"} for a, b in PAIRS
        ],
    }
    same = {"fixed": 0, "moving": 0}
    return write_dataset(root, entries, [], registration_direction=same, labels={}, **lists)


@pytest.fixture(scope="module")
def project(tmp_path_factory: pytest.TempPathFactory) -> ToyProject:
    root = tmp_path_factory.mktemp("pairs")
    made = with_method(make_project(root))
    source = str(atlas(root / "own"))
    made.config["datasets"] = {"toy": {"plugin": "learn2reg", "settings": {"path": source}}}
    made.config["tasks"] = {"toy": {"dataset": "toy"}}
    prepare(resolve(made.config, root).datasets["toy"], root / layout_file("toy", "toy"))
    return made


@pytest.fixture
def fields(tmp_path: Path) -> Path:
    """A field of each pair; x is the pair's number."""
    folder = tmp_path / "fields"
    for number, (one, two) in enumerate(PAIRS):
        file = folder / f"disp_{one}_{two}.nii.gz"
        write_field(file, shift_field((number, 0, 0), SHAPE))
    return folder


def test_every_pair_has_its_own_field_folder_and_rows(
    project: ToyProject, fields: Path, tmp_path: Path
) -> None:
    run = tmp_path / "run"
    statuses = register(project, run, str(fields))
    names = [f"{a}_{b}" for a, b in PAIRS]
    assert [(status.case, status.outcome) for status in statuses] == [(n, "ok") for n in names]
    for number, name in enumerate(names):
        field = read_field(run / name / "displacement.nii.gz")
        assert (field.displacement[..., 0] == number).all()
    config = resolve({**project.config, "methods": ["identity"]}, project.root)
    file = project.root / layout_file("toy", "toy")
    rows = measure_run(Job(config, config.runs[0], 0, run, file), statuses)
    epe = {row.case: row.value for row in rows if row.metric == "epe" and not row.label}
    assert epe == pytest.approx(dict(zip(names, (1, 0, 1), strict=True)), abs=1e-3)
    # Labels without names are called by their numbers.
    assert {(row.case, row.label) for row in rows if row.metric == "dice"} == {
        (name, "1") for name in names
    }


def test_results_that_were_called_by_the_fixed_image_are_not_read(
    project: ToyProject, fields: Path, tmp_path: Path
) -> None:
    run = tmp_path / "run"
    register(project, run, str(fields))
    old = run / A
    (run / f"{A}_{B}").rename(old)
    known = _read(old)
    replace(known, case=A).write(old)
    statuses = register(project, run, str(fields))
    assert [status.case for status in statuses] == [f"{a}_{b}" for a, b in PAIRS]
    assert (run / f"{A}_{B}" / "displacement.nii.gz").is_file()
    assert _read(old).case == A


def test_the_status_of_one_pair_is_not_that_of_another(
    project: ToyProject, fields: Path, tmp_path: Path
) -> None:
    """Both pairs have the same images and fields, byte for byte: their names tell them apart."""
    one, two = (fields / f"disp_{A}_{x}.nii.gz" for x in (B, C))
    shutil.copy(one, two)
    run = tmp_path / "run"
    first = register(project, run, str(fields))
    shutil.rmtree(run / f"{A}_{C}")
    shutil.copytree(run / f"{A}_{B}", run / f"{A}_{C}")
    again = register(project, run, str(fields))
    assert first[0].field_sha256 == first[1].field_sha256 and first[0].key != first[1].key
    assert again[1].case == f"{A}_{C}"


def test_a_data_set_that_an_earlier_version_prepared_is_prepared_again(tmp_path: Path) -> None:
    project = make_project(tmp_path)
    source = atlas(tmp_path / "own")
    # A broken pair: before, its problem would have been that of all pairs of its fixed image.
    (source.parent / "imagesTr" / f"{C}.nii.gz").unlink()
    project.config["datasets"] = {"toy": {"plugin": "learn2reg", "settings": {"path": str(source)}}}
    dataset = resolve({**project.config}, tmp_path).datasets["toy"]
    file = tmp_path / layout_file("toy", "toy")
    prepare(dataset, file)
    content = json.loads(file.read_text())
    assert set(content["regbench"]["problems"]) == {f"{A}_{C}"}
    assert [bool(c.problem) for c in read_layout(file).cases["test"]] == [False, True, False]
    old = {"plugin": "learn2reg", "problems": {A: "no such file"}, "notes": {}}
    edit_json(file, regbench=old)
    with pytest.raises(BadInput) as error:
        read_layout(file)
    one_line(error.value, file, "earlier version", "snakemake")
    prepare(dataset, file)
    assert json.loads(file.read_text()) == content


def test_a_resampled_pair_keeps_its_name(project: ToyProject, tmp_path: Path) -> None:
    """One moving image on the grids of two fixed ones: two files, one name."""
    file = atlas(tmp_path / "own")
    entry = write_side(file.parent, C, random_image(5, (10, 11, 12)), np.ones((10, 11, 12), "u1"))
    edit_json(
        file,
        registration_test=[
            {"fixed": f"imagesTr/{x}.nii.gz", "moving": entry["image"]} for x in (A, B)
        ],
    )
    target = tmp_path / "ready" / "X_dataset.json"
    plugin = project.root / "datasets" / "learn2reg"
    load_entry(plugin, "dataset:prepare")({"path": str(file)}, target)
    layout: Layout = read_layout(target)
    cases = layout.cases["test"]
    assert [case.id for case in cases] == [f"{A}_{C}", f"{B}_{C}"]
    assert len({case.moving.image for case in cases}) == 2
    assert set(layout.extra["notes"]) == {case.id for case in cases}


def test_labels_without_names_are_measured_in_a_folder_of_fields(
    shell: Shell, fields: Path
) -> None:
    file, out = atlas(shell.root / "own"), shell.root / "out.csv"
    words = ["--dataset", str(file), "--predictions", str(fields), "--output", str(out)]
    assert shell("evaluate", *words)[0] == 0
    with out.open(newline="") as text:
        rows = [row for row in csv.DictReader(text) if row["metric"] == "dice"]
    assert [(row["case"], row["label"]) for row in rows] == [(f"{a}_{b}", "1") for a, b in PAIRS]


def _read(folder: Path) -> Status:
    status = read_status(folder)
    assert status is not None
    return status
