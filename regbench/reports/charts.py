"""What charts share: axes for each task, the table of what is drawn, and the figure."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

from regbench.reports.model import Cell, Column, Table, TableRow
from regbench.reports.notes import notes
from regbench.reports.request import Drawing, Request, runs_of, tasks_of

if TYPE_CHECKING:
    from matplotlib.axes import Axes

    from regbench.reports.results import RunFacts

#: Inches of a page's width; charts side by side.
WIDTH, ACROSS = 7.2, 3
SMALL = 6.5


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


@dataclass(frozen=True)
class Style:
    """How a kind of charts is told and drawn.

    Attributes:
        titles: of the table's columns, after that of the chart.
        cells: a series to the texts of these columns.
        about: what the cells are.
        paint: draws a chart on axes; also given the names of all methods, in order.
        inches: height of a chart.
        legend: whether the figure needs one.
    """

    titles: tuple[str, ...]
    cells: Callable[[Series], Sequence[str]]
    about: str
    paint: Callable[[Axes, Chart, Sequence[str]], None]
    inches: float = 2.6
    legend: bool = True


#: A task and its runs to its charts.
Reader = Callable[[str, "list[RunFacts]"], "list[Chart]"]


def build_charts(request: Request, read: Reader, style: Style) -> Drawing:
    """The charts of the report's tasks: a row for each chart and method, and the figure."""
    charts = read_charts(request, read)
    report, results = request.report, request.results
    rows = [
        TableRow(s.name, (Cell(chart.title), *map(Cell, style.cells(s))), ranked=False)
        for chart in charts
        for s in chart.series
    ]
    tasks = tasks_of(report, results)
    metric = report.content.get("metric")
    shown = [] if metric is None else [request.metrics[metric]]
    what = metric or "validation loss"
    drawn = {chart.title.partition(": ")[0] for chart in charts}
    empty = [f"no chart of task {t}: no method has a {what} there" for t in tasks if t not in drawn]
    about = notes(results, tasks, shown, style.about)
    table = Table(
        title=report.title,
        caption=report.caption,
        columns=(Column("Chart"), *(Column(title) for title in style.titles)),
        rows=tuple(rows),
        notes=(*empty, *about),
    )
    return Drawing(table, lambda ending: draw(charts, style, ending))


def read_charts(request: Request, read: Reader) -> list[Chart]:
    """The charts that have anything to show, task by task."""
    report, results = request.report, request.results
    charts = [
        chart
        for task in tasks_of(report, results)
        for chart in read(task, runs_of(report, results, task))
    ]
    return [chart for chart in charts if chart.series]


def draw(charts: Sequence[Chart], style: Style, ending: str) -> bytes:
    """The figure as `png` (200 dpi) or `pdf`; the same bytes for the same numbers.

    Args:
        charts: what to draw.
        style: of their kind.
        ending: `png` or `pdf`.
    """
    from regbench.reports.drawing import plain, plt, to_bytes

    across = min(ACROSS, max(1, len(charts)))
    down = max(1, math.ceil(len(charts) / across))
    figure, grid = plt.subplots(
        down, across, figsize=(WIDTH, down * style.inches), layout="constrained", squeeze=False
    )
    names = list(dict.fromkeys(s.name for chart in charts for s in chart.series))
    places = list(grid.flat)
    for axes, chart in zip(places, charts, strict=False):
        style.paint(axes, chart, names)
        axes.set_title(plain(chart.title), fontsize=SMALL + 1)
        axes.set_xlabel(chart.x, fontsize=SMALL)
        axes.set_ylabel(chart.y, fontsize=SMALL)
        axes.tick_params(labelsize=SMALL - 0.5)
        axes.grid(alpha=0.3, lw=0.5)
    for axes in places[len(charts) :]:
        axes.set_axis_off()
    if not charts:
        places[0].text(0.5, 0.5, "nothing to draw: see the notes", ha="center", va="center")
    elif style.legend:
        shown = {h.get_label(): h for axes in places for h in axes.get_lines()}
        lines = [shown[plain(name)] for name in names if plain(name) in shown]
        figure.legend(
            handles=lines, loc="outside lower center", ncols=6, fontsize=SMALL, frameon=False
        )
    return to_bytes(figure, ending)
