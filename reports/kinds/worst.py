"""A gallery: the worst cases of each method by a metric, as pictures."""

import math
from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from numpy.typing import NDArray

from regbench.reports import cells, planes
from regbench.reports.case_figure import CaseFigure, figure_of, missing_fields
from regbench.reports.case_figure_picture import GREYS, Picture, Tile, View, arrow_head, handles_of
from regbench.reports.drawing import TINY, WIDTHS, fitted, pictures, plain, plt
from regbench.reports.model import Cell, Table, TableRow
from regbench.reports.notes import notes
from regbench.reports.request import Drawing, Request
from regbench.reports.results import task_cases

KIND = {
    "fields": ["task", "metric"],
    "drawn": True,
    "inputs": ["layout", "cases"],
}
#: Cases of a method, where the yaml does not say.
CASES = 2
ABOUT = (
    "cells: the case's mean over label groups and seeds; the median is the method's own, over its"
    " cases. The picture is of its first seed, in the plane where the warped labels"
    " miss most, among those with the most organs",
    "contours: the fixed image's labels; the arrow points to the largest disagreement",
)


@dataclass(frozen=True)
class Flat:
    """One plane of a case: all that a picture of it takes, without its volumes."""

    drawn: CaseFigure
    tile: Tile
    view: View

    @classmethod
    def of(cls, drawn: CaseFigure) -> "Flat":
        """The first plane of a case with one method."""
        view, region = View.of(drawn, drawn.regions[0]), replace(drawn.regions[0], index=0)
        axis, index = planes.AXES[region.view][0], [view.enlarged.index]

        def flat(data: NDArray | None) -> NDArray | None:
            return None if data is None else np.take(data, index, axis=axis)

        moving, panel = drawn.moving.image, drawn.panels[0]
        assert moving is not None
        fixed = replace(drawn.fixed, data=np.take(drawn.fixed.data, index, axis=axis))
        panel = replace(panel, image=flat(panel.image), labels=flat(panel.labels))
        drawn = replace(drawn, fixed=fixed, labels=flat(drawn.labels), panels=(panel,))
        tile = Tile("", "", panel.image, planes.window(moving), panel)
        view = replace(view, enlarged=region, whole=replace(view.whole, index=0))
        return cls(replace(drawn, moving=panel, regions=(region,)), tile, view)

    def paint(self, axes: Axes, *, lettered: bool) -> None:
        """Draw it."""
        picture = Picture(axes, self.drawn, GREYS, self.tile, self.view)
        picture.draw(self.view.whole, lettered=lettered)
        picture.arrow()


def build(request: Request) -> Drawing:
    """A picture and a row for each method and case, the worst of a method first."""
    (task,) = request.tasks
    metric = request.metric(request.report.content["metric"])
    runs = [run for run in request.runs(task) if run.kind != "control"]
    values, cases = request.values(task, runs, metric), task_cases(request.config, task)
    title = cells.axis(metric)
    rows: list[TableRow] = []
    shown: list[tuple[tuple[str, str, str], Flat]] = []
    for run in runs:
        known = values[run.run].dropna().sort_values(ascending=metric.direction == "higher")
        whys = missing_fields(request.config, run)
        for name, value in known.head(request.report.content.get("cases", CASES)).items():
            case, why = str(name), whys[str(name)]
            numbers = [
                Cell(cells.decimals(x, metric.precision), x) for x in (value, known.median())
            ]
            if not why:
                drawn = figure_of(request, task, cases[case], "", [(run, "")])
                why = drawn.panels[0].why
                lines = run.title, case, f"{metric.title} {numbers[0].text} {metric.unit}"
                shown += [] if why else [(lines, Flat.of(drawn))]
            rows.append(TableRow(run.title, (Cell(case), *numbers, Cell(why or "drawn"))))
    columns = ["Case", title, f"{title}, median", "Status"]
    absent = [f"no value of {run.title}" for run in runs if not values[run.run].notna().any()]
    about = [*ABOUT, *absent, *notes(request.results, [task], [metric])]
    table = Table.of(request.report, columns, rows, about)
    return Drawing(table, pictures(lambda: draw(shown)))


def draw(shown: Sequence[tuple[Sequence[str], Flat]]) -> Figure:
    """The figure; `shown` are the pictures, each with the lines above it."""
    across, width = 4, WIDTHS["174mm"]
    down = max(1, math.ceil(len(shown) / across))
    figure, grid = plt.subplots(
        down, across, figsize=(width, 1.9 * down + 0.2), layout="constrained", squeeze=False
    )
    for axes in grid.flat:
        axes.set_axis_off()
    for axes, (lines, picture) in zip(grid.flat, shown, strict=False):
        picture.paint(axes, lettered=axes is grid[0, 0])
        text = "\n".join(plain(fitted(line, 0.72 * width / across, TINY)) for line in lines)
        axes.set_title(text, fontsize=TINY)
    if shown:
        arrows = any(arrow_head(p.drawn, p.tile.panel, p.view.enlarged) for _, p in shown)
        # A case may lack labels, and the organs of another then have no name.
        drawn = max((picture.drawn for _, picture in shown), key=lambda drawn: len(drawn.organs))
        handles = list(handles_of(drawn, [picture.view for _, picture in shown], arrows=arrows))
        figure.legend(
            handles=handles, loc="outside lower center", ncols=5, fontsize=TINY, frameon=False
        )
    else:
        grid[0, 0].text(0.5, 0.5, "nothing to draw: see the notes", ha="center", va="center")
    return figure
