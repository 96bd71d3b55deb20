"""Measuring a whole run: every metric on every case, and nothing twice."""

import traceback
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

from tqdm import tqdm

from regbench.base.errors import BadInput
from regbench.base.files import digest, sha256
from regbench.base.records import FIELD_NAME, Row, Status
from regbench.data.layout import Case, Layout
from regbench.measure.case import CaseFiles, failed_rows, measure
from regbench.measure.groups import label_groups
from regbench.measure.log import MeasurementLog
from regbench.plan.config import Config, RunConfig
from regbench.plan.keys import code_version
from regbench.plugins.kinds import MetricPlugin
from regbench.plugins.loading import load_metric
from regbench.spatial.field import read_field


def evaluate(
    config: Config, run: RunConfig, layout: Layout, folder: Path, statuses: list[Status]
) -> list[Row]:
    """All rows of a run.

    Rows are kept in a log beside the cases, under a fingerprint of field, annotations and metric:
    an edited metric is measured anew, the others are read back, and an interrupted evaluation goes
    on where it was.

    Args:
        config, run: the run to evaluate.
        layout: the prepared data set.
        folder: of the run and seed, with a folder a case.
        statuses: of all cases of the run.
    """
    evaluator = _Evaluator(config, run, layout, folder)
    with evaluator.log:
        return [
            row
            for status in tqdm(statuses, desc=f"evaluate {run.id} on {run.task.id}", unit="case")
            for row in evaluator.case_rows(status)
        ]


class _Evaluator:
    """What the cases of a run share: groups, metrics, their functions, and the log."""

    def __init__(self, config: Config, run: RunConfig, layout: Layout, folder: Path) -> None:
        self.run = run
        self.folder = folder
        self.groups = label_groups(run, layout)
        self.metrics = [config.catalog.metrics[name] for name in config.metrics]
        directed = layout.directed(run.task.evaluated_split(), run.task.direction)
        self.cases = {case.id: case for case in directed}
        self.code = {metric.id: _metric_code(metric) for metric in self.metrics}
        self.functions: dict[str, Callable[[Any], float]] = {}
        self.log = MeasurementLog(folder)

    def case_rows(self, status: Status) -> Iterator[Row]:
        """The rows of all metrics on one case: from the log where they still hold."""
        case = self.cases[status.case]
        shared = digest(
            [
                status.fingerprint,
                status.outcome,
                status.field_sha256,
                _annotations(case),
                list(self.groups.items()),
                self.run.task.label_interpolation,
            ]
        )
        files: CaseFiles | None = None
        for metric in self.metrics:
            key = digest([shared, self.code[metric.id]])
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
        return CaseFiles(case, field, self.groups, self.run.task.label_interpolation)


def _metric_code(metric: MetricPlugin) -> list[str]:
    return [sha256(metric.file), code_version("evaluate", [metric.file])]


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
