"""Building a table of a task: a row a run, in the report's order."""

import math
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import replace
from typing import Any

import pandas as pd

from regbench.base.errors import BadInput
from regbench.plugins.kinds import MetricPlugin, ReportPlugin
from regbench.reports.model import Cell, Column, Table, TableRow
from regbench.reports.notes import notes
from regbench.reports.summary import Summary, begins, finished, seed_spread, summarise

#: Columns that are facts of a run, not metrics.
FACTS = {
    "parameters": Column("Params (M)", precision=3),
    "time_gpu": Column("Time GPU (s)"),
    "time_cpu": Column("Time CPU (s)"),
    "cases": Column("Cases"),
}
#: The key of a column that shows how far a metric's mean moves from seed to seed.
SPREAD = "spread"


def build_table(
    report: ReportPlugin,
    frame: pd.DataFrame,
    facts: Mapping[str, Any],
    metrics: Mapping[str, MetricPlugin],
) -> Table:
    """The table of a report's task.

    Args:
        report: its definition.
        frame, facts: of the collected results.
        metrics: metadata by id.

    Raises:
        BadInput: the report's task is not one of the results.
    """
    task = report.task or ""
    if task not in facts["tasks"]:
        raise BadInput(
            f"report {report.id} is about task {task!r}, which config {facts['config']!r} lacks",
            expected=f"one of {', '.join(facts['tasks'])}",
        )
    here = frame[frame["task"] == task]
    runs = order_runs([run for run in facts["runs"] if run["task"] == task], report.rows)
    columns = expand_columns(report.columns, here, facts["tasks"][task]["labels"], metrics)
    shown = list(dict.fromkeys(name for _, (name, _) in columns if name in metrics))
    rows = [run_row(run, here, facts["tasks"][task]["cases"], columns) for run in runs]
    return Table(
        title=report.title,
        caption=report.caption,
        columns=tuple(column for column, _ in columns),
        rows=tuple(mark_best(rows, [column for column, _ in columns])),
        notes=tuple(notes(facts, [task], here, shown, metrics)),
    )


def order_runs(runs: Sequence[dict[str, Any]], order: Sequence[str]) -> list[dict[str, Any]]:
    """Runs in the report's order of methods; others after them, as configured."""
    rank = {method: i for i, method in enumerate(order)}
    return sorted(runs, key=lambda run: rank.get(run["method"], len(rank)))


def with_unlisted(
    columns: Sequence[Mapping[str, str]],
    frame: pd.DataFrame,
    metrics: Mapping[str, MetricPlugin],
    *,
    named_only: bool = False,
) -> list[Mapping[str, str]]:
    """The columns of a report, and behind its last metric those that were measured and not listed.

    Args:
        columns: of the report.
        frame: collected rows.
        metrics: metadata by id.
        named_only: add only metrics that a config must name to measure them (`default: False`).
    """
    listed = {item["metric"] for item in columns if "metric" in item}
    measured = set(frame["metric"].unique())
    more = [
        {"metric": name}
        for name, metric in metrics.items()
        if name in measured - listed and not (named_only and metric.default)
    ]
    last = max((i for i, item in enumerate(columns) if "metric" in item), default=-1)
    return [*columns[: last + 1], *more, *columns[last + 1 :]]


