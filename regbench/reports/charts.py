"""What charts share: axes for each task, the table of what is drawn, and the figure."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from regbench.reports.model import Cell, Column, Table, TableRow
from regbench.reports.notes import notes
from regbench.reports.request import Drawing, Request, runs_of, tasks_of

if TYPE_CHECKING:
    from matplotlib.axes import Axes

    from regbench.reports.results import RunFacts

#: Charts side by side, at most.
ACROSS = 3


@dataclass(frozen=True)
class Series:
    """A line, box or point: the title and kind of its method, and numbers; a box has `y` alone."""

    name: str
    kind: str
    x: tuple[float, ...]
    y: tuple[float, ...]


@dataclass(frozen=True)
class Chart:
    """One pair of axes: its title, the labels of the axes, and what is drawn."""

    title: str
    x: str
    y: str
    series: tuple[Series, ...]


#: Draws a chart on axes; also given the names of all methods, in order.
Painter = Callable[["Axes", Chart, Sequence[str]], None]


@dataclass(frozen=True)
class Style:
    """How a kind of charts is read, told and drawn.

    Attributes:
        read: makes a task and its runs into charts; those without series are left out.
        titles: of the table's columns, after that of the chart.
        cells: a series to the texts of these columns.
        about: what the cells are.
        paint: see `Painter`.
        inches: height of a chart.
        legend: whether the figure needs one.
    """

    read: Callable[[Request, str, list[RunFacts]], list[Chart]]
    titles: tuple[str, ...]
    cells: Callable[[Series], Sequence[str]]
    about: str
    paint: Painter
    inches: float = 2.6
    legend: bool = True


def build_charts(request: Request, style: Style) -> Drawing:
    """The charts of the report's tasks: a row for each chart and method, and the figure."""
    report, results = request.report, request.results
    tasks = tasks_of(report, results)
    charts = [
        chart
        for task in tasks
        for chart in style.read(request, task, runs_of(report, results, task))
        if chart.series
    ]
    metric = report.content.get("metric")
    drawn = {chart.title.partition(": ")[0] for chart in charts}
    empty = [
        f"no chart of task {task}: no method has a {metric or 'validation loss'} there"
        for task in tasks
        if task not in drawn
    ]
    shown = [] if metric is None else [request.metrics[metric]]
    about = notes(results, tasks, shown, style.about)
    table = Table(
        title=report.title,
        caption=report.caption,
        columns=(Column("Chart"), *map(Column, style.titles)),
        rows=tuple(
            TableRow(s.name, (Cell(chart.title), *map(Cell, style.cells(s))), ranked=False)
            for chart in charts
            for s in chart.series
        ),
        notes=(*empty, *about),
    )
    look = style.inches, style.legend
    return Drawing(table, lambda ending: draw(charts, style.paint, ending, *look))


def draw(
    charts: Sequence[Chart], paint: Painter, ending: str, inches: float = 2.6, legend: bool = True
) -> bytes:
    """The figure as `png` (200 dpi) or `pdf`; the same bytes for the same numbers."""
    from regbench.reports.drawing import SMALL, WIDTH, plain, plt, to_bytes

    across = min(ACROSS, max(1, len(charts)))
    down = max(1, math.ceil(len(charts) / across))
    figure, grid = plt.subplots(
        down, across, figsize=(WIDTH, down * inches), layout="constrained", squeeze=False
    )
    names = list(dict.fromkeys(s.name for chart in charts for s in chart.series))
    places = list(grid.flat)
    for axes, chart in zip(places, charts, strict=False):
        paint(axes, chart, names)
        axes.set_title(plain(chart.title), fontsize=SMALL + 1)
        axes.set_xlabel(chart.x, fontsize=SMALL)
        axes.set_ylabel(chart.y, fontsize=SMALL)
        axes.tick_params(labelsize=SMALL - 0.5)
        axes.grid(alpha=0.3, lw=0.5)
    for axes in places[len(charts) :]:
        axes.set_axis_off()
    if not charts:
        places[0].text(0.5, 0.5, "nothing to draw: see the notes", ha="center", va="center")
    elif legend:
        shown = {h.get_label(): h for axes in places for h in axes.get_lines()}
        lines = [shown[plain(name)] for name in names if plain(name) in shown]
        # As many columns as the longest name leaves room for.
        room = int(WIDTH / (0.45 + 0.05 * max(map(len, names))))
        place = {"loc": "outside lower center", "ncols": min(6, max(1, room))}
        figure.legend(handles=lines, fontsize=SMALL, frameon=False, **place)
    return to_bytes(figure, ending)


def plot_series(
    axes: Axes, chart: Chart, names: Sequence[str], marks: Sequence[str], **style: Any
) -> None:
    """Plot each series; a method has the same colour and mark in all charts of a figure.

    `marks` are matplotlib's formats of markers or dashes.
    """
    from regbench.reports.drawing import look, plain

    for series in chart.series:
        colour, mark = look(names.index(series.name), marks)
        axes.plot(series.x, series.y, mark, color=colour, label=plain(series.name), **style)
