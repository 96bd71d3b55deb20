"""The leaderboard: one row for each run on each task."""

from collections.abc import Sequence
from dataclasses import replace

from regbench.plugins.kinds import ReportPlugin
from regbench.reports.model import Cell, Table
from regbench.reports.notes import notes
from regbench.reports.request import Request
from regbench.reports.rows import expand_columns, shown_metrics, task_rows

KIND = {"results": "tasks"}


def build(request: Request) -> Table:
    """Every run on every task with all its metrics; the best is marked within each task.

    A column that a task does not have (an organ of another task) is empty there.
    """
    report, results = request.report, request.results
    labels = dict.fromkeys(label for task in results.tasks.values() for label in task.labels)
    wanted = _all(report, request.config.metrics)
    columns = expand_columns(request, wanted, results.frame, labels)
    rows = [
        replace(row, cells=(Cell(name), Cell(task.data), *row.cells))
        for name, task in results.tasks.items()
        for row in task_rows(request, name, columns)
    ]
    about = notes(results, list(results.tasks), shown_metrics(request, columns))
    return Table.of(report, ["Task", "Data", *(column for column, _, _ in columns)], rows, about)


def _all(report: ReportPlugin, measured: Sequence[str]) -> list[dict[str, str]]:
    """The report's columns, with the other measured metrics behind its last metric."""
    columns = list(report.columns)
    at = max((k + 1 for k, item in enumerate(columns) if "metric" in item), default=0)
    named = {item["metric"] for item in columns if "metric" in item}
    return [*columns[:at], *({"metric": m} for m in measured if m not in named), *columns[at:]]
