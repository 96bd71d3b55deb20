"""A folder of ready-made fields as a method: found, refused, kept, and never timed."""

import shutil
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import nibabel
import numpy as np
import pytest
from helpers import kind_module, one_line, shift_field
from plugin_files import METHOD, method_folder
from toy_project import REPO, ToyProject, make_project

from regbench.base.errors import BadInput
from regbench.base.paths import CASES, METRICS, layout_file, run_folder
from regbench.base.records import Status, write_rows, write_statuses
from regbench.data.field_names import field_stems
from regbench.data.layout import Case, read_layout
from regbench.execution.launcher import launch
from regbench.execution.prepare import prepare
from regbench.measure.evaluate import measure_run
from regbench.plan.config import Config, resolve
from regbench.plan.jobs import Job, Plan
from regbench.plan.resources import Shard
from regbench.plugins.kinds import read_methods
from regbench.reports.request import Request
from regbench.reports.results import collect, write_results
from regbench.spatial.field import read_field, write_field

build = kind_module("table").build
SHAPE = (12, 10, 8)


@pytest.fixture(scope="module")
def project(tmp_path_factory: pytest.TempPathFactory) -> ToyProject:
    made = with_method(make_project(tmp_path_factory.mktemp("precomputed")))
    config = resolve(made.config, made.root)
    prepare(config.datasets["toy"], made.root / layout_file("toy", "toy"))
    return made


def with_method(project: ToyProject) -> ToyProject:
    shutil.copytree(REPO / "methods" / "precomputed", project.root / "methods" / "precomputed")
    return project


def cases(project: ToyProject) -> tuple[Case, ...]:
    return read_layout(project.root / layout_file("toy", "toy")).cases["test"]


@pytest.fixture
def fields(project: ToyProject, tmp_path: Path) -> Path:
    """Fields of all cases, the first by its short name; x is the case's number."""
    folder = tmp_path / "fields"
    folder.mkdir()
    for number, case in enumerate(cases(project)):
        names = field_stems(case.fixed.stem, case.moving.stem)
        write_field(
            folder / f"{names[0 if number else 1]}.nii.gz", shift_field((number, 0, 0), SHAPE)
        )
    return folder


def register(
    project: ToyProject,
    folder: Path,
    fields: Any,
    *,
    settings: Mapping[str, Any] | None = None,
    **task: Any,
) -> list[Status]:
    entry = {"method": "precomputed", "settings": {"folder": fields, **(settings or {})}}
    raw = {**project.config, "methods": [entry]}
    raw["tasks"] = {"toy": {**project.config["tasks"]["toy"], **task}}
    config = resolve(raw, project.root)
    layout = project.root / layout_file("toy", "toy")
    return launch(Job(config, config.runs[0], 0, folder, layout), Shard(), folder / "log.txt")


def test_each_case_gets_its_own_field_and_no_time(
    project: ToyProject, fields: Path, tmp_path: Path
) -> None:
    statuses = register(project, tmp_path / "run", str(fields))
    assert [(s.outcome, s.reason) for s in statuses] == [("ok", "")] * 3
    for number, status in enumerate(statuses):
        found = read_field(tmp_path / "run" / status.case / "displacement.nii.gz")
        assert (found.displacement == [number, 0, 0]).all()
        assert status.register_s is None and status.facts["register_cpu_s"] is None


def test_a_replaced_field_runs_its_own_case_again(
    project: ToyProject, fields: Path, tmp_path: Path
) -> None:
    first = register(project, tmp_path / "run", str(fields))
    assert register(project, tmp_path / "run", str(fields)) == first
    case = cases(project)[1]
    name = fields / f"{field_stems(case.fixed.stem, case.moving.stem)[0]}.nii.gz"
    write_field(name, shift_field((0, 3, 0), SHAPE))
    second = register(project, tmp_path / "run", str(fields))
    changed = [a.field_sha256 != b.field_sha256 for a, b in zip(first, second, strict=True)]
    assert changed == [False, True, False]
    name.unlink()
    third = register(project, tmp_path / "run", str(fields))
    assert [s.outcome for s in third] == ["ok", "failed", "ok"]
    assert not (tmp_path / "run" / case.id / "displacement.nii.gz").exists()
    write_field(name, shift_field((0, 3, 0), SHAPE))
    assert [s.outcome for s in register(project, tmp_path / "run", str(fields))] == ["ok"] * 3


def damage(file: Path, how: str) -> None:
    field = np.zeros((*SHAPE, 3), np.float32)
    if how == "missing":
        file.unlink()
        return
    if how == "torn":
        file.write_bytes(file.read_bytes()[:-20])
        return
    made = {
        "nan": np.full_like(field, np.nan),
        "first": np.moveaxis(field, 3, 0),
        "shape": field[:5],
        "whole": field.astype(np.int16),
    }
    nibabel.save(nibabel.Nifti1Image(made[how], np.eye(4)), file)


DAMAGES = {
    "missing": "no displacement field; expected disp_Toy_",
    "torn": "truncated or damaged",
    "nan": "not finite",
    "first": "components first",
    "shape": "expected (12, 10, 8, 3); found (5, 10, 8, 3)",
    "whole": "expected float32; found int16",
}


@pytest.mark.parametrize("hows", [("missing", "torn"), ("nan", "first"), ("shape", "whole")])
def test_a_bad_field_fails_its_own_case_with_the_reason(
    project: ToyProject, fields: Path, tmp_path: Path, hows: tuple[str, str]
) -> None:
    for case, how in zip(cases(project)[1:], hows, strict=True):
        damage(fields / f"{field_stems(case.fixed.stem, case.moving.stem)[0]}.nii.gz", how)
    statuses = register(project, tmp_path / "run", str(fields))
    assert [s.outcome for s in statuses] == ["ok", "failed", "failed"]
    for status, how in zip(statuses[1:], hows, strict=True):
        assert DAMAGES[how] in status.reason and str(fields) in status.reason


