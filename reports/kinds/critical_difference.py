"""A critical-difference diagram: mean ranks over cases, and which of them cannot be told apart."""

import math
from collections.abc import Mapping, Sequence

from matplotlib.axes import Axes

from regbench.plugins.kinds import MetricPlugin
from regbench.reports import cells
from regbench.reports.charts import Chart, Series, Style, build_charts, cases_of, paint_ladder
from regbench.reports.drawing import TINY, Mark
from regbench.reports.request import Drawing, Request
from regbench.statistics import rank_in_cases, rank_methods

KIND = {"fields": ["metric"], "drawn": True}


def build(request: Request) -> Drawing:
    """A diagram for each task, of the methods that have every case. Controls are not ranked."""
    return build_charts(request, STYLE, _read)


def _read(request: Request, task: str, metric: MetricPlugin) -> list[Chart]:
    rivals = [run for run in request.runs(task) if run.kind != "control"]
    values = request.values(task, rivals, metric)
    whole = [run for run in rivals if len(values) and values[run.run].notna().all()]
    absent = tuple(f"{r.title} ({cases_of(values[r.run])})" for r in rivals if r not in whole)
    title = request.tasks[task].title
    if not whole or metric.direction not in ("higher", "lower"):
        return [Chart(title, "", "", (), absent)]
    table = values[[run.run for run in whole]]
    found = rank_methods(rank_in_cases(table, higher=metric.direction == "higher"))
    series = [
        Series(run.title, (rank,), (), (cells.decimals(rank), str(found.n)))
        for run in whole
        for rank in [float(found.ranks[run.run])]
    ]
    axis = f"mean rank in {metric.title}, {found.n} cases"
    if math.isnan(found.critical_difference):
        axis += "; too few for a test"
    series.sort(key=lambda one: one.x)
    return [Chart(title, axis, "", tuple(series), absent, found.critical_difference)]


def cliques(ranks: Sequence[float], distance: float) -> list[tuple[int, int]]:
    """The first and last of each largest group of sorted ranks no further apart than `distance`."""
    found: list[tuple[int, int]] = []
    for first, low in enumerate(ranks):
        last = max(k for k, rank in enumerate(ranks) if rank - low <= distance or k == first)
        if last > first and (not found or last > found[-1][1]):
            found.append((first, last))
    return found


def _paint(axes: Axes, chart: Chart, marks: Mapping[str, Mark]) -> None:
    paint_ladder(axes, chart, marks)
    ranks = [series.x[0] for series in chart.series]
    for n, (first, last) in enumerate(cliques(ranks, chart.distance)):
        # Beside the points, a bar for each group; neighbours do not touch.
        x = max(ranks) + 0.35 * (n + 1)
        axes.plot([x, x], [first - 0.25, last + 0.25], color="black", lw=2.2)
    if not math.isnan(chart.distance):
        bar = [min(ranks), min(ranks) + chart.distance]
        axes.plot(bar, [-1.2, -1.2], color="black", lw=1.2, marker="|", ms=5)
        text = f"critical difference {cells.decimals(chart.distance)}"
        axes.text(bar[0], -1.5, text, fontsize=TINY, va="bottom")
        axes.set_ylim(top=-2.6)


STYLE = Style(
    paint=_paint,
    titles=("Mean rank", "Cases"),
    about="cells: mean over cases of the rank within the case, 1 is best (means over label groups"
    " and seeds); bars join methods whose ranks differ by less than the critical difference"
    " (Nemenyi's comparison at 0.05, Demsar 2006)",
    inches=3.0,
    wide=3.3,
    legend=False,
)
