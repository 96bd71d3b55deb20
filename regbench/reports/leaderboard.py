"""The leaderboard: every run on every task, a row each."""

from collections.abc import Mapping
from dataclasses import replace
from typing import Any

import pandas as pd

from regbench.plugins.kinds import MetricPlugin, ReportPlugin
from regbench.reports.model import Cell, Column, Table, TableRow
from regbench.reports.notes import notes
from regbench.reports.table import expand_columns, mark_best, order_runs, run_row, with_unlisted


def build_leaderboard(
    report: ReportPlugin,
    frame: pd.DataFrame,
    facts: Mapping[str, Any],
    metrics: Mapping[str, MetricPlugin],
) -> Table:
    """A row for every run on every task; the best of each task is marked within the task.

    A column that a task does not have (an organ of another task) is empty there.
    """
    lead = [Column("Task"), Column("Data")]
    labels = list(dict.fromkeys(x for task in facts["tasks"].values() for x in task["labels"]))
    wanted = with_unlisted(report.columns, frame, metrics)
    columns = expand_columns(wanted, frame, labels, metrics)
    rows: list[TableRow] = []
    for name, task in facts["tasks"].items():
        here = frame[frame["task"] == name]
        runs = order_runs([run for run in facts["runs"] if run["task"] == name], report.rows)
        found = [run_row(run, here, task["cases"], columns) for run in runs]
        cells = (Cell(name), Cell(task["data"]))
        for row in mark_best(found, [column for column, _ in columns]):
            rows.append(replace(row, cells=(*cells, *row.cells)))
    shown = list(dict.fromkeys(name for _, (name, _) in columns if name in metrics))
    return Table(
        title=report.title,
        caption=report.caption,
        columns=(*lead, *(column for column, _ in columns)),
        rows=tuple(rows),
        notes=tuple(notes(facts, list(facts["tasks"]), frame, shown, metrics)),
    )
