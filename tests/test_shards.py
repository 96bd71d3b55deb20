"""Runs are cut into jobs by what is declared of them; another cut registers nothing anew."""

import math
from pathlib import Path
from typing import Any

import pytest
from helpers import REPOSITORY
from toy_project import make_project

from regbench.base.files import write_text
from regbench.base.paths import METRICS, layout_file
from regbench.base.records import FIELD_NAME, STATUS_NAME
from regbench.data.layout import read_layout
from regbench.execution.launcher import launch
from regbench.execution.prepare import prepare
from regbench.plan.config import load_config, resolve
from regbench.plan.jobs import Job, Plan
from regbench.plan.resources import (
    HARNESS_CASE_S,
    HARNESS_MEGAVOXEL_S,
    KIND_SECONDS,
    MEGAVOXELS,
    Shard,
    case_seconds,
    megavoxels,
    shard_count,
)
from regbench.plugins.kinds import read_methods
from regbench.plugins.models import Resources


@pytest.mark.parametrize(
    ("cases", "seconds", "minutes", "per_job", "expected"),
    [
        (10, 4.0, 10, None, 1),  # 40 s
        (10_000, 4.0, 10, None, 67),  # 150 cases a job
        (10_000, 0.1, 10, None, 2),
        (7, 3600.0, 10, None, 7),  # longer than a job: one each, never more
        (10_000, 3600.0, 10, None, 200),  # a plan of all runs must stay small
        (10_000, 3600.0, 10, 10, 1000),  # unless it is asked for
        (7, 1e-9, 10, None, 1),
        (7, 0.1, 10, 2, 4),  # as the method says
        (0, 4.0, 10, None, 1),  # no case: the job says so
    ],
)
def test_the_number_of_jobs(
    cases: int, seconds: float, minutes: float, per_job: int | None, expected: int
) -> None:
    count = shard_count(cases, seconds, minutes, per_job)
    assert count == expected
    shards = [Shard(i + 1, count).take(range(cases)) for i in range(count)]
    assert sorted(case for shard in shards for case in shard) == list(range(cases))
    assert max(map(len, shards)) == math.ceil(cases / count)


@pytest.mark.parametrize(
    ("settings", "expected"),
    [
        ({"shape": [100, 100, 50]}, 0.5),
        ({"size": [128, 128, 160]}, 2.62144),
        ({"size": None}, MEGAVOXELS),
        ({"size": 16}, MEGAVOXELS),
        ({}, MEGAVOXELS),
    ],
)
def test_the_voxels_that_settings_tell_of(settings: dict[str, Any], expected: float) -> None:
    assert megavoxels(settings) == pytest.approx(expected)


def test_seconds_of_a_case_are_the_methods_or_its_kinds() -> None:
    methods = {m.id: m for name in ("syn", "identity", "precomputed", "voxelmorph")
               for m in read_methods(REPOSITORY / "methods" / name)}  # fmt: skip
    half = {"shape": [100, 100, 50]}
    bare = HARNESS_CASE_S + 0.5 * HARNESS_MEGAVOXEL_S
    syn = methods["syn"]
    assert case_seconds(syn, half) == pytest.approx(bare + 20)
    undeclared = syn.model_copy(update={"resources": Resources()})
    assert case_seconds(undeclared, half) == pytest.approx(bare + KIND_SECONDS["optimisation"] / 2)
    assert case_seconds(methods["vm-1"], half) == pytest.approx(bare + 2.5)
    # What nobody registers takes no time.
    assert case_seconds(methods["identity"], half) == pytest.approx(bare)
    assert case_seconds(methods["precomputed"], half) == pytest.approx(bare)


def test_a_plan_is_cut_by_declared_minutes_alone(tmp_path: Path) -> None:
    project = make_project(tmp_path)
    file = tmp_path / "methods" / "shift" / "method.yaml"
    file.write_text(file.read_text() + "resources: {seconds_per_megavoxel: 100000}\n")
    project.config |= {"limits": {"time_s": 120}}
    project.config["datasets"]["toy"]["splits"] = {"test": {"count": 100, "seed": 300}}

    def plan(**more: Any) -> Plan:
        return Plan(resolve({**project.config, **more}, tmp_path))

    # 12 x 10 x 8 voxels: 96.03 s a case, 6 cases in ten minutes.
    usual = plan()
    assert len(usual.evaluate("toy", "shift", "0").inputs["statuses"]) == 17
    # A cluster is asked for what the limits allow: a start, and 120 s for each of six cases.
    assert usual.register("toy", "shift", "0").minutes == 10 + 5 + 12
    assert len(usual.evaluate("toy", "identity", "0").inputs["statuses"]) == 1
    longer = plan(job_minutes=20)
    assert len(longer.evaluate("toy", "shift", "0").inputs["statuses"]) == 9
    # Nothing but the cut follows from the minutes.
    assert longer.collect("toy").key == usual.collect("toy").key
    for rule in ("register", "evaluate"):
        long, short = (getattr(plan, rule)("toy", "shift", "0") for plan in (longer, usual))
        assert long.key == short.key


@pytest.mark.parametrize("keep", ["all", "none", "reported"])
def test_another_cut_registers_no_finished_case_again(tmp_path: Path, keep: str) -> None:
    project = make_project(tmp_path)
    raw = {**project.config, "methods": ["shift"], "keep_fields": keep}
    config = resolve(raw, tmp_path)
    layout = tmp_path / layout_file("toy", "toy")
    prepare(config.datasets["toy"], layout)
    folder = tmp_path / "run"

    def register(shards: int) -> dict[str, int]:
        """Every case's status file, by its time of writing."""
        for i in range(1, shards + 1):
            job = Job(config, config.runs[0], 0, folder, layout)
            launch(job, Shard(i, shards), folder / "log.txt")
        return {
            case.id: (folder / case.id / STATUS_NAME).stat().st_mtime_ns
            for case in read_layout(layout).cases["test"]
        }

    before = register(1)
    if keep != "all":
        # As after an evaluation that drops fields.
        write_text(folder / METRICS, "")
        for case in list(before)[keep == "reported" :]:
            (folder / case / FIELD_NAME).unlink()
    assert register(2) == before
    assert register(3) == before
    # A field that is to be kept, and is gone, is made again; so is that of another result.
    first = folder / next(iter(before)) / FIELD_NAME
    first.unlink(missing_ok=True)
    again = register(3)
    assert [again[case] != before[case] for case in before] == [keep != "none", False, False]


def test_what_needs_no_training_comes_first_and_trainings_come_before_networks() -> None:
    plan = Plan(load_config(REPOSITORY / "config" / "default.yaml", REPOSITORY))
    first, training, others = set(), set(), set()
    for run in plan.config.runs:
        stages = ["register", "evaluate", *(["train"] if run.method.learned else [])]
        for stage in stages:
            needs = getattr(plan, stage)(run.task.id, run.id, "0")
            if not run.method.learned:
                first.add(needs.priority)
            elif stage == "train" and not run.checkpoint and run.task.id != "mri-ct":
                training.add(needs.priority)
            else:
                # Weights that are given, or borrowed from ct-mri, and jobs that take them.
                others.add(needs.priority)
    assert [len(found) for found in (first, training, others)] == [1, 1, 1]
    assert plan.prepare("lung-phantom").priority > max(first)
    assert first.pop() > training.pop() > others.pop()
