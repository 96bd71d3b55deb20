"""A grid of one setting's values: a row a method, a column a value, the best value named."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING

from regbench.plugins.catalog import lookup
from regbench.plugins.kinds import MetricPlugin, ReportPlugin
from regbench.reports import cells
from regbench.reports.cells import Summary, case_means, summary_of
from regbench.reports.model import Cell, Column, Table, TableRow
from regbench.reports.notes import notes
from regbench.reports.request import Drawing, Request

if TYPE_CHECKING:
    from regbench.reports.results import Results

FIELDS = ("task", "setting", "metric", "grids")
RESULTS = "own"
DRAWN = True
#: Each colour has a marker of its own.
MARKERS = "os^DvPX<>*"
NAMES = {"lambda": "$\\lambda$"}


def build(request: Request) -> Drawing:
    """The grid of the report's own runs, as a table and as lines."""
    report, results = request.report, request.results
    sweep = read_sweep(report, results, request.metrics)
    title = f"{results.tasks[report.id].data}, {sweep.cases}"
    table = build_sweep(report, sweep, results, request.metrics)
    return Drawing(table, lambda ending: draw(sweep, title, ending))


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
    report: ReportPlugin, results: Results, metrics: Mapping[str, MetricPlugin]
) -> Sweep:
    """The mean over label groups of the report's metric, for each method and value.

    A case counts when it has all label groups and seeds.

    Args:
        report: its definition.
        results: of the grid.
        metrics: metadata by id.
    """
    metric = lookup(dict(metrics), report.content["metric"], "metric", report.file)
    setting = report.content["setting"]
    task, frame = results.tasks[report.id], results.frame
    groups = list(task.labels) if metric.labelled else [""]
    here = frame[(frame["metric"] == metric.id) & frame["label"].isin(groups)]

    def summary(method: str, value: float) -> Summary:
        run = next(r for r in results.runs if r.method == method and r.settings[setting] == value)
        means = case_means(here[here["run"] == run.run], len(groups), len(run.seeds))
        return summary_of(means, task.cases)

    values = sorted({run.settings[setting] for run in results.runs})
    names = {run.method: run.base_title for run in results.runs}
    points = {title: [summary(name, value) for value in values] for name, title in names.items()}
    title = cells.with_unit(f"Average {metric.title}", metric.unit)
    about = f"{task.split} cases (n={task.cases})"
    return Sweep(setting, title, tuple(values), points, metric.direction == "higher", about)


def build_sweep(
    report: ReportPlugin, sweep: Sweep, results: Results, metrics: Mapping[str, MetricPlugin]
) -> Table:
    """The table of a sweep; in each row the best value is marked and named."""
    names = [f"{sweep.setting}={cells.setting(value)}" for value in sweep.values]
    metric = metrics[report.content["metric"]]
    rows = []
    for title, points in sweep.points.items():
        best = sweep.best(title)
        row = [
            Cell(s.text(metric.precision), s.mean if s.n else None, best=i == best, n=s.n)
            for i, s in enumerate(points)
        ]
        chosen = Cell("-" if best is None else cells.setting(sweep.values[best]))
        rows.append(TableRow(title, (*row, chosen), ranked=False))
    return Table(
        title=report.title,
        caption=f"{report.caption} Measured on {sweep.cases}.",
        columns=(
            *(Column(name, sweep.title, name) for name in names),
            Column(f"Best {sweep.setting}"),
        ),
        rows=tuple(rows),
        notes=tuple(notes(results, [report.id], results.frame, [metric.id], metrics)),
    )


def draw(sweep: Sweep, title: str, ending: str) -> bytes:
    """The figure as `png` (200 dpi) or `pdf`; the same bytes for the same numbers."""
    from regbench.reports.drawing import COLOURS, plt, to_bytes

    figure, axes = plt.subplots(figsize=(5.2, 3.6), layout="constrained")
    for i, (name, points) in enumerate(sweep.points.items()):
        colour, marker = COLOURS[i % len(COLOURS)], MARKERS[i % len(MARKERS)]
        means = [s.mean for s in points]
        axes.plot(sweep.values, means, color=colour, marker=marker, label=name, markersize=5)
        best = sweep.best(name)
        if best is not None:
            at = (sweep.values[best], means[best])
            axes.plot(*at, marker="o", markersize=11, markerfacecolor="none", color=colour)
    axes.set_xticks(sweep.values)
    axes.set_xlabel(NAMES.get(sweep.setting, sweep.setting))
    axes.set_ylabel(sweep.title)
    axes.set_title(title, fontsize=9)
    axes.grid(alpha=0.3)
    axes.legend(fontsize=8, frameon=False)
    return to_bytes(figure, ending)
