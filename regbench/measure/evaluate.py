"""Measuring a whole run: every metric on every case, and nothing twice."""

import json
import traceback
from collections.abc import Callable, Iterator
from dataclasses import asdict
from pathlib import Path
from typing import Any

from tqdm import tqdm

from regbench.base.errors import BadInput, of_code
from regbench.base.files import digest, is_of_machine, locked, seal, write_text
from regbench.base.paths import CASES, METRICS, read_own, try_again
from regbench.base.records import (
    INTERRUPTED,
    Row,
    Status,
    read_status,
    write_rows,
    write_statuses,
)
from regbench.data.layout import Case
from regbench.measure.case import CaseFiles, failed_rows, measure
from regbench.measure.fields import drop_fields, keep_warped, registered_field
from regbench.plan import keys
from regbench.plan.jobs import Job
from regbench.plugins.loading import load_metric
from regbench.spatial.field import read_field

#: Finished measurements, one line for each case and metric.
LOG_NAME = "evaluation.jsonl"


def evaluate(job: Job, shards: int) -> None:
    """Merge the shards of a run, measure every case, and keep the files that the config asks for.

    Args:
        job: the run and seed to evaluate.
        shards: how many jobs registered its cases.

    Raises:
        BadInput: a case has no status, or another status than its shard ended with.
    """
    statuses = merge_shards(job, shards)
    # Two workflows may evaluate one run: one could drop fields that the other still measures.
    with locked(job.folder / ".lock-evaluate"):
        rows = measure_run(job, statuses)
        write_statuses(job.folder / CASES, statuses)
        write_rows(job.folder / METRICS, rows)
        seal(job.folder / METRICS)
        if any(row.status.startswith(INTERRUPTED) for row in rows):
            try_again(job.folder)
        keep_warped(job, statuses)
        drop_fields(job, statuses)


def merge_shards(job: Job, shards: int) -> list[Status]:
    """The statuses of all cases, in order, as read from the cases' folders.

    A shard's file holds the key of each of its cases. If a status has another key, something else
    has written it in the meantime.
    """
    # Named one by one: files of another number of shards may lie beside these.
    files = [job.shard_file(f"{i}-of-{shards}") for i in range(1, shards + 1)]
    expected: dict[str, str] = {}
    for file in files:
        content = read_own(file, job.folder)
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

    Rows are kept in a log beside the cases, under a key of field, annotations and metric. An edited
    metric is measured again, the others are read back, and an interrupted evaluation resumes where
    it stopped.

    Args:
        job: the run and seed to evaluate; its folder has a folder a case.
        statuses: of all cases of the run.
    """
    evaluator = _Evaluator(job)
    name = f"evaluate {job.run.id} on {job.run.task.id}"
    rows = [
        row
        for status in tqdm(statuses, desc=name, unit="case")
        for row in evaluator.case_rows(status)
    ]
    evaluator.log.compact()
    return rows


class _Evaluator:
    """What the cases of a run share: groups, metrics, their functions, and the log."""

    def __init__(self, job: Job) -> None:
        self.task = job.run.task
        self.folder = job.folder
        self.job = job
        self.groups = job.groups()
        self.metrics = [job.config.catalog.metrics[name] for name in job.config.metrics]
        self.cases = {case.id: case for case in job.cases}
        self.keys = {metric.id: keys.measure(self.task, metric) for metric in self.metrics}
        self.functions: dict[str, Callable[[Any], float]] = {}
        self.log = _MeasurementLog(self.folder / LOG_NAME)

    def case_rows(self, status: Status) -> Iterator[Row]:
        """The rows of all metrics on one case, from the log if they are still valid."""
        case = self.cases[status.case]
        field = [status.key, status.outcome, status.field_sha256]
        shared = digest([field, self._annotations(case), list(self.groups.items())])
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
                        if metric.id not in self.functions:
                            self.functions[metric.id] = load_metric(metric)
                        rows = list(measure(files, metric, self.functions[metric.id]))
                    except Exception as error:
                        # A metric is a plugin: an error of its code fails its own rows.
                        traceback.print_exc()
                        machine = isinstance(error, MemoryError | _Damaged) or is_of_machine(error)
                        outcome = INTERRUPTED if machine else "failed"
                        why = f"{outcome}: {of_code(error, metric.file)}"
                        rows = failed_rows(case.id, metric, self.groups, why)
                self.log.add(case.id, metric.id, key, rows)
            yield from rows

    def _open(self, case: Case, status: Status) -> CaseFiles:
        if damaged := self.job.damaged(case):
            raise _Damaged(damaged)
        field = read_field(registered_field(self.folder / case.id, status.field_sha256))
        return CaseFiles(case, field, self.groups, self.task.label_interpolation)

    def _annotations(self, case: Case) -> dict[str, str]:
        """Hashes of the files beside the images that a metric may read."""
        files = {
            "fixed labels": case.fixed.labels,
            "moving labels": case.moving.labels,
            "fixed mask": case.fixed.mask,
            "fixed landmarks": case.fixed.landmarks,
            "moving landmarks": case.moving.landmarks,
            "true field": case.true_field,
        }
        layout = self.job.layout
        there = {k: p and (p in layout.written or p.is_file()) for k, p in files.items()}
        known = {k: p for k, p in files.items() if p is not None}
        return {k: layout.hash_of(p) if there[k] else "missing" for k, p in known.items()}


class _Damaged(BadInput):
    """A file is not as its preparation wrote it."""


class _MeasurementLog:
    """The log of finished measurements, which makes evaluation incremental and resumable."""

    def __init__(self, file: Path) -> None:
        self.file = file
        #: Case and metric to key, rows and line; and to the line, of what was used.
        self._known: dict[tuple[str, str], tuple[str, list[Row], str]] = {}
        self._used: dict[tuple[str, str], str] = {}
        content = file.read_bytes().decode(errors="replace") if file.is_file() else ""
        for line in content.split("\n"):
            try:
                entry = json.loads(line)
                if entry.pop("sha256") != digest(entry):
                    continue
                rows = [Row(**row) for row in entry["rows"]]
            except (ValueError, TypeError, KeyError, AttributeError):
                # Something cut or changed the line; its metric is measured again.
                continue
            self._known[entry["case"], entry["metric"]] = (entry["key"], rows, line + "\n")

    def find(self, case: str, metric: str, key: str) -> list[Row] | None:
        """The rows measured under this key, or None."""
        known_key, rows, line = self._known.get((case, metric), ("", [], ""))
        if known_key != key:
            return None
        self._used[case, metric] = line
        return rows

    def add(self, case: str, metric: str, key: str, rows: list[Row]) -> None:
        """Append new rows; they are on disk when this returns."""
        entry = {"case": case, "metric": metric, "key": key, "rows": [asdict(r) for r in rows]}
        line = json.dumps({**entry, "sha256": digest(entry)}) + "\n"
        self._used[case, metric] = line
        self.file.parent.mkdir(parents=True, exist_ok=True)
        try:
            with self.file.open("a", encoding="utf-8") as handle:
                handle.write(line)
        except OSError as error:
            raise OSError(error.errno, error.strerror, str(self.file)) from error

    def compact(self) -> None:
        """Drop the lines that were not used: their metrics or cases are gone."""
        write_text(self.file, "".join(self._used.values()))


def _worth_another_try(status: Status, rows: list[Row]) -> bool:
    """Whether a metric failed on a finished case: its field may have been registered again."""
    lost = ("failed", INTERRUPTED)
    return status.outcome == "ok" and any(row.status.startswith(lost) for row in rows)
