"""Boxes: a metric's spread over cases, for each label group."""

from collections.abc import Mapping
from typing import Any

import numpy as np
from matplotlib.axes import Axes

from regbench.plugins.kinds import MetricPlugin
from regbench.reports import cells
from regbench.reports.cells import case_values
from regbench.reports.charts import Chart, Series, Style, build_charts, cases_of, without_value
from regbench.reports.drawing import Mark, plain
from regbench.reports.request import Drawing, Request

KIND = {"fields": ["metric"], "drawn": True}


def build(request: Request) -> Drawing:
    """A chart for each task and label group, a box for each method."""
    return build_charts(request, STYLE, _read)


def _read(request: Request, task: str, metric: MetricPlugin) -> list[Chart]:
    runs, about = request.runs(task), request.tasks[task]
    charts = []
    for label in about.labels if metric.labelled else [""]:
        values = case_values(request.results.rows(task), runs, metric, [label])
        series = tuple(
            Series(run.title, (), tuple(mine), _row(mine.dropna().to_numpy()), None, cases_of(mine))
            for run in runs
            for mine in [values[run.run]]
            if mine.notna().any()
        )
        title = f"{about.title}: {label}" if label else about.title
        absent = without_value(values, runs)
        charts.append(Chart(title, "", cells.axis(metric), series, absent))
    return charts


def _row(known: np.ndarray) -> tuple[str, ...]:
    return *(cells.decimals(q) for q in np.percentile(known, [25, 50, 75])), str(len(known))


def _paint(axes: Axes, chart: Chart, marks: Mapping[str, Mark]) -> None:
    table = np.array([series.y for series in chart.series])
    # A line a case: that all cases move alike says more than two boxes that overlap.
    axes.plot(range(len(table)), table, color="#888888", lw=0.3, alpha=0.5, zorder=1)
    thin = {"lw": 0.5}
    style: dict[str, Any] = {"widths": 0.6, "patch_artist": True, "showfliers": False}
    style |= {"whiskerprops": thin, "capprops": thin, "boxprops": thin}
    known = [values[~np.isnan(values)] for values in table]
    drawn = axes.boxplot(
        known, positions=range(len(table)), medianprops={"color": "black", "lw": 1}, **style
    )
    for k, (series, box) in enumerate(zip(chart.series, drawn["boxes"], strict=True)):
        colour, marker, _ = marks[series.name]
        box.set(facecolor=colour, alpha=0.35)
        axes.plot([k] * len(series.y), series.y, marker, ms=2, mew=0, color=colour, zorder=3)
    axes.set_xticks(range(len(table)), [plain(s.label) for s in chart.series], rotation=90)


STYLE = Style(
    paint=_paint,
    titles=("25 %", "Median", "75 %", "Cases"),
    about="cells: quartiles over cases of the per-case mean over seeds; grey: a line a case",
    inches=3.1,
    legend=False,
    common=True,
)