@pytest.mark.parametrize(
    ("folder", "words"),
    [("", "folder names no folder"), (7, "found 7"), ("nowhere", "nowhere: is not a folder")],
)
def test_no_folder_fails_every_case_with_the_reason(
    project: ToyProject, tmp_path: Path, folder: Any, words: str
) -> None:
    statuses = register(project, tmp_path / "run", folder)
    assert {s.outcome for s in statuses} == {"failed"}
    assert all(words in s.reason for s in statuses)


def test_the_other_direction_asks_for_the_other_name(
    project: ToyProject, fields: Path, tmp_path: Path
) -> None:
    direction = {"fixed": 1, "moving": 0}
    statuses = register(project, tmp_path / "run", str(fields), direction=direction)
    assert {s.outcome for s in statuses} == {"failed"}
    case = cases(project)[0]
    assert f"expected disp_{case.moving.stem}_{case.fixed.stem} or" in statuses[0].reason


def test_a_method_that_takes_fields_has_a_setting_for_their_folder(tmp_path: Path) -> None:
    folder = method_folder(tmp_path / "mine", METHOD + "needs: [precomputed_field]\n")
    with pytest.raises(BadInput) as error:
        read_methods(folder)
    one_line(error.value, "method.yaml", "precomputed_field", "settings: {folder")


def configured(project: ToyProject, fields: Path) -> Config:
    """A config of the identity and the fields, under a title of their own."""
    entry: dict[str, Any] = {
        "method": "precomputed",
        "title": "Theirs",
        "settings": {"folder": str(fields)},
    }
    entry["parameters"] = 250_000
    return resolve({**project.config, "methods": ["identity", entry]}, project.root)


def test_the_row_in_a_table(
    project: ToyProject, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(project.root)
    # The true fields as somebody's results.
    config = configured(project, (layout_file("toy", "toy").parent / "fieldsTr").resolve())
    layout = layout_file("toy", "toy")
    for run in config.runs:
        folder = run_folder("toy", "toy", run.id, 0)
        job = Job(config, run, 0, folder, layout)
        statuses = launch(job, Shard(), tmp_path / "log.txt")
        write_rows(folder / METRICS, measure_run(job, statuses))
        write_statuses(folder / CASES, statuses)
    write_results(tmp_path / "toy.parquet", collect(config, config.tasks["toy"]))
    table = build(Request(config, config.catalog.reports["table"], tmp_path / "toy.parquet"))
    titles = [column.title for column in table.columns]
    assert [row.title for row in table.rows] == ["Moving", "Theirs"]
    found = dict(zip(titles, (cell.text for cell in table.rows[1].cells), strict=True))
    assert found["Dice box (%)"] == "100.00±0.00" and found["EPE (voxel)"] == "0.00±0.00"
    assert (found["Cases"], found["Time CPU (s)"]) == ("3/3", "-")
    assert table.rows[1].ranked
    assert "no time: the fields of Theirs were made elsewhere" in table.notes
    assert found["Params (M)"] == "0.250"
    assert "parameters of Theirs for task toy: declared, not counted" in table.notes


def test_a_replaced_or_new_file_plans_the_register_job(project: ToyProject, fields: Path) -> None:
    def versions() -> list[str]:
        plan = Plan(configured(project, fields))
        return [plan.register("toy", run.id, "0").key for run in plan.config.runs]

    first = versions()
    assert versions() == first
    (fields / "notes.txt").write_text("no field")
    assert versions() == first
    name = sorted(fields.iterdir())[0]
    write_field(name, shift_field((0, 0, 1), SHAPE))
    replaced = versions()
    assert replaced[0] == first[0] and replaced[1] != first[1]
    name.unlink()
    assert versions()[1] not in (first[1], replaced[1])
    shutil.rmtree(fields)
    # The job can still be planned: its cases tell what is missing.
    assert versions()[0] == first[0]


def test_the_fields_of_another_run_of_the_task(
    project: ToyProject, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(project.root)

    def plan(folder: str) -> Plan:
        entries = ["oracle", {"method": "precomputed", "settings": {"folder": folder}}]
        return Plan(resolve({**project.config, "methods": entries}, project.root))

    asked = plan("run:oracle")
    source, job = (Job.of(asked.config, run, 0) for run in asked.config.runs)
    needs = asked.register("toy", job.run.id, "0")
    assert needs.inputs["given"] == [str(source.folder / "shards" / "1-of-1.json")]
    launch(source, Shard(), tmp_path / "log.txt")
    made = launch(job, Shard(), tmp_path / "log.txt")
    assert [s.outcome for s in made] == ["ok"] * 3
    for case in job.cases:
        fields = [read_field(j.folder / case.id / "displacement.nii.gz") for j in (source, job)]
        assert (fields[0].displacement == fields[1].displacement).all()
    (source.folder / job.cases[1].id / "displacement.nii.gz").unlink()
    left = launch(job, Shard(), tmp_path / "log.txt")
    assert [s.outcome for s in left] == ["ok", "failed", "ok"]
    assert str(source.folder) in left[1].reason
    shutil.rmtree(source.folder)
    for folder, words in (
        ("run:nothing", "no run 'nothing' on task 'toy'"),
        (f"run:{plan('run:oracle').config.runs[1].id}", "no run 'precomputed@"),
    ):
        with pytest.raises(BadInput) as error:
            wrong = plan(folder)
            wrong.register("toy", wrong.config.runs[1].id, "0")
        one_line(error.value, words)
