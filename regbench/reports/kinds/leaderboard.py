"""The leaderboard: every run on every task, a row each."""

from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import TYPE_CHECKING

from regbench.plugins.kinds import MetricPlugin, ReportPlugin
from regbench.reports.model import Cell, Column, Table, TableRow, mark_best
from regbench.reports.notes import notes
from regbench.reports.per_case import runs_of
from regbench.reports.request import Request
from regbench.reports.table import expand_columns, run_row, shown_metrics

if TYPE_CHECKING:
    from regbench.reports.results import Results

FIELDS = ()
RESULTS = "tasks"
DRAWN = False


def build(request: Request) -> Table:
    """Every run on every task of the config, with all of its metrics."""
    return build_leaderboard(
        request.report, request.results, request.metrics, request.config.metrics
    )


def build_leaderboard(
    report: ReportPlugin,
    results: "Results",
    metrics: Mapping[str, MetricPlugin],
    measured: Sequence[str] = (),
) -> Table:
    """A row for every run on every task; the best of each task is marked within the task.

    A column that a task does not have (an organ of another task) is empty there.

    Args:
        report: its columns come first.
        results: of all tasks.
        metrics: metadata by id.
        measured: ids of metrics; those that the report does not name follow its own.
    """
    labels = list(dict.fromkeys(x for task in results.tasks.values() for x in task.labels))
    columns = expand_columns(_all(report, measured), results.frame, labels, metrics)
    rows: list[TableRow] = []
    for name, task in results.tasks.items():
        frame = results.rows(name)
        cells = (Cell(name), Cell(task.data))
        own = [run_row(run, frame, task.cases, columns) for run in runs_of(report, results, name)]
        for row in mark_best(own, [column for column, _ in columns]):
            rows.append(replace(row, cells=(*cells, *row.cells)))
    shown = shown_metrics(columns, metrics)
    return Table(
        title=report.title,
        caption=report.caption,
        columns=(Column("Task"), Column("Data"), *(column for column, _ in columns)),
        rows=tuple(rows),
        notes=tuple(notes(results, list(results.tasks), results.frame, shown, metrics)),
    )


def _all(report: ReportPlugin, measured: Sequence[str]) -> list[dict[str, str]]:
    """The report's columns, with the other measured metrics behind its last metric."""
    columns = list(report.columns)
    at = max((k + 1 for k, item in enumerate(columns) if "metric" in item), default=0)
    named = {item["metric"] for item in columns if "metric" in item}
    return [*columns[:at], *({"metric": m} for m in measured if m not in named), *columns[at:]]
