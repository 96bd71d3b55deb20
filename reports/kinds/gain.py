"""What each method gains over the unregistered pair, here and in a publication: other data."""

from collections.abc import Mapping
from dataclasses import replace

from matplotlib.axes import Axes

from regbench.reports.charts import Chart, Series, Style, paint_ladder, picture
from regbench.reports.comparison import build_comparison
from regbench.reports.drawing import Mark
from regbench.reports.model import Cell, Table
from regbench.reports.request import Drawing, Request

KIND = {"fields": ["task", "ours", "published"], "drawn": True}
#: The row of the unregistered pair.
BASE = "Moving"
ABOUT = (
    f"cells: how much better the mean is than that of {BASE} in the same column; negative is worse."
    f" The two sides are of different data: each starts from its own {BASE}"
)


def build(request: Request) -> Drawing:
    """The gains of the tables that `ours` and `published` name, side by side; a chart a column."""
    sides = [gains(request.table(field)) for field in ("ours", "published")]
    table = build_comparison(request.report, *sides)
    table = replace(table, notes=(ABOUT, *table.notes))
    return Drawing(table, picture(request, _charts(table), STYLE))


def gains(table: Table) -> Table:
    """Each method's gain in each column that has a better side and a value of BASE."""
    base = next((row for row in table.rows if row.title == BASE), None)
    kept = [
        (k, column, base.cells[k].value)
        for k, column in enumerate(table.columns)
        if base and column.direction in ("higher", "lower") and base.cells[k].value is not None
    ]
    columns = tuple(replace(column, more=()) for _, column, _ in kept)

    def cell(value: float | None, start: float | None, higher: bool, precision: int) -> Cell:
        if value is None or start is None:
            return Cell("-")
        gain = value - start if higher else start - value
        return Cell(f"{gain:+.{precision}f}", gain)

    rows = [
        replace(
            row,
            cells=tuple(
                cell(row.cells[k].value, start, column.direction == "higher", column.precision)
                for k, column, start in kept
            ),
        )
        for row in table.rows
        if row.title != BASE
    ]
    return replace(table, columns=columns, rows=tuple(rows))


def _charts(table: Table) -> list[Chart]:
    """A chart for each column that both sides have, of the methods that both have."""
    charts = []
    for k, column in list(enumerate(table.columns))[::2]:
        pairs = [(row.title, row.cells[k].value, row.cells[k + 1].value) for row in table.rows]
        series = tuple(
            Series(name, (here,), (theirs,))
            for name, here, theirs in pairs
            if here is not None and theirs is not None
        )
        if series:
            charts.append(Chart(column.group, f"gain over {BASE}", "", series))
    return charts


def _paint(axes: Axes, chart: Chart, marks: Mapping[str, Mark]) -> None:
    paint_ladder(axes, chart, marks)
    for k, series in enumerate(chart.series):
        axes.plot([*series.x, *series.y], [k, k], color="#bbbbbb", lw=0.8, zorder=0)
        axes.plot(series.y, [k], "D", ms=5, mfc="white", mec="black", label="the paper's own data")
    axes.plot([], [], "o", color="black", ms=5, label="here, other data (each method's own mark)")
    axes.axvline(0, color="black", lw=0.8)


STYLE = Style(paint=_paint, inches=2.7, wide=3.3)
