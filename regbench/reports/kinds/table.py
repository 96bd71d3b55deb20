"""A table of one task: a row a run, in the report's order."""

from collections.abc import Mapping
from typing import TYPE_CHECKING

from regbench.plugins.kinds import MetricPlugin, ReportPlugin
from regbench.reports.model import Table, mark_best
from regbench.reports.notes import notes
from regbench.reports.per_case import runs_of, tasks_of
from regbench.reports.request import Request
from regbench.reports.table import expand_columns, run_row, shown_metrics

if TYPE_CHECKING:
    from regbench.reports.results import Results

FIELDS = ("task", "columns")
RESULTS = "task"
DRAWN = False


def build(request: Request) -> Table:
    """The table of the report's task."""
    return build_table(request.report, request.results, request.metrics)


def build_table(
    report: ReportPlugin, results: "Results", metrics: Mapping[str, MetricPlugin]
) -> Table:
    """The table of a report's task.

    Raises:
        BadInput: the results lack the report's task.
    """
    (name,) = tasks_of(report, results)
    task, frame = results.tasks[name], results.rows(name)
    columns = expand_columns(report.columns, frame, task.labels, metrics)
    rows = [run_row(run, frame, task.cases, columns) for run in runs_of(report, results, name)]
    about = notes(results, [name], frame, shown_metrics(columns, metrics), metrics)
    return Table(
        title=report.title,
        caption=report.caption,
        columns=tuple(column for column, _ in columns),
        rows=tuple(mark_best(rows, [column for column, _ in columns])),
        notes=tuple(about),
    )