def expand_columns(
    wanted: Iterable[Mapping[str, str]],
    frame: pd.DataFrame,
    labels: Iterable[str],
    metrics: Mapping[str, MetricPlugin],
) -> list[tuple[Column, tuple[str, str]]]:
    """Columns with the (metric, label), (fact, "") or (SPREAD, metric) that fills each.

    A metric of labels gives a column a label; one that no run could have (no labels, no landmarks,
    no true field) gives none. A metric that failed keeps its column.
    """
    present = frame.loc[~begins(frame["status"], "skipped"), ["metric", "label"]].drop_duplicates()
    there = set(zip(present["metric"], present["label"], strict=True))
    columns: list[tuple[Column, tuple[str, str]]] = []
    for item in wanted:
        if "fact" in item:
            columns.append((FACTS[item["fact"]], (item["fact"], "")))
            continue
        name = item.get("metric") or item["spread"]
        metric = metrics.get(name)
        if metric is None:
            raise BadInput(f"unknown metric {name!r}", expected=", ".join(metrics))
        if "spread" in item:
            if frame["seed"].nunique() > 1:
                unit = f" ({metric.unit})" if metric.unit else ""
                column = Column(f"{metric.title} between seeds{unit}", precision=metric.precision)
                columns.append((column, (SPREAD, metric.id)))
            continue
        title = item.get("title", metric.title)
        unit = f" ({metric.unit})" if metric.unit and metric.unit != "voxels" else ""
        for label in labels if metric.labelled else [""]:
            if (metric.id, label) in there:
                name = f"{title} {label}{unit}" if label else f"{title}{unit}"
                column = Column(name, f"{title}{unit}", label, metric.direction, metric.precision)
                columns.append((column, (metric.id, label)))
    return columns


def run_row(
    run: Mapping[str, Any],
    frame: pd.DataFrame,
    total: int,
    columns: Sequence[tuple[Column, tuple[str, str]]],
) -> TableRow:
    """One run's cells."""
    own = frame[frame["run"] == run["run"]]
    groups = dict(list(own.groupby(["metric", "label"], observed=True)))
    empty = own.iloc[:0]

    def summary(metric: str, label: str = "") -> Summary:
        return summarise(groups.get((metric, label), empty), run["seeds"], total)

    done = finished(groups.get(("register_s", ""), empty), run["seeds"])
    on_gpu = {metric for metric, _ in groups} & {"register_gpu_s"}
    cells = []
    for column, (name, label) in columns:
        if name == "cases":
            cells.append(Cell(f"{done}/{total}"))
        elif name == "time_gpu" and "register_gpu_s" in on_gpu:
            cells.append(Cell(f"{summary('register_gpu_s').mean:.2f}"))
        elif name == "time_cpu" and not on_gpu:
            alone = groups.get(("register_alone_s", ""), empty)["value"]
            seconds = alone.median() if len(alone) else summary("register_s").mean
            cells.append(Cell("-" if math.isnan(seconds) else f"{seconds:.2f}"))
        elif name == "parameters" and run["parameters"] is not None:
            cells.append(Cell(f"{run['parameters'] / 1e6:.3f}"))
        elif name == SPREAD:
            spread = seed_spread(own[own["metric"] == label], run["seeds"], total)
            cells.append(Cell("-" if math.isnan(spread) else f"{spread:.{column.precision}f}"))
        elif name in FACTS:
            cells.append(Cell("-"))
        else:
            found = summary(name, label)
            value = found.mean if found.n else None
            cells.append(Cell(found.text(column.precision), value, n=found.n))
    return TableRow(run["title"], tuple(cells), ranked=done == total and run["kind"] != "control")


def mark_best(rows: Sequence[TableRow], columns: Sequence[Column]) -> list[TableRow]:
    """Mark the best ranked cell of each column that has a direction (all of them, on a tie)."""
    marked = [list(row.cells) for row in rows]
    for k, column in enumerate(columns):
        # A mean over fewer cases is of an easier set: it does not compete.
        most = max((row.cells[k].n for row in rows if row.ranked), default=0)
        rivals = [i for i, row in enumerate(rows) if row.ranked and row.cells[k].n == most > 0]
        values = [v for i in rivals if (v := rows[i].cells[k].value) is not None]
        if column.direction == "none" or len(values) < 2:
            continue
        best = max(values) if column.direction == "higher" else min(values)
        for i in rivals:
            row = rows[i]
            if row.cells[k].value == best:
                marked[i][k] = replace(row.cells[k], best=True)
    return [replace(row, cells=tuple(cells)) for row, cells in zip(rows, marked, strict=True)]
