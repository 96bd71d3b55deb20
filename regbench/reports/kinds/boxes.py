"""Boxes: a metric's spread over cases, for each label group."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

from regbench.reports import cells
from regbench.reports.cells import case_values
from regbench.reports.charts import Chart, Series, Style, build_charts
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
    frame = request.results.rows(task)
    charts = []
    for label in list(request.results.tasks[task].labels) if metric.labelled else [""]:
        values = case_values(frame[frame["label"] == label], runs, metric, [label])
        series = tuple(
            Series(run.title, run.kind, (), tuple(values[run.run].dropna()))
            for run in runs
            if not values.empty and values[run.run].notna().any()
        )
        title = f"{task}: {label}" if label else task
        charts.append(Chart(title, "", cells.axis(metric), series))
    return charts


def _cells(series: Series) -> list[str]:
    import numpy as np

    quarters = np.percentile(series.y, [25, 50, 75])
    return [*(cells.decimals(q) for q in quarters), str(len(series.y))]


def _paint(axes: Axes, chart: Chart, names: Sequence[str]) -> None:
    from regbench.reports.drawing import COLOURS, plain

    for i, series in enumerate(chart.series):
        shade = "#bbbbbb" if series.kind == "control" else COLOURS[5]
        axes.boxplot(
            list(series.y),
            positions=[i],
            widths=0.6,
            patch_artist=True,
            showfliers=False,
            boxprops={"facecolor": shade, "alpha": 0.6, "lw": 0.5},
            medianprops={"color": "black", "lw": 1},
            whiskerprops={"lw": 0.5},
            capprops={"lw": 0.5},
        )
        # Every case is a dot: ten of them say more than a box.
        spread = [i + 0.12 * ((k % 3) - 1) for k in range(len(series.y))]
        axes.plot(spread, series.y, ".", ms=2, color="#333333", alpha=0.7)
    axes.set_xticks(range(len(chart.series)), [plain(s.name) for s in chart.series], rotation=90)


STYLE = Style(
    read=_read,
    titles=("25 %", "Median", "75 %", "Cases"),
    cells=_cells,
    about="cells: quartiles over cases of the per-case mean over seeds",
    paint=_paint,
    inches=2.9,
    legend=False,
)
