"""Learning curves: the validation of each learned method against steps and CPU seconds."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import chain
from typing import TYPE_CHECKING, Any, NamedTuple

from regbench.base.errors import BadInput
from regbench.base.files import read_json
from regbench.base.paths import LOSSES, TRAINING, run_folder
from regbench.reports import cells
from regbench.reports.charts import Chart, Look, Series, draw, plot_series
from regbench.reports.model import Cell, Column, Table, TableRow
from regbench.reports.notes import notes
from regbench.reports.request import Drawing, Request, runs_of, tasks_of

if TYPE_CHECKING:
    from pathlib import Path

    import pandas as pd
    from matplotlib.axes import Axes

FIELDS = ()
RESULTS = "tasks"
DRAWN = True


class Measure(NamedTuple):
    """A column of a curve: its title, its decimals, and the metric that it is the mean of."""

    title: str
    decimals: int
    metric: str = ""


MEASURES = {
    "validation_loss": Measure("loss", 4),
    "validation_dice": Measure("Dice (%)", 2, "dice"),
    "validation_epe": Measure("EPE (voxel)", 2, "epe"),
    "validation_slope": Measure("slope", 2, "displacement_slope"),
}
#: Columns of a curve that it is drawn against, with the axis's label.
AXES = {"step": "step", "cpu_seconds": "CPU seconds"}
#: More methods than colours: the dashes change with each round.
_DASHES = ("-", "--", ":")
_CELLS = (
    "cells: of the validation at the last step; with several seeds the mean (lowest to highest)"
    " over those whose training ended. Lines: the mean; bands: from the lowest to the highest"
)


@dataclass(frozen=True)
class Learner:
    """The trainings of a method on a task.

    Attributes:
        task, title: of the run.
        seeds: how many trainings there should be.
        records: seed to the training's record; empty where it has not ended in any way.
        curves: seed to the rows of its curve; seeds without a row are left out.
    """

    task: str
    title: str
    seeds: int
    records: dict[int, dict[str, Any]]
    curves: dict[int, pd.DataFrame]

    @property
    def ended(self) -> list[int]:
        """The seeds whose training came to its last step."""
        return [seed for seed in self.curves if self.records[seed].get("outcome") == "ok"]

    def last(self, column: str) -> list[float]:
        """The last value of each training that ended."""
        values = [float(self.curves[seed][column].iloc[-1]) for seed in self.ended]
        return [value for value in values if value == value]

    def recorded(self, key: str) -> list[float]:
        """A number in the record of each training that ended."""
        found = [self.records[seed].get(key) for seed in self.ended]
        return [float(value) for value in found if value is not None]

    def series(self, axis: str, column: str) -> Series | None:
        """The line of a measure: of the trainings that ended, if none of all; None without one."""
        curves = [self.curves[seed] for seed in self.ended or self.curves]
        import pandas as pd

        if not curves:
            return None
        rows = pd.concat(curves)[["step", *{axis, column} - {"step"}]].dropna()
        if rows.empty:
            return None
        # Seeds are measured at the same steps, and take different times to get there.
        values = rows.groupby(rows["step"].rename(None))
        y = values[column].agg(["mean", "min", "max"])
        band = (tuple(y["min"]), tuple(y["max"])) if len(curves) > 1 else None
        return Series(self.title, "learned", tuple(values[axis].mean()), tuple(y["mean"]), band)


def build(request: Request) -> Drawing:
    """A row for each task and method trained on it; a chart for each task, axis and measure."""
    report, tasks = request.report, tasks_of(request.report, request.results)
    of_task = {task: list(_learners(request, task)) for task in tasks}
    learners = list(chain.from_iterable(of_task.values()))
    shown = [
        name
        for name in MEASURES
        if any(curve[name].notna().any() for who in learners for curve in who.curves.values())
    ]
    metrics = [request.metrics[m] for k in shown if (m := MEASURES[k].metric) in request.metrics]
    titles = ("Task", "Seeds", "Steps", "Time (s)", "CPU (s)", *(_heading(k) for k in shown))
    table = Table(
        title=report.title,
        caption=report.caption,
        columns=tuple(map(Column, titles)),
        rows=tuple(TableRow(x.title, tuple(_cells(x, shown)), ranked=False) for x in learners),
        notes=(
            *(
                f"no curve of task {task}: nothing was trained on it"
                for task in tasks
                if not of_task[task]
            ),
            *chain.from_iterable(map(_unfinished, learners)),
            *notes(request.results, tasks, metrics, _CELLS),
        ),
    )
    charts = [
        Chart(task, AXES[axis], f"validation {MEASURES[name].title}", series)
        for task, found in of_task.items()
        for axis in AXES
        for name in shown
        if (series := tuple(s for who in found if (s := who.series(axis, name)) is not None))
    ]
    return Drawing(table, lambda ending: draw(charts, STYLE, ending))


def read_curve(file: Path) -> pd.DataFrame:
    """A training's curve, with the columns of AXES and MEASURES; nan where one is not known.

    Raises:
        BadInput: the file has no column of steps or of the loss, or text where numbers belong.
    """
    import pandas as pd

    try:
        curve = pd.read_csv(file)
        for name in ("step", "validation_loss"):
            curve[name]
        return curve.reindex(columns=[*AXES, *MEASURES]).astype(float)
    except (KeyError, ValueError) as error:
        raise BadInput(
            "is no training curve", file=file, expected="step, validation_loss", found=str(error)
        ) from error


def _learners(request: Request, task: str) -> Iterator[Learner]:
    """The methods that were trained on a task, in vain or not."""
    for run in runs_of(request.report, request.results, task):
        records, curves = {}, {}
        for seed in run.seeds if run.kind == "learned" else ():
            folder = run_folder(request.config.name, task, run.run, seed)
            record = read_json(folder / TRAINING) if (folder / TRAINING).is_file() else {}
            # Weights of another task, or of a checkpoint that was given.
            if "trained_on" in record or (record.get("outcome") == "ok" and "steps" not in record):
                continue
            file = folder / LOSSES
            if file.is_file() and len(curve := read_curve(file)):
                curves[seed] = curve
            if record or seed in curves:
                records[seed] = record
        if records:
            yield Learner(task, run.title, len(run.seeds), records, curves)


def _cells(learner: Learner, shown: Sequence[str]) -> Iterator[Cell]:
    yield Cell(learner.task)
    yield Cell(f"{len(learner.ended)}/{learner.seeds}")
    yield Cell(_spread(learner.last("step"), 0))
    yield Cell(_spread(learner.recorded("seconds"), 0))
    yield Cell(_spread(learner.last("cpu_seconds"), 0))
    for name in shown:
        yield Cell(_spread(learner.last(name), MEASURES[name].decimals))


def _heading(column: str) -> str:
    title = MEASURES[column].title
    return title[0].upper() + title[1:]


def _spread(values: Sequence[float], decimals: int) -> str:
    """`1.20 (1.10-1.30)`; a single value, or equal ones, without the brackets."""
    if not values:
        return "-"
    mean, low, high = (
        cells.decimals(x, decimals) for x in (sum(values) / len(values), min(values), max(values))
    )
    return mean if low == high else f"{mean} ({low} to {high})"


def _unfinished(learner: Learner) -> Iterator[str]:
    for seed, record in learner.records.items():
        if seed not in learner.ended:
            why = record.get("reason") or "it is unfinished"
            where = f"{learner.title} on {learner.task}, seed {seed}"
            yield f"warning: {where}: the training did not end: {why}"


def _paint(axes: Axes, chart: Chart, names: Sequence[str]) -> None:
    plot_series(axes, chart, names, _DASHES, marker=".", ms=3, lw=1)


STYLE = Look(paint=_paint, inches=1.9, across=4)
