"""A grid of one setting's values: one row for each method, one column for each value."""

from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Any

from matplotlib.axes import Axes

from regbench.reports import cells
from regbench.reports.cells import Summary, summary_of
from regbench.reports.charts import Chart, Series, Style, picture
from regbench.reports.drawing import Mark, plain
from regbench.reports.model import Cell, Column, Table, TableRow, spread
from regbench.reports.notes import notes
from regbench.reports.request import Drawing, Request

KIND = {"fields": ["task", "setting", "metric", "grids"], "results": "own", "drawn": True}
NAMES = {"lambda": "$\\lambda$"}


@dataclass(frozen=True)
class Sweep:
    """The numbers behind a figure of a sweep.

    Attributes:
        setting: what is varied.
        title: of the metric, with its unit.
        values: of the setting, ascending.
        points: method title to a summary for each value.
        higher: whether a higher metric is better.
        cases: the cases behind the numbers, in words.
    """

    setting: str
    title: str
    values: tuple[float, ...]
    points: dict[str, list[Summary]]
    higher: bool
    cases: str

    def best(self, title: str) -> int | None:
        """Index of a method's best value; None if each value misses a case."""
        means = {i: s.mean for i, s in enumerate(self.points[title]) if s.n == s.total > 0}
        choose = max if self.higher else min
        return choose(means, key=means.__getitem__) if means else None


def build(request: Request) -> Drawing:
    """The grid of the report's own runs, as a table and as lines."""
    sweep = read_sweep(request)
    title = f"{request.results.tasks[request.report.id].data}, {sweep.cases}"
    chart = _chart(sweep, title)
    return Drawing(build_table(request, sweep), picture(request, [chart], STYLE))


def read_sweep(request: Request) -> Sweep:
    """The mean over label groups of the report's metric, for each method and value.

    A case counts if it has all label groups and seeds.
    """
    report, results = request.report, request.results
    setting, metric = report.content["setting"], request.metric(report.content["metric"])
    task = results.tasks[report.id]
    means = request.values(report.id, results.runs, metric)

    def summary(method: str, value: float) -> Summary:
        run = next(r for r in results.runs if r.method == method and r.settings[setting] == value)
        return summary_of(means[run.run].dropna(), task.cases)

    values = sorted({run.settings[setting] for run in results.runs})
    names = {run.method: run.base_title for run in results.runs}
    points = {title: [summary(name, value) for value in values] for name, title in names.items()}
    title = cells.with_unit(f"Average {metric.title}", metric.unit)
    about = f"{task.split} cases (n={task.cases})"
    return Sweep(setting, title, tuple(values), points, metric.direction == "higher", about)


def build_table(request: Request, sweep: Sweep) -> Table:
    """The table of a sweep; in each row the best value is marked and named."""
    report = request.report
    metric = request.metric(report.content["metric"])
    rows = []
    for title, points in sweep.points.items():
        best = sweep.best(title)
        row = [point.cell(metric.precision, i == best) for i, point in enumerate(points)]
        chosen = Cell("-" if best is None else cells.setting(sweep.values[best]))
        rows.append(TableRow(title, (*row, chosen)))
    names = [f"{sweep.setting}={cells.setting(value)}" for value in sweep.values]
    each = (Column(name, sweep.title, name, more=spread(name)) for name in names)
    about = notes(request.results, [report.id], [metric])
    caption = f"{report.caption} Measured on {sweep.cases}."
    return Table.of(replace(report, caption=caption), [*each, f"Best {sweep.setting}"], rows, about)


def _chart(sweep: Sweep, title: str) -> Chart:
    """A line for each method; a point whose band is itself is its best value."""
    series = []
    for name, points in sweep.points.items():
        means, best = tuple(point.mean for point in points), sweep.best(name)
        at = () if best is None else ((sweep.values[best],), (means[best],))
        series.append(Series(name, sweep.values, means, (), at or None))
    return Chart(title, NAMES.get(sweep.setting, sweep.setting), sweep.title, tuple(series))


def _paint(axes: Axes, chart: Chart, marks: Mapping[str, Mark]) -> None:
    for series in chart.series:
        colour, marker, dashes = marks[series.name]
        line: dict[str, Any] = {"marker": marker, "label": plain(series.label), "ms": 4, "lw": 1.2}
        axes.plot(series.x, series.y, dashes, color=colour, **line)
        if series.band:
            axes.plot(*series.band, "o", ms=10, mfc="none", color=colour)
    axes.set_xticks(chart.series[0].x if chart.series else [])


STYLE = Style(paint=_paint, inches=3.4, wide=3.3)
