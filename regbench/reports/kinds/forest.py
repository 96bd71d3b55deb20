"""A forest plot: each method's paired difference to a reference, with its 95 % interval."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING

from regbench.reports import cells
from regbench.reports.cells import case_values
from regbench.reports.charts import Chart, Series, Style, build_charts, cases_of, without_value
from regbench.reports.kinds.statistics import REFERENCE, pick_reference
from regbench.reports.palette import Mark
from regbench.reports.request import Drawing, Request

if TYPE_CHECKING:
    from matplotlib.axes import Axes

    from regbench.reports.results import RunFacts

FIELDS = ("metric",)
RESULTS = "tasks"
DRAWN = True


def build(request: Request) -> Drawing:
    """A chart for each task, a line for each method but the reference."""
    return build_charts(request, STYLE)


def _read(request: Request, task: str, runs: list[RunFacts]) -> list[Chart]:
    from regbench.statistics.paired import compare

    metric, about = request.metric(request.report.content["metric"]), request.results.tasks[task]
    values = case_values(request.results.rows(task), runs, metric, list(about.labels))
    reference = pick_reference(runs, request.report.content.get("reference") or REFERENCE)
    series: list[Series] = []
    for run in runs:
        if reference is None:
            break
        difference = values[run.run] - values[reference.run]
        item = compare(difference.dropna())
        if run is not reference and item.n:
            band, n = ((item.low,), (item.high,)), cases_of(difference)
            series.append(Series(run.title, run.kind, (item.mean,), (float(item.n),), band, n))
    title = reference.title if reference else ""
    axis = f"{cells.axis(metric)}, minus {title}"
    return [Chart(about.title, axis, "", tuple(series), without_value(values, runs))]


def _cells(series: Series) -> list[str]:
    low, high = series.band or ((), ())
    return [*(cells.number(x, "+.2f") for x in (*series.x, *low, *high)), f"{series.y[0]:.0f}"]


def _paint(axes: Axes, chart: Chart, marks: Mapping[str, Mark]) -> None:
    from regbench.reports.drawing import plain

    for k, series in enumerate(chart.series):
        colour, marker, _ = marks[series.name]
        axes.plot(series.x, [k], marker, ms=5, color=colour)
        if series.band:
            axes.plot([end for (end,) in series.band], [k, k], color=colour, lw=1.2)
    axes.axvline(0, color="black", lw=0.8)
    axes.set_yticks(range(len(chart.series)), [plain(s.label) for s in chart.series])
    axes.invert_yaxis()


STYLE = Style(
    read=_read,
    titles=("Difference", "95 % low", "95 % high", "Cases"),
    cells=_cells,
    about="cells: the row's method minus the reference, mean over the cases that both have (means"
    " over label groups and seeds), with a 95 % bootstrap interval (BCa, 9,999 resamples)",
    paint=_paint,
    inches=3.0,
    wide=3.3,
    legend=False,
)
