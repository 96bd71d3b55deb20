"""What charts share: axes for each task, the table of what is drawn, and the figure."""

import math
import textwrap
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from regbench.plugins.kinds import MetricPlugin
from regbench.reports.drawing import SMALL, TINY, WIDTHS, Mark, method_marks, pictures, plain, plt
from regbench.reports.model import Cell, Table, TableRow
from regbench.reports.notes import notes
from regbench.reports.request import Drawing, Request
from regbench.reports.results import RunFacts


@dataclass(frozen=True)
class Series:
    """A line, box or point: the title of its method, and numbers; a box has `y` alone.

    `row` are the texts of its row in the table. `band`: the lower and the upper end of a band
    around a line, or of a point's interval. `cases`: `n=3/4` where cases are missing, else empty.
    """

    name: str
    x: tuple[float, ...]
    y: tuple[float, ...]
    row: tuple[str, ...] = ()
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
class Style:
    """How a kind of charts is told and drawn.

    Attributes:
        paint: draws a chart on axes; also given the mark of each method, by its title.
        titles: of the table's columns, after that of the chart.
        about: what the cells are.
        inches: height of a chart.
        wide: least width of a chart, inches: as many stand side by side as fit.
        legend: whether the figure needs one.
        common: whether charts with the same label of the vertical axis have one scale.
    """

    paint: Callable[[Axes, Chart, Mapping[str, Mark]], None]
    titles: tuple[str, ...] = ()
    about: str = ""
    inches: float = 2.6
    wide: float = 2.1
    legend: bool = True
    common: bool = False


def build_charts(
    request: Request, style: Style, read: Callable[[Request, str, MetricPlugin], list[Chart]]
) -> Drawing:
    """The charts of the report's tasks: a row for each chart and method, and the figure.

    `read` makes a task and the report's metric into charts; those without series are left out.
    """
    metric = request.metric(request.report.content["metric"])
    made = {task: read(request, task, metric) for task in request.tasks}
    charts = [chart for of_task in made.values() for chart in of_task if chart.series]
    rows = [
        TableRow(series.label, tuple(map(Cell, (chart.title, *series.row))))
        for chart in charts
        for series in chart.series
    ]
    remarks = [
        *(
            f"no chart of task {task}: no method has a {metric.id} there"
            for task, of_task in made.items()
            if not any(chart.series for chart in of_task)
        ),
        *(f"{chart.title}: no value of {name}" for chart in charts for name in chart.absent),
        *notes(request.results, list(made), [metric], style.about),
    ]
    table = Table.of(request.report, ["Chart", *style.titles], rows, remarks)
    return Drawing(table, picture(request, charts, style))


def without_value(values: pd.DataFrame, runs: Sequence[RunFacts]) -> tuple[str, ...]:
    """The titles of the runs that have no value of any case."""
    return tuple(run.title for run in runs if not values[run.run].notna().any())


def cases_of(values: pd.Series) -> str:
    """`n=3/4` where a run lacks the value of a case that another run has."""
    known = int(values.notna().sum())
    return "" if known == len(values) else f"n={known}/{len(values)}"


def paint_ladder(axes: Axes, chart: Chart, marks: Mapping[str, Mark]) -> None:
    """A line for each method, the first on top: its point, and the interval if it has one."""
    for k, series in enumerate(chart.series):
        colour, marker, _ = marks[series.name]
        axes.plot(series.x, [k], marker, ms=5, color=colour)
        if series.band:
            axes.plot([end for (end,) in series.band], [k, k], color=colour, lw=1.2)
    axes.set_yticks(range(len(chart.series)), [plain(s.label) for s in chart.series])
    axes.set_ylim(len(chart.series) - 0.5, -0.5)


def picture(request: Request, charts: Sequence[Chart], style: Style) -> Callable[[str], bytes]:
    """What gives the charts as a picture, with the config's marks and the report's width."""
    names = list(dict.fromkeys(s.name for chart in charts for s in chart.series))
    marks = method_marks(request.config, names)
    width = request.report.content.get("width", "174mm")
    return pictures(lambda: draw(charts, style, marks, width))


def draw(
    charts: Sequence[Chart], style: Style, marks: Mapping[str, Mark], wide: str = "174mm"
) -> Figure:
    """The figure of the charts."""
    width = WIDTHS[wide]
    across = min(max(1, int(width / style.wide)), max(1, len(charts)))
    down = max(1, math.ceil(len(charts) / across))
    figure, grid = plt.subplots(
        down, across, figsize=(width, down * style.inches), layout="constrained", squeeze=False
    )
    places = list(grid.flat)
    for axes, chart in zip(places, charts, strict=False):
        style.paint(axes, chart, marks)
        lacking = f"no value: {', '.join(chart.absent)}" if chart.absent else ""
        folded = (textwrap.fill(text, int(width / across * 14)) for text in (chart.title, lacking))
        axes.set_title(plain("\n".join(filter(None, folded))), fontsize=SMALL)
        axes.set_xlabel(chart.x, fontsize=SMALL)
        axes.set_ylabel(chart.y, fontsize=SMALL)
        axes.tick_params(labelsize=TINY)
        axes.grid(alpha=0.3, lw=0.5)
    for label in {chart.y for chart in charts} if style.common else ():
        alike = [axes for axes, chart in zip(places, charts, strict=False) if chart.y == label]
        ends = [end for axes in alike for end in axes.get_ylim()]
        for axes in alike:
            axes.set_ylim(min(ends), max(ends))
    for axes in places[len(charts) :]:
        axes.set_axis_off()
    if not charts:
        places[0].text(0.5, 0.5, "nothing to draw: see the notes", ha="center", va="center")
    elif style.legend:
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
    return figure
