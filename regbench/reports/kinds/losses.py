"""Loss curves: the validation loss of each learned method during training."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from regbench.base.errors import BadInput
from regbench.base.paths import run_folder
from regbench.reports import cells
from regbench.reports.charts import Chart, Series, Style, build_charts, plot_series
from regbench.reports.request import Drawing, Request

if TYPE_CHECKING:
    import pandas as pd
    from matplotlib.axes import Axes

    from regbench.reports.results import RunFacts

FIELDS = ()
RESULTS = "tasks"
DRAWN = True
#: What a training writes beside its checkpoint.
LOSSES = "loss.csv"
#: More methods than colours: the dashes change with each round.
_DASHES = ("-", "--", ":")


def build(request: Request) -> Drawing:
    """A chart for each task, a line for each method that was trained there."""
    return build_charts(request, STYLE)


def _read(request: Request, task: str, runs: list[RunFacts]) -> list[Chart]:
    series = []
    for run in (run for run in runs if run.kind == "learned"):
        curve = _curve(run_folder(request.config.name, task, run.run, run.seeds[0]) / LOSSES)
        if len(curve):
            steps, losses = (tuple(map(float, curve[k])) for k in ("step", "validation_loss"))
            series.append(Series(run.title, run.kind, steps, losses))
    return [Chart(task, "step", "validation loss", tuple(series))]


def _curve(file: Path) -> pd.DataFrame:
    """A training's curve; empty where a checkpoint was taken over."""
    import pandas as pd

    if not file.is_file():
        return pd.DataFrame()
    try:
        curve = pd.read_csv(file)
        return curve[["step", "validation_loss"]].astype(float).dropna()
    except (KeyError, ValueError) as error:
        raise BadInput(
            "is no training curve", file=file, expected="step, validation_loss", found=str(error)
        ) from error


def _cells(series: Series) -> list[str]:
    best = min(range(len(series.y)), key=series.y.__getitem__)
    last, lowest, at = series.x[-1], series.y[best], series.x[best]
    return [cells.decimals(last, 0), cells.decimals(lowest, 4), cells.decimals(at, 0)]


def _paint(axes: Axes, chart: Chart, names: Sequence[str]) -> None:
    plot_series(axes, chart, names, _DASHES, marker=".", lw=1)


STYLE = Style(
    read=_read,
    titles=("Steps", "Lowest validation loss", "At step"),
    cells=_cells,
    about="cells: of the first seed; weights taken over from another task have no curve",
    paint=_paint,
)
