"""The leaderboard: one row for each run on each task; and a short one for a terminal."""

from collections.abc import Sequence
from dataclasses import replace

from regbench.plugins.kinds import ReportPlugin
from regbench.reports import cells
from regbench.reports.kinds.table import expand_columns, shown_metrics, task_rows
from regbench.reports.model import Cell, Column, Table, TableRow
from regbench.reports.notes import notes
from regbench.reports.request import Request

KIND = {"results": "tasks"}
#: Metrics of a short leaderboard.
MOST_METRICS = 5


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


def brief(table: Table) -> Table:
    """A leaderboard's first metrics, the mean over label groups of each, and its other columns."""
    spans = [span for span in table.spans if table.columns[span.first].direction != "none"]
    spans = spans[:MOST_METRICS]
    rows = []
    for row in table.rows:
        texts = [row.cells[0].text]
        for span in spans:
            values = [c.value for c in row.cells[span.first : span.first + span.width]]
            known = [value for value in values if value is not None]
            precision = table.columns[span.first].precision
            texts.append(cells.decimals(sum(known) / len(known), precision) if known else "-")
        rows.append(TableRow(row.title, tuple(map(Cell, (*texts, row.cells[-1].text)))))
    titles = (table.columns[0].title, *(span.title for span in spans), table.columns[-1].title)
    return Table(table.title, "", tuple(map(Column, titles)), tuple(rows), first=table.first)
