"""The numbers behind charts: a metric's spread over cases, its price in seconds, loss curves."""

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from regbench.base.errors import BadInput
from regbench.base.paths import run_folder
from regbench.plan.config import Config
from regbench.plugins.catalog import lookup
from regbench.plugins.kinds import MetricPlugin, ReportPlugin
from regbench.reports.model import Cell, Column, Table, TableRow
from regbench.reports.notes import notes
from regbench.reports.per_case import case_values, number_text, runs_of, tasks_of

#: What a training writes beside its checkpoint.
LOSSES = "loss.csv"
#: Rows of costs that may stand for the time of a case, the best first.
TIMES = ("register_alone_s", "register_gpu_s", "register_s")


@dataclass(frozen=True)
class Series:
    """One method's line, box or point.

    Attributes:
        name: the method's title.
        kind: of the method: `control` and others.
        x, y: numbers; for a box `y` alone.
    """

    name: str
    kind: str
    x: tuple[float, ...]
    y: tuple[float, ...]


@dataclass(frozen=True)
class Chart:
    """One pair of axes.

    Attributes:
        title: above it.
        x, y: labels of the axes.
        series: what is drawn.
    """

    title: str
    x: str
    y: str
    series: tuple[Series, ...]


def read_charts(
    config: Config, report: ReportPlugin, frame: pd.DataFrame, facts: Mapping[str, Any]
) -> list[Chart]:
    """The axes of a report of kind `boxes`, `tradeoff` or `losses`, task by task.

    Raises:
        BadInput: an unknown task or metric.
    """
    found = []
    for task in tasks_of(report, facts):
        runs = runs_of(report, facts, task)
        here = frame[frame["task"] == task]
        if report.kind == "losses":
            found.append(_losses(config, task, runs))
            continue
        metric = lookup(config.catalog.metrics, report.content["metric"], "metric", report.file)
        labels = list(facts["tasks"][task]["labels"])
        if report.kind == "boxes":
            found += _boxes(task, here, runs, metric, labels)
        else:
            found.append(_tradeoff(task, here, runs, metric, labels))
    return [chart for chart in found if chart.series]


def build_charts(
    report: ReportPlugin,
    charts: Sequence[Chart],
    frame: pd.DataFrame,
    facts: Mapping[str, Any],
    metrics: Mapping[str, MetricPlugin],
) -> Table:
    """What is drawn, as numbers: a row for each chart and method."""
    titles, cells = _COLUMNS[report.kind]
    rows = [
        TableRow(s.name, (Cell(chart.title), *map(Cell, cells(s))), ranked=False)
        for chart in charts
        for s in chart.series
    ]
    tasks = tasks_of(report, facts)
    shown = [report.content["metric"]] if "metric" in report.content else []
    drawn = {chart.title.partition(": ")[0] for chart in charts}
    what = report.content.get("metric", "validation loss")
    empty = [f"no chart of task {t}: no method has a {what} there" for t in tasks if t not in drawn]
    own = frame[frame["task"].isin(tasks)]
    return Table(
        title=report.title,
        caption=report.caption,
        columns=(Column("Chart"), *(Column(title) for title in titles)),
        rows=tuple(rows),
        notes=(*empty, *notes(facts, tasks, own, shown, metrics, _CELLS[report.kind])),
    )


def _boxes(
    task: str,
    frame: pd.DataFrame,
    runs: Sequence[Mapping[str, Any]],
    metric: MetricPlugin,
    labels: Sequence[str],
) -> list[Chart]:
    charts = []
    for label in labels if metric.labelled else [""]:
        values = case_values(frame[frame["label"] == label], runs, metric, [label])
        series = tuple(
            Series(run["title"], run["kind"], (), tuple(values[run["run"]].dropna()))
            for run in runs
            if not values.empty and values[run["run"]].notna().any()
        )
        charts.append(Chart(f"{task}: {label}" if label else task, "", _axis(metric), series))
    return charts


def _tradeoff(
    task: str,
    frame: pd.DataFrame,
    runs: Sequence[Mapping[str, Any]],
    metric: MetricPlugin,
    labels: Sequence[str],
) -> Chart:
    values = case_values(frame, runs, metric, labels)
    series = []
    for run in runs:
        seconds = _seconds(frame[frame["run"] == run["run"]])
        known = values[run["run"]].dropna() if not values.empty else values
        if len(known) and seconds > 0:
            point = (float(seconds),), (float(known.to_numpy().mean()),)
            series.append(Series(run["title"], run["kind"], *point))
    return Chart(task, "seconds a case", _axis(metric), tuple(series))


def _seconds(frame: pd.DataFrame) -> float:
    """The mean time of a case; nan where there is none."""
    for name in TIMES:
        rows = frame[(frame["metric"] == name) & (frame["status"] == "ok")]
        if len(rows):
            return float(rows["value"].mean())
    return math.nan


def _losses(config: Config, task: str, runs: Sequence[Mapping[str, Any]]) -> Chart:
    series = []
    for run in (run for run in runs if run["kind"] == "learned"):
        file = run_folder(config.name, task, run["run"], run["seeds"][0]) / LOSSES
        curve = _curve(file)
        if len(curve):
            steps, losses = (tuple(map(float, curve[k])) for k in ("step", "validation_loss"))
            series.append(Series(run["title"], run["kind"], steps, losses))
    return Chart(task, "step", "validation loss", tuple(series))


def _curve(file: Path) -> pd.DataFrame:
    """A training's curve; empty where a checkpoint was taken over."""
    if not file.is_file():
        return pd.DataFrame()
    try:
        curve = pd.read_csv(file)
        return curve[["step", "validation_loss"]].astype(float).dropna()
    except (KeyError, ValueError) as error:
        raise BadInput(
            "is no training curve", file=file, expected="step, validation_loss", found=str(error)
        ) from error


def _axis(metric: MetricPlugin) -> str:
    return f"{metric.title} ({metric.unit})" if metric.unit else metric.title


def _box_cells(series: Series) -> list[str]:
    quarters = np.percentile(series.y, [25, 50, 75])
    return [*(f"{q:.2f}" for q in quarters), str(len(series.y))]


def _point_cells(series: Series) -> list[str]:
    return [number_text(series.x[0], ".2f"), number_text(series.y[0], ".2f")]


def _curve_cells(series: Series) -> list[str]:
    best = int(np.argmin(series.y))
    return [f"{series.x[-1]:.0f}", f"{series.y[best]:.4f}", f"{series.x[best]:.0f}"]


_COLUMNS: dict[str, tuple[tuple[str, ...], Any]] = {
    "boxes": (("25 %", "Median", "75 %", "Cases"), _box_cells),
    "tradeoff": (("Time (s)", "Mean"), _point_cells),
    "losses": (("Steps", "Lowest validation loss", "At step"), _curve_cells),
}
_CELLS = {
    "boxes": "cells: quartiles over cases of the per-case mean over seeds",
    "tradeoff": "cells: means over cases; a method without a time is left out",
    "losses": "cells: of the first seed; weights taken over from another task have no curve",
}
