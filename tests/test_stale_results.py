"""What a result depends on: measured and registered anew where it has changed, and only there."""

import json
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from helpers import shift_field
from toy_project import ToyProject, make_project

from regbench.base.files import sha256, write_json
from regbench.base.paths import layout_file
from regbench.base.records import Row, Status
from regbench.data.landmarks import read_landmarks, write_landmarks
from regbench.data.layout import Case, read_layout
from regbench.execution.prepare import prepare
from regbench.measure.case import CaseFiles
from regbench.measure.evaluate import _Evaluator, measure_run
from regbench.plan import keys
from regbench.plan.config import resolve
from regbench.plan.jobs import Job
from regbench.spatial.field import write_field
from regbench.spatial.nifti import read_volume, write_volume
from regbench.spatial.volume import Volume


@pytest.fixture
def project(tmp_path: Path) -> ToyProject:
    made = make_project(tmp_path)
    made.config["methods"] = ["identity"]
    made.config["metrics"] = ["dice", "tre", "folds", "epe"]
    config = resolve(made.config, made.root)
    file = made.root / layout_file("toy", "toy")
    prepare(config.datasets["toy"], file)
    # Without hashes of its files it is a data set that people may edit; see test_faults.py.
    content = json.loads(file.read_text())
    del content["regbench"]["files"]
    write_json(file, content)
    file.with_name(f".{file.name}.sha256").unlink()
    return made


def rows_of(project: ToyProject, **task: Any) -> list[Row]:
    """The rows of a registered run; its first field is of half a voxel, the others are zero."""
    tasks = {"toy": {**project.config["tasks"]["toy"], **task}}
    config = resolve({**project.config, "tasks": tasks}, project.root)
    file = project.root / layout_file("toy", "toy")
    job = Job(config, config.runs[0], 0, project.root / "run", file)
    statuses = []
    for case in job.layout.cases["test"]:
        file = project.root / "run" / case.id / "displacement.nii.gz"
        if not file.is_file():
            shape = read_volume(case.fixed.image).shape
            write_field(file, shift_field((0.4, 0.4, 0), shape))
        statuses.append(Status(case.id, "ok", "a key", field_sha256=sha256(file)))
    return measure_run(job, statuses)


def values(rows: list[Row], metric: str) -> list[float]:
    return [row.value for row in rows if row.metric == metric]


def move_landmarks(case: Case, side: str) -> None:
    file = getattr(case, side).landmarks
    write_landmarks(file, read_landmarks(file) + 1)


def roll_labels(case: Case, side: str) -> None:
    file = getattr(case, side).labels
    labels = read_volume(file, labels=True)
    write_volume(file, Volume(np.roll(labels.data, 2, axis=1), labels.affine))


@pytest.mark.parametrize("side", ["fixed", "moving"])
@pytest.mark.parametrize(("edit", "metric"), [(move_landmarks, "tre"), (roll_labels, "dice")])
def test_edited_annotations_are_measured_anew(
    project: ToyProject, side: str, edit: Callable[[Case, str], None], metric: str
) -> None:
    before = rows_of(project)
    assert rows_of(project) == before
    case = read_layout(project.root / layout_file("toy", "toy")).cases["test"][0]
    edit(case, side)
    after = rows_of(project)
    log = project.root / "run" / "evaluation.jsonl"
    log.unlink()
    assert after == rows_of(project)
    assert values(after, metric) != values(before, metric)
    # The other cases keep theirs.
    assert [r for r in after if r.case != case.id] == [r for r in before if r.case != case.id]


def test_an_edited_true_field_is_measured_anew(project: ToyProject) -> None:
    before = rows_of(project)
    case = read_layout(project.root / layout_file("toy", "toy")).cases["test"][0]
    assert case.true_field is not None
    write_field(case.true_field, shift_field((3, 0, 0), read_volume(case.fixed.image).shape))
    assert values(rows_of(project), "epe") != values(before, "epe")


