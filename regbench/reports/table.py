"""Columns and rows of tables with a row a run; the best of a column."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import TYPE_CHECKING

from regbench.base.errors import BadInput
from regbench.plugins.kinds import MetricPlugin
from regbench.reports import cells
from regbench.reports.cells import Summary, begins, finished, seed_spread, summarise
from regbench.reports.model import Cell, Column, TableRow

if TYPE_CHECKING:
    import pandas as pd

    from regbench.reports.results import RunFacts

#: Columns that are facts of a run, not metrics.
FACTS = {
    "parameters": Column("Params (M)", precision=3),
    "time_gpu": Column("Time GPU (s)"),
    "time_cpu": Column("Time CPU (s)"),
    "cases": Column("Cases"),
}
#: The key of a column that shows how far a metric's mean moves from seed to seed.
SPREAD = "spread"
#: Columns, each with the (metric, label), (fact, "") or (SPREAD, metric) that fills it.
Filled = Sequence[tuple[Column, tuple[str, str]]]


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
                name = cells.with_unit(f"{metric.title} between seeds", metric.unit)
                column = Column(name, precision=metric.precision)
                columns.append((column, (SPREAD, metric.id)))
            continue
        title = item.get("title", metric.title)
        unit = "" if metric.unit == "voxels" else metric.unit
        for label in labels if metric.labelled else [""]:
            if (metric.id, label) in there:
                name = cells.with_unit(f"{title} {label}".rstrip(), unit)
                group = cells.with_unit(title, unit)
                column = Column(name, group, label, metric.direction, metric.precision)
                columns.append((column, (metric.id, label)))
    return columns


def shown_metrics(columns: Filled, metrics: Mapping[str, MetricPlugin]) -> list[str]:
    """The ids of the metrics that have a column, each once."""
    return list(dict.fromkeys(name for _, (name, _) in columns if name in metrics))


def run_row(run: RunFacts, frame: pd.DataFrame, total: int, columns: Filled) -> TableRow:
    """One run's cells.

    Args:
        run: which.
        frame: rows of the run's task.
        total: cases there are.
        columns: see `expand_columns`.
    """
    own = frame[frame["run"] == run.run]
    groups = dict(list(own.groupby(["metric", "label"], observed=True)))
    empty = own.iloc[:0]

    def summary(metric: str, label: str = "") -> Summary:
        return summarise(groups.get((metric, label), empty), run.seeds, total)

    done = finished(groups.get(("register_s", ""), empty), run.seeds)
    on_gpu = ("register_gpu_s", "") in groups

    def cell(name: str, label: str, precision: int) -> Cell:
        if name == "cases":
            return Cell(cells.share(done, total))
        if name == "time_gpu" and on_gpu:
            return Cell(cells.decimals(summary("register_gpu_s").mean))
        if name == "time_cpu" and not on_gpu:
            alone = groups.get(("register_alone_s", ""), empty)["value"]
            return Cell(
                cells.decimals(alone.median() if len(alone) else summary("register_s").mean)
            )
        if name == "parameters" and run.parameters is not None:
            return Cell(cells.millions(run.parameters))
        if name == SPREAD:
            spread = seed_spread(own[own["metric"] == label], run.seeds, total)
            return Cell(cells.decimals(spread, precision))
        if name in FACTS:
            return Cell("-")
        found = summary(name, label)
        return Cell(found.text(precision), found.mean if found.n else None, n=found.n)

    row = tuple(cell(*source, column.precision) for column, source in columns)
    return TableRow(run.title, row, ranked=done == total and run.kind != "control")
