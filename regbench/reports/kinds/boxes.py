"""Boxes: a metric's spread over cases, for each label group."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING

from regbench.reports import cells
from regbench.reports.cells import case_values
from regbench.reports.charts import Chart, Series, Style, build_charts, cases_of, without_value
from regbench.reports.palette import Mark
from regbench.reports.request import Drawing, Request

if TYPE_CHECKING:
    from matplotlib.axes import Axes

    from regbench.reports.results import RunFacts

FIELDS = ("metric",)
RESULTS = "tasks"
DRAWN = True


def build(request: Request) -> Drawing:
    """A chart for each task and label group, a box for each method."""
    return build_charts(request, STYLE)


def _read(request: Request, task: str, runs: list[RunFacts]) -> list[Chart]:
    metric = request.metric(request.report.content["metric"])
    frame, about = request.results.rows(task), request.results.tasks[task]
    charts = []
    for label in list(about.labels) if metric.labelled else [""]:
        values = case_values(frame[frame["label"] == label], runs, metric, [label])
        series = tuple(
            Series(run.title, run.kind, (), tuple(values[run.run]), None, cases_of(values[run.run]))
            for run in runs
            if not values.empty and values[run.run].notna().any()
        )
        title, absent = cells.titled(about.title, label), without_value(values, runs)
        charts.append(Chart(title, "", cells.axis(metric), series, absent))
    return charts


def _cells(series: Series) -> list[str]:
    import numpy as np

    known = np.array(series.y)[~np.isnan(series.y)]
    return [*(cells.decimals(q) for q in np.percentile(known, [25, 50, 75])), str(len(known))]


def _paint(axes: Axes, chart: Chart, marks: Mapping[str, Mark]) -> None:
    import numpy as np

    from regbench.reports.drawing import plain

    table = np.array([series.y for series in chart.series])
    # A line a case: that all cases move alike says more than two boxes that overlap.
    axes.plot(range(len(table)), table, color="#888888", lw=0.3, alpha=0.5, zorder=1)
    for i, (series, values) in enumerate(zip(chart.series, table, strict=True)):
        colour, marker, _ = marks[series.name]
        axes.boxplot(
            values[~np.isnan(values)],
            positions=[i],
            widths=0.6,
            patch_artist=True,
            showfliers=False,
            boxprops={"facecolor": colour, "alpha": 0.35, "lw": 0.5},
            medianprops={"color": "black", "lw": 1},
            whiskerprops={"lw": 0.5},
            capprops={"lw": 0.5},
        )
        axes.plot([i] * len(values), values, marker, ms=2, mew=0, color=colour, zorder=3)
    axes.set_xticks(range(len(table)), [plain(s.label) for s in chart.series], rotation=90)


STYLE = Style(
    read=_read,
    titles=("25 %", "Median", "75 %", "Cases"),
    cells=_cells,
    about="cells: quartiles over cases of the per-case mean over seeds; grey: a line a case",
    paint=_paint,
    inches=3.1,
    legend=False,
    common=True,
)
