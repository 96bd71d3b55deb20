"""Measuring a whole run: every metric on every case, and nothing twice."""

import traceback
from collections.abc import Callable, Iterator
from typing import Any

from tqdm import tqdm

from regbench.base.errors import BadInput
from regbench.base.files import digest, locked, read_json, sha256
from regbench.base.paths import CASES, METRICS
from regbench.base.records import (
    FIELD_NAME,
    Row,
    Status,
    read_status,
    write_rows,
    write_statuses,
)
from regbench.data.layout import Case
from regbench.measure.case import CaseFiles, failed_rows, measure
from regbench.measure.log import MeasurementLog
from regbench.measure.retention import drop_fields, keep_warped
from regbench.plan import keys
from regbench.plan.jobs import Job
from regbench.plugins.kinds import MetricPlugin
from regbench.plugins.loading import load_metric
from regbench.spatial.field import read_field


def evaluate(job: Job, shards: int) -> None:
    """Merge the shards of a run, measure every case, and keep the files that the config wants.

    Args:
        job: the run and seed to evaluate.
        shards: how many jobs registered its cases.

    Raises:
        BadInput: a case has no status, or not the one that its shard ended with.
    """
    statuses = merge_shards(job, shards)
    # Two workflows may evaluate one run: one drops fields that the other still measures.
    with locked(job.folder / ".lock-evaluate"):
        rows = measure_run(job, statuses)
        write_statuses(job.folder / CASES, statuses)
        write_rows(job.folder / METRICS, rows)
        keep_warped(job, statuses)
        drop_fields(job, statuses)


def merge_shards(job: Job, shards: int) -> list[Status]:
    """The statuses of all cases, in order; each as its case's folder has it.

    A shard's file holds the key of each of its cases: a status with another key was written by
    something else meanwhile.
    """
    # By name: files of another number of shards may lie beside these.
    files = [job.shard_file(f"{i}-of-{shards}") for i in range(1, shards + 1)]
    expected: dict[str, str] = {}
    for file in files:
        content = read_json(file)
        if not isinstance(content, dict):
            raise BadInput("is of an earlier version", file=file, expected="regbench retry")
        expected |= content
    statuses = []
    for case in job.cases:
        status = read_status(job.folder / case.id)
        if status is None or status.key != expected.get(case.id):
            raise BadInput(
                f"no status of case {case.id}", file=job.folder, expected=f"{len(job.cases)} cases"
            )
        statuses.append(status)
    return statuses


def measure_run(job: Job, statuses: list[Status]) -> list[Row]:
    """All rows of a run.

    Rows are kept in a log beside the cases, under a key of field, annotations and metric: an edited
    metric is measured anew, the others are read back, and an interrupted evaluation goes on where
    it was.

    Args:
        job: the run and seed to evaluate; its folder has a folder a case.
        statuses: of all cases of the run.
    """
    evaluator = _Evaluator(job)
    name = f"evaluate {job.run.id} on {job.run.task.id}"
    with evaluator.log:
        return [
            row
            for status in tqdm(statuses, desc=name, unit="case")
            for row in evaluator.case_rows(status)
        ]


class _Evaluator:
    """What the cases of a run share: groups, metrics, their functions, and the log."""

    def __init__(self, job: Job) -> None:
        self.task = job.run.task
        self.folder = job.folder
        self.groups = job.groups()
        self.metrics = [job.config.catalog.metrics[name] for name in job.config.metrics]
        self.cases = {case.id: case for case in job.cases}
        self.keys = {metric.id: keys.measure(self.task, metric) for metric in self.metrics}
        self.functions: dict[str, Callable[[Any], float]] = {}
        self.log = MeasurementLog(self.folder)

    def case_rows(self, status: Status) -> Iterator[Row]:
        """The rows of all metrics on one case: from the log where they still hold."""
        case = self.cases[status.case]
        field = [status.key, status.outcome, status.field_sha256]
        shared = digest([field, _annotations(case), list(self.groups.items())])
        files: CaseFiles | None = None
        for metric in self.metrics:
            key = digest([shared, self.keys[metric.id]])
            rows = self.log.find(case.id, metric.id, key)
            if rows is None or _worth_another_try(status, rows):
                if status.outcome != "ok":
                    why = f"{status.outcome}: {status.reason}"
                    rows = failed_rows(case.id, metric, self.groups, why)
                else:
                    try:
                        files = files or self._open(case, status)
                        rows = list(measure(files, metric, self._function(metric)))
                    except Exception as error:
                        # A metric is a plugin: whatever it does is its own row's failure.
                        traceback.print_exc()
                        why = f"failed: {' '.join(str(error).split())}"
                        rows = failed_rows(case.id, metric, self.groups, why)
                self.log.add(case.id, metric.id, key, rows)
            yield from rows

    def _function(self, metric: MetricPlugin) -> Callable[[Any], float]:
        if metric.id not in self.functions:
            self.functions[metric.id] = load_metric(metric)
        return self.functions[metric.id]

    def _open(self, case: Case, status: Status) -> CaseFiles:
        path = self.folder / case.id / FIELD_NAME
        if not path.is_file():
            raise BadInput(
                "the field was not kept",
                file=path,
                expected="keep_fields: all, then regbench retry",
            )
        if sha256(path) != status.field_sha256:
            raise BadInput(
                "is not the field that was registered: something else has written it",
                file=path,
                expected="regbench retry",
            )
        field = read_field(path)
        return CaseFiles(case, field, self.groups, self.task.label_interpolation)


def _annotations(case: Case) -> dict[str, str]:
    """Hashes of the files beside the images that a metric may read."""
    files = {
        "fixed labels": case.fixed.labels,
        "moving labels": case.moving.labels,
        "fixed mask": case.fixed.mask,
        "fixed landmarks": case.fixed.landmarks,
        "moving landmarks": case.moving.landmarks,
        "true field": case.true_field,
    }
    return {k: sha256(p) if p.is_file() else "missing" for k, p in files.items() if p is not None}


def _worth_another_try(status: Status, rows: list[Row]) -> bool:
    """A metric that failed on a finished case may succeed now: its field may be back."""
    return status.outcome == "ok" and any(row.status.startswith("failed") for row in rows)
