"""Accuracy against time: a metric's mean over cases and the seconds that a case takes."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import TYPE_CHECKING

from regbench.reports import cells
from regbench.reports.cells import case_values
from regbench.reports.charts import Chart, Series, Style, build_charts, plot_series
from regbench.reports.request import Drawing, Request

if TYPE_CHECKING:
    import pandas as pd
    from matplotlib.axes import Axes

    from regbench.reports.results import RunFacts

FIELDS = ("metric",)
RESULTS = "tasks"
DRAWN = True
#: Rows of costs that may stand for the time of a case, the best first.
TIMES = ("register_gpu_alone_s", "register_alone_s", "register_gpu_s", "register_s")
#: More methods than colours: the marker changes with each round.
_MARKERS = "os^Dv"


def build(request: Request) -> Drawing:
    """A chart for each task, a point for each method that has a time."""
    return build_charts(request, STYLE)


def _read(request: Request, task: str, runs: list[RunFacts]) -> list[Chart]:
    metric = request.metric(request.report.content["metric"])
    frame = request.results.rows(task)
    values = case_values(frame, runs, metric, list(request.results.tasks[task].labels))
    series = []
    for run in runs:
        seconds = _seconds(frame[frame["run"] == run.run])
        known = values[run.run].dropna() if not values.empty else values
        if len(known) and seconds > 0:
            mean = float(known.to_numpy().mean())
            series.append(Series(run.title, run.kind, (seconds,), (mean,)))
    return [Chart(task, "seconds a case", cells.axis(metric), tuple(series))]


def _seconds(frame: pd.DataFrame) -> float:
    """The mean time of a case; nan where there is none."""
    for name in TIMES:
        rows = frame[(frame["metric"] == name) & (frame["status"] == "ok")]
        if len(rows):
            return float(rows["value"].mean())
    return math.nan


def _cells(series: Series) -> list[str]:
    return [cells.decimals(series.x[0]), cells.decimals(series.y[0])]


def _paint(axes: Axes, chart: Chart, names: Sequence[str]) -> None:
    from matplotlib.ticker import NullFormatter

    plot_series(axes, chart, names, _MARKERS, ms=5)
    axes.set_xscale("log")
    # Few ticks with plain numbers: between two powers of ten the usual ones overlap.
    ticks = log_ticks(*axes.get_xlim())
    axes.set_xticks(ticks, [f"{tick:g}" for tick in ticks])
    axes.xaxis.set_minor_formatter(NullFormatter())


def log_ticks(low: float, high: float) -> list[float]:
    """Two to four round numbers between two positive ones, for a logarithmic axis."""
    first, last = math.floor(math.log10(low)), math.ceil(math.log10(high))
    for steps in ((1.0,), (1.0, 3.0), (1.0, 2.0, 5.0), tuple(k / 2 for k in range(2, 20))):
        round_ones = [float(f"{s}e{e}") for e in range(first, last + 1) for s in steps]
        inside = [tick for tick in round_ones if low <= tick <= high]
        if len(inside) >= 2:
            return inside[:: math.ceil(len(inside) / 4)]
    return [float(f"{value:.3g}") for value in (low, high)]


STYLE = Style(
    read=_read,
    titles=("Time (s)", "Mean"),
    cells=_cells,
    about="cells: means over cases; a method without a time is left out",
    paint=_paint,
)
