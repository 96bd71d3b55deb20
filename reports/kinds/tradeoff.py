"""Accuracy against cost: a metric's mean over cases and the CPU seconds that a case takes."""

import math
from collections.abc import Mapping, Sequence

from matplotlib.axes import Axes

from regbench.plugins.kinds import MetricPlugin
from regbench.reports import cells
from regbench.reports.cells import times_of
from regbench.reports.charts import Chart, Series, Style, build_charts, cases_of, without_value
from regbench.reports.drawing import TINY, Mark, plain
from regbench.reports.request import Drawing, Request
from regbench.statistics import compare

KIND = {"fields": ["metric"], "drawn": True}


def build(request: Request) -> Drawing:
    """A chart for each task, a point for each method that has a time."""
    return build_charts(request, STYLE, _read)


def _read(request: Request, task: str, metric: MetricPlugin) -> list[Chart]:
    frame, about, runs = request.results.rows(task), request.tasks[task], request.runs(task)
    values = request.values(task, runs, metric)
    series = []
    for run in runs:
        times = times_of(frame[frame["run"] == run.run], run.seeds, about.cases)
        # What ran on a GPU only has wall seconds there, and says so.
        on_gpu = times.cpu_seconds.n == 0
        seconds = (times.gpu if on_gpu else times.cpu_seconds).mean
        known = values[run.run].dropna()
        if len(known) and seconds > 0:
            # The differences are those to 0: the interval is one of the mean itself.
            mean, cases = compare(known), cases_of(values[run.run])
            row = tuple(map(cells.decimals, (seconds, mean.mean, mean.low, mean.high)))
            band = ((mean.low,), (mean.high,))
            title = f"{run.title} (GPU, wall)" if on_gpu else run.title
            series.append(Series(title, (seconds,), (mean.mean,), row, band, cases))
    absent, axis = without_value(values, runs), cells.axis(metric)
    if metric.direction == "lower":
        axis += ", lower is better"
    return [Chart(about.title, "CPU seconds a case", axis, tuple(series), absent)]


def _paint(axes: Axes, chart: Chart, marks: Mapping[str, Mark]) -> None:
    sign = -1 if chart.y.endswith("lower is better") else 1
    # Names in a column at the right, as high as their points if there is room.
    order = sorted(chart.series, key=lambda s: s.y[0])
    for k, series in enumerate(order):
        (x,), (y,), (colour, marker, _) = series.x, series.y, marks[series.name]
        if series.band and not math.isnan(series.band[0][0]):
            axes.plot([x, x], [series.band[0][0], series.band[1][0]], color=colour, lw=0.8)
        axes.plot(x, y, marker, ms=5, color=colour, label=plain(series.label))
        line = {"arrowstyle": "-", "lw": 0.4, "color": colour, "shrinkA": 0, "shrinkB": 3}
        axes.annotate(
            *(plain(series.label), (x, y), (1.03, (k + 0.5) / len(order)), "data", "axes fraction"),
            arrowprops=line, fontsize=TINY, va="center", ha="left", annotation_clip=False,
        )  # fmt: skip
    best = frontier([(s.x[0], sign * s.y[0]) for s in chart.series])
    axes.plot([x for x, _ in best], [sign * y for _, y in best], "--", color="#555555", lw=0.8)
    axes.set_xscale("log")
    # Few ticks with plain numbers: between two powers of ten the usual ones overlap.
    ticks = log_ticks(*axes.get_xlim())
    axes.set_xticks(ticks, [f"{tick:g}" for tick in ticks])
    axes.set_xticks([], minor=True)


def frontier(points: Sequence[tuple[float, float]]) -> list[tuple[float, float]]:
    """The points (cost, worth) that no cheaper or equal one outdoes, the cheapest first."""
    kept: list[tuple[float, float]] = []
    for cost, worth in sorted(points, key=lambda point: (point[0], -point[1])):
        if not kept or worth > kept[-1][1]:
            kept.append((cost, worth))
    return kept


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
    paint=_paint,
    titles=("Time (s)", "Mean", "95 % low", "95 % high"),
    about="cells: means over cases with a 95 % bootstrap interval (BCa); a method without a time is"
    " left out; dashed: nothing else is both as fast and as good",
    wide=3.3,
    inches=3.2,
    legend=False,
)
