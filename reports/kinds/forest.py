"""A forest plot: each method's paired difference to a reference, with its 95 % interval."""

from collections.abc import Mapping

from matplotlib.axes import Axes

from regbench.plugins.kinds import MetricPlugin
from regbench.reports import cells
from regbench.reports.charts import (
    Chart,
    Series,
    Style,
    build_charts,
    cases_of,
    paint_ladder,
    without_value,
)
from regbench.reports.drawing import Mark
from regbench.reports.reference import REFERENCE, pick_reference
from regbench.reports.request import Drawing, Request
from regbench.statistics import compare

KIND = {"fields": ["metric"], "drawn": True}


def build(request: Request) -> Drawing:
    """A chart for each task, a line for each method but the reference."""
    return build_charts(request, STYLE, _read)


def _read(request: Request, task: str, metric: MetricPlugin) -> list[Chart]:
    runs = request.runs(task)
    values = request.values(task, runs, metric)
    reference = pick_reference(runs, request.report.content.get("reference") or REFERENCE)
    if reference is None:
        return []
    series: list[Series] = []
    for run in (run for run in runs if run is not reference):
        difference = values[run.run] - values[reference.run]
        item = compare(difference.dropna())
        if item.n:
            row = (
                *(cells.number(x, "+.2f") for x in (item.mean, item.low, item.high)),
                str(item.n),
            )
            band, n = ((item.low,), (item.high,)), cases_of(difference)
            series.append(Series(run.title, (item.mean,), (), row, band, n))
    axis = f"{cells.axis(metric)}, minus {reference.title}"
    absent = without_value(values, runs)
    return [Chart(request.tasks[task].title, axis, "", tuple(series), absent)]


def _paint(axes: Axes, chart: Chart, marks: Mapping[str, Mark]) -> None:
    paint_ladder(axes, chart, marks)
    axes.axvline(0, color="black", lw=0.8)


STYLE = Style(
    paint=_paint,
    titles=("Difference", "95 % low", "95 % high", "Cases"),
    about="cells: the row's method minus the reference, mean over the cases that both have (means"
    " over label groups and seeds), with a 95 % bootstrap interval (BCa, 9,999 resamples)",
    inches=3.0,
    wide=3.3,
    legend=False,
)
