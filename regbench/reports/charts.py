"""What charts share: axes for each task, the table of what is drawn, and the figure."""

from __future__ import annotations

import math
import textwrap
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

from regbench.reports.model import Cell, Column, Table, TableRow
from regbench.reports.notes import notes
from regbench.reports.palette import Mark, method_marks
from regbench.reports.request import Drawing, Request, runs_of, tasks_of

if TYPE_CHECKING:
    import pandas as pd
    from matplotlib.axes import Axes

    from regbench.reports.results import RunFacts


@dataclass(frozen=True)
class Series:
    """A line, box or point: the title and kind of its method, and numbers; a box has `y` alone.

    `band`: the lower and the upper end of a band around a line, or of a point's interval. `cases`:
    `n=3/4` where cases are missing, else empty.
    """

    name: str
    kind: str
    x: tuple[float, ...]
    y: tuple[float, ...]
    band: tuple[tuple[float, ...], tuple[float, ...]] | None = None
    cases: str = ""

    @property
    def label(self) -> str:
        """The name as it is printed."""
        return f"{self.name} ({self.cases})" if self.cases else self.name


@dataclass(frozen=True)
class Chart:
    """One pair of axes: its title, the labels of the axes, and what is drawn.

    `absent` are the methods that have nothing to draw; `distance` is a critical difference.
    """

    title: str
    x: str
    y: str
    series: tuple[Series, ...]
    absent: tuple[str, ...] = ()
    distance: float = math.nan


@dataclass(frozen=True, kw_only=True)
class Look:
    """How charts are drawn.

    Attributes:
        paint: draws a chart on axes; also given the mark of each method, by its title.
        inches: height of a chart.
        wide: least width of a chart, inches: as many stand side by side as fit.
        legend: whether the figure needs one.
        common: whether charts with the same label of the vertical axis have one scale.
    """

    paint: Callable[[Axes, Chart, Mapping[str, Mark]], None]
    inches: float = 2.6
    wide: float = 2.1
    legend: bool = True
    common: bool = False


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
    read = {task: style.read(request, task, runs_of(report, results, task)) for task in tasks}
    charts = [chart for made in read.values() for chart in made if chart.series]
    metric = report.content["metric"]
    empty = [
        f"no chart of task {task}: no method has a {metric} there"
        for task, made in read.items()
        if not any(chart.series for chart in made)
    ]
    about = notes(results, tasks, [request.metrics[metric]], style.about)
    table = Table(
        title=report.title,
        caption=report.caption,
        columns=(Column("Chart"), *map(Column, style.titles)),
        rows=tuple(
            TableRow(s.label, (Cell(chart.title), *map(Cell, style.cells(s))), ranked=False)
            for chart in charts
            for s in chart.series
        ),
        notes=(*empty, *(f"{c.title}: no value of {n}" for c in charts for n in c.absent), *about),
    )
    return Drawing(table, picture(request, charts, style))


def without_value(values: pd.DataFrame, runs: Sequence[RunFacts]) -> tuple[str, ...]:
    """The titles of the runs that have no value of any case."""
    return tuple(run.title for run in runs if not values[run.run].notna().any())


def cases_of(values: pd.Series) -> str:
    """`n=3/4` where a run lacks the value of a case that another run has."""
    known = int(values.notna().sum())
    return "" if known == len(values) else f"n={known}/{len(values)}"


def picture(request: Request, charts: Sequence[Chart], look: Look) -> Callable[[str], bytes]:
    """What draws the charts for an ending, with the config's marks and the report's width."""
    names = list(dict.fromkeys(s.name for chart in charts for s in chart.series))
    marks = method_marks(request.config, names)
    width = request.report.content.get("width", "174mm")
    return lambda ending: draw(charts, look, ending, marks, width)


def draw(
    charts: Sequence[Chart], look: Look, ending: str, marks: Mapping[str, Mark], wide: str = "174mm"
) -> bytes:
    """The figure as `png` (300 dpi) or `pdf`; the same bytes for the same numbers."""
    from regbench.reports.drawing import SMALL, TINY, WIDTHS, plain, plt, to_bytes

    width = WIDTHS[wide]
    across = min(max(1, int(width / look.wide)), max(1, len(charts)))
    down = max(1, math.ceil(len(charts) / across))
    figure, grid = plt.subplots(
        down, across, figsize=(width, down * look.inches), layout="constrained", squeeze=False
    )
    places = list(grid.flat)
    for axes, chart in zip(places, charts, strict=False):
        look.paint(axes, chart, marks)
        lacking = f"no value: {', '.join(chart.absent)}" if chart.absent else ""
        folded = (textwrap.fill(text, int(width / across * 14)) for text in (chart.title, lacking))
        axes.set_title(plain("\n".join(filter(None, folded))), fontsize=SMALL)
        axes.set_xlabel(chart.x, fontsize=SMALL)
        axes.set_ylabel(chart.y, fontsize=SMALL)
        axes.tick_params(labelsize=TINY)
        axes.grid(alpha=0.3, lw=0.5)
    for label in {chart.y for chart in charts} if look.common else ():
        alike = [axes for axes, chart in zip(places, charts, strict=False) if chart.y == label]
        ends = [axes.get_ylim() for axes in alike]
        for axes in alike:
            axes.set_ylim(min(low for low, _ in ends), max(high for _, high in ends))
    for axes in places[len(charts) :]:
        axes.set_axis_off()
    if not charts:
        places[0].text(0.5, 0.5, "nothing to draw: see the notes", ha="center", va="center")
    elif look.legend:
        shown = {h.get_label(): h for axes in places for h in axes.get_lines()}
        lines = {name: line for name, line in shown.items() if not str(name).startswith("_")}
        # As many columns as the longest name leaves room for.
        room = int(width / (0.5 + 0.065 * max(map(len, map(str, lines)))))
        figure.legend(
            handles=list(lines.values()),
            loc="outside lower center",
            ncols=min(6, max(1, room)),
            fontsize=TINY,
            frameon=False,
        )
    return to_bytes(figure, ending)