def test_another_field_is_measured_anew(project: ToyProject) -> None:
    before = rows_of(project)
    case = read_layout(project.root / layout_file("toy", "toy")).cases["test"][0]
    field = shift_field((2, 0, 0), read_volume(case.fixed.image).shape)
    write_field(project.root / "run" / case.id / "displacement.nii.gz", field)
    after = rows_of(project)
    assert values(after, "epe") != values(before, "epe")
    assert [r for r in after if r.case != case.id] == [r for r in before if r.case != case.id]


def test_every_annotation_of_a_case_is_in_its_key(project: ToyProject, tmp_path: Path) -> None:
    config = resolve(project.config, project.root)
    job = Job(config, config.runs[0], 0, tmp_path, project.root / layout_file("toy", "toy"))
    file = tmp_path / "annotation"
    file.write_text("one")
    case = job.cases[0]
    names = {"fixed": ("labels", "mask", "landmarks"), "moving": ("labels", "landmarks")}
    for side, kinds in names.items():
        for kind in kinds:
            other = replace(case, **{side: replace(getattr(case, side), **{kind: file})})
            assert _Evaluator(job)._annotations(other)[f"{side} {kind}"] == sha256(file)


def test_a_training_s_key_depends_on_each_part_of_it(project: ToyProject) -> None:
    project.config["methods"] = ["tiny"]
    run = resolve(project.config, project.root).runs[0]
    task = run.task
    assert task.labels
    one = dict(list(task.labels.items())[:1])
    runs = [
        run,
        replace(run, task=replace(task, direction=(1, 0))),
        replace(run, task=replace(task, labels=one)),
        replace(run, task=replace(task, trained_on="another")),
        replace(run, settings={**run.settings, "lambda": 0.75}),
    ]
    seen = [*(keys.train(item, 0) for item in runs), keys.train(run, 1)]
    assert len(set(seen)) == len(seen) and keys.train(run, 0) == seen[0]


def test_another_label_interpolation_or_group_is_measured_anew(project: ToyProject) -> None:
    before = rows_of(project)
    linear = rows_of(project, label_interpolation="linear")
    assert values(linear, "dice") != values(before, "dice")
    assert values(linear, "folds") == values(before, "folds")
    both = rows_of(project, labels={"box": [1, 2], "both": [1, 2]})
    assert {row.label for row in both if row.metric == "dice"} == {"box", "both"}
    assert values(both, "dice")[::2] == values(both, "dice")[1::2]
    assert values(both, "dice") != values(before, "dice")
    assert rows_of(project) == before


def test_an_unchanged_run_is_read_back(
    project: ToyProject, monkeypatch: pytest.MonkeyPatch
) -> None:
    before = rows_of(project)
    monkeypatch.setattr(CaseFiles, "field_view", property(lambda _: pytest.fail("measured again")))
    monkeypatch.setattr(CaseFiles, "masks", property(lambda _: pytest.fail("measured again")))
    assert rows_of(project) == before


def test_a_run_s_key_depends_on_each_part_of_it(project: ToyProject, tmp_path: Path) -> None:
    project.config["methods"] = ["shift"]
    run = resolve(project.config, project.root).runs[0]
    checkpoint = tmp_path / "weights"
    checkpoint.write_text("one")
    run = replace(run, settings={"by": 1.0, "checkpoint": str(checkpoint)})
    method = run.method

    seen = [keys.register(run, 0)]
    assert keys.register(run, 0) == seen[0]
    seen.append(keys.register(run, 1))
    seen.append(keys.register(replace(run, settings={**run.settings, "by": 2.0}), 0))
    seen.append(keys.register(replace(run, task=replace(run.task, prealigned=False)), 0))
    seen.append(
        keys.register(replace(run, method=method.model_copy(update={"entry": "method:Other"})), 0)
    )
    seen.append(
        keys.register(replace(run, method=method.model_copy(update={"command": ("a", "b")})), 0)
    )
    checkpoint.write_text("two")
    seen.append(keys.register(run, 0))
    source = method.files[-1]
    source.write_text(source.read_text() + "\n# edited\n")
    seen.append(keys.register(run, 0))
    assert len(set(seen)) == len(seen)
