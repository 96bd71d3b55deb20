"""A grid of one setting's values: a row a method, a column a value, the best value named."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import pandas as pd

from regbench.plugins.kinds import MetricPlugin, ReportPlugin
from regbench.reports.model import Cell, Column, Table, TableRow
from regbench.reports.notes import notes
from regbench.reports.summary import Summary, case_means, summary_of


@dataclass(frozen=True)
class Sweep:
    """The numbers behind a figure of a sweep.

    Attributes:
        setting: what is varied.
        title: of the metric, with its unit.
        values: of the setting, ascending.
        points: method title to a summary for each value.
        higher: whether a higher metric is better.
        cases: which cases the numbers are of, in words.
    """

    setting: str
    title: str
    values: tuple[float, ...]
    points: dict[str, list[Summary]]
    higher: bool
    cases: str

    def best(self, title: str) -> int | None:
        """Index of a method's best value; None where a case is missing everywhere."""
        means = {i: s.mean for i, s in enumerate(self.points[title]) if s.n == s.total > 0}
        choose = max if self.higher else min
        return choose(means, key=means.__getitem__) if means else None


def read_sweep(
    report: ReportPlugin,
    frame: pd.DataFrame,
    facts: Mapping[str, Any],
    metrics: Mapping[str, MetricPlugin],
) -> Sweep:
    """The mean over label groups of the report's metric, for each method and value.

    Args:
        report: its definition.
        frame, facts: collected results of the grid.
        metrics: metadata by id.
    """
    metric = metrics[report.content["metric"]]
    setting = report.content["setting"]
    task = facts["tasks"][report.id]
    here = frame[(frame["metric"] == metric.id) & frame["label"].isin(list(task["labels"]))]
    values = sorted({run["settings"][setting] for run in facts["runs"]})
    names = {run["method"]: run["base_title"] for run in facts["runs"]}
    points = {
        title: [
            _average(here, _run(facts, method, setting, value), len(task["labels"]), task["cases"])
            for value in values
        ]
        for method, title in names.items()
    }
    title = f"Average {metric.title} ({metric.unit})"
    cases = f"{task['split']} cases (n={task['cases']})"
    return Sweep(setting, title, tuple(values), points, metric.direction == "higher", cases)


def build_sweep(
    report: ReportPlugin,
    sweep: Sweep,
    frame: pd.DataFrame,
    facts: Mapping[str, Any],
    metrics: Mapping[str, MetricPlugin],
) -> Table:
    """The table of a sweep; in each row the best value is marked and named."""
    columns = [
        Column(f"{sweep.setting}={value:g}", sweep.title, f"{sweep.setting}={value:g}")
        for value in sweep.values
    ]
    precision = metrics[report.content["metric"]].precision
    rows = []
    for title, points in sweep.points.items():
        best = sweep.best(title)
        cells = [
            Cell(s.text(precision), s.mean if s.n else None, best=i == best, n=s.n)
            for i, s in enumerate(points)
        ]
        chosen = Cell("-" if best is None else f"{sweep.values[best]:g}")
        rows.append(TableRow(title, (*cells, chosen), ranked=False))
    about = notes(facts, [report.id], frame, [report.content["metric"]], metrics)
    return Table(
        title=report.title,
        caption=f"{report.caption} Measured on {sweep.cases}.",
        columns=(*columns, Column(f"Best {sweep.setting}")),
        rows=tuple(rows),
        notes=tuple(about),
    )


def _run(facts: Mapping[str, Any], method: str, setting: str, value: float) -> dict[str, Any]:
    return next(
        run
        for run in facts["runs"]
        if run["method"] == method and run["settings"][setting] == value
    )


def _average(frame: pd.DataFrame, run: Mapping[str, Any], labels: int, total: int) -> Summary:
    """Over cases, of the mean over label groups; a case counts when it has them all."""
    own = frame[frame["run"] == run["run"]]
    return summary_of(case_means(own, labels, len(run["seeds"])), total)
