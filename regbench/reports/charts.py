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


@dataclass(frozen=True)
class Series:
    """A line, box or point: the title and kind of its method, and numbers; a box has `y` alone.

    `band`: the lower and the upper end of a band around a line.
    """

    name: str
    kind: str
    x: tuple[float, ...]
    y: tuple[float, ...]
    band: tuple[tuple[float, ...], tuple[float, ...]] | None = None


@dataclass(frozen=True)
class Chart:
    """One pair of axes: its title, the labels of the axes, and what is drawn."""

    title: str
    x: str
    y: str
    series: tuple[Series, ...]


@dataclass(frozen=True, kw_only=True)
class Look:
    """How charts are drawn.

    Attributes:
        paint: draws a chart on axes; also given the names of all methods, in order.
        inches: height of a chart.
        across: charts side by side, at most.
        legend: whether the figure needs one.
    """

    paint: Callable[[Axes, Chart, Sequence[str]], None]
    inches: float = 2.6
    across: int = 3
    legend: bool = True


@dataclass(frozen=True, kw_only=True)
class Style(Look):
    """How a kind of charts is read, told and drawn.

    Attributes:
        read: makes a task and its runs into charts; those without series are left out.
        titles: of the table's columns, after that of the chart.
        cells: a series to the texts of these columns.
        about: what the cells are.
    """

    read: Callable[[Request, str, list[RunFacts]], list[Chart]]
    titles: tuple[str, ...]
    cells: Callable[[Series], Sequence[str]]
    about: str


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
    metric = report.content["metric"]
    drawn = {chart.title.partition(": ")[0] for chart in charts}
    empty = [
        f"no chart of task {task}: no method has a {metric} there"
        for task in tasks
        if task not in drawn
    ]
    about = notes(results, tasks, [request.metrics[metric]], style.about)
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
    return Drawing(table, lambda ending: draw(charts, style, ending))


def draw(charts: Sequence[Chart], look: Look, ending: str) -> bytes:
    """The figure as `png` (200 dpi) or `pdf`; the same bytes for the same numbers."""
    from regbench.reports.drawing import SMALL, WIDTH, plain, plt, to_bytes

    across = min(look.across, max(1, len(charts)))
    down = max(1, math.ceil(len(charts) / across))
    figure, grid = plt.subplots(
        down, across, figsize=(WIDTH, down * look.inches), layout="constrained", squeeze=False
    )
    names = list(dict.fromkeys(s.name for chart in charts for s in chart.series))
    places = list(grid.flat)
    for axes, chart in zip(places, charts, strict=False):
        look.paint(axes, chart, names)
        axes.set_title(plain(chart.title), fontsize=SMALL + 1)
        axes.set_xlabel(chart.x, fontsize=SMALL)
        axes.set_ylabel(chart.y, fontsize=SMALL)
        axes.tick_params(labelsize=SMALL - 0.5)
        axes.grid(alpha=0.3, lw=0.5)
    for axes in places[len(charts) :]:
        axes.set_axis_off()
    if not charts:
        places[0].text(0.5, 0.5, "nothing to draw: see the notes", ha="center", va="center")
    elif look.legend:
        shown = {h.get_label(): h for axes in places for h in axes.get_lines()}
        lines = [shown[plain(name)] for name in names if plain(name) in shown]
        # As many columns as the longest name leaves room for.
        room = int(WIDTH / (0.45 + 0.05 * max(map(len, names))))
        figure.legend(
            handles=lines,
            loc="outside lower center",
            ncols=min(6, max(1, room)),
            fontsize=SMALL,
            frameon=False,
        )
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
        if series.band:
            low, high = series.band
            axes.fill_between(series.x, low, high, color=colour, alpha=0.2, lw=0)
