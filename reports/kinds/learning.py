"""Learning curves: the validation of each learned method against steps and CPU seconds."""

import math
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pandas as pd
from matplotlib.axes import Axes

from regbench.base.errors import BadInput
from regbench.base.paths import LOSSES, TRAINING, read_own, run_folder
from regbench.reports import cells
from regbench.reports.charts import Chart, Series, Style, picture
from regbench.reports.drawing import Mark, plain
from regbench.reports.model import Cell, Column, Table, TableRow
from regbench.reports.notes import notes
from regbench.reports.request import Drawing, Request

KIND = {"drawn": True}
#: Columns of a curve: the title, the decimals, and the metric that it is the mean of.
MEASURES = {
    "validation_loss": ("loss", 4, ""),
    "validation_dice": ("Dice (%)", 2, "dice"),
    "validation_epe": ("EPE (voxel)", 2, "epe"),
    "validation_slope": ("slope", 2, "displacement_slope"),
}
#: Columns of a curve that it is drawn against, with the axis's label.
AXES = {"step": "step", "cpu_seconds": "CPU seconds"}
_CELLS = (
    "cells: of the validation at the last step; with several seeds the mean (lowest to highest)"
    " over those whose training ended. Lines: the mean; bands: from the lowest to the highest"
)


@dataclass(frozen=True)
class Learner:
    """The trainings of a method on a task.

    Attributes:
        task, title, seeds: of the run.
        rows: those of the curves, with the columns `seed` and `seconds` (wall; of the training).
        troubles: seed to the reason why its training did not end.
    """

    task: str
    title: str
    seeds: Sequence[int]
    rows: pd.DataFrame
    troubles: dict[int, str]

    @property
    def ended(self) -> pd.DataFrame:
        """The rows of the trainings that came to their last step."""
        return self.rows[~self.rows["seed"].isin(list(self.troubles))]

    def series(self, axis: str, column: str) -> Iterator[Series]:
        """The line of a measure: of the trainings that ended, if none of all."""
        rows = self.rows if self.ended.empty else self.ended
        rows = rows[rows[[axis, column]].notna().all(axis=1)]
        if len(rows):
            # Seeds are measured at the same steps, and take different times to get there.
            steps = rows.groupby(rows["step"].rename(None))
            y = steps[column].agg(["mean", "min", "max"])
            band = (tuple(y["min"]), tuple(y["max"])) if rows["seed"].nunique() > 1 else None
            x = tuple(steps[axis].mean())
            yield Series(self.title, x, tuple(y["mean"]), (), band)


def build(request: Request) -> Drawing:
    """A row for each task and method trained on it; a chart for each task, axis and measure."""
    tasks = list(request.tasks)
    learners = [learner for task in tasks for learner in _learners(request, task)]
    shown = [name for name in MEASURES if any(x.rows[name].notna().any() for x in learners)]
    metrics = [request.metrics[m] for k in shown if (m := MEASURES[k][2]) in request.metrics]
    titles = [MEASURES[name][0] for name in shown]
    heads = ("Steps", "Time (s)", "CPU (s)", *(title[0].upper() + title[1:] for title in titles))
    more = [Column(title, more=(f"{title} lowest", f"{title} highest")) for title in heads]
    about = [
        *(
            f"no curve of task {task}: nothing was trained on it"
            for task in tasks
            if task not in {learner.task for learner in learners}
        ),
        *(
            f"warning: {x.title} on {x.task}, seed {seed}: the training did not end: {why}"
            for x in learners
            for seed, why in x.troubles.items()
        ),
        *notes(request.results, tasks, metrics, _CELLS),
    ]
    rows = [TableRow(learner.title, tuple(_cells(learner, shown))) for learner in learners]
    columns: list[Column | str] = ["Task", Column("Seeds", more=("Seeds total",)), *more]
    table = Table.of(request.report, columns, rows, about)
    charts = [
        Chart(request.tasks[task].title, label, f"validation {MEASURES[name][0]}", series)
        for task in tasks
        for axis, label in AXES.items()
        for name in shown
        if (series := tuple(s for x in learners if x.task == task for s in x.series(axis, name)))
    ]
    return Drawing(table, picture(request, charts, STYLE))


def _learners(request: Request, task: str) -> Iterator[Learner]:
    """The methods that were trained on a task, in vain or not."""
    for run in request.runs(task):
        curves: list[pd.DataFrame] = []
        troubles: dict[int, str] = {}
        for seed in run.seeds if run.kind == "learned" else ():
            folder = run_folder(request.config.name, task, run.run, seed)
            record = read_own(folder / TRAINING) if (folder / TRAINING).is_file() else {}
            ended = record.get("outcome") == "ok"
            # Weights of another task, or of a checkpoint that was given.
            if "trained_on" in record or (ended and "steps" not in record):
                continue
            rows = read_curve(folder / LOSSES)
            curves.append(rows.assign(seed=seed, seconds=record.get("seconds", math.nan)))
            if not ended and (record or len(rows)):
                troubles[seed] = record.get("reason") or "it is unfinished"
        if troubles or any(map(len, curves)):
            yield Learner(task, run.title, run.seeds, pd.concat(curves), troubles)


def read_curve(file: Path) -> pd.DataFrame:
    """A training's curve: the columns of AXES and MEASURES, nan where one is not known.

    It has no row where there is no file.

    Raises:
        BadInput: the file has no column of steps or of the loss, or text where numbers belong.
    """
    try:
        curve = pd.read_csv(file) if file.is_file() else pd.DataFrame(columns=[*AXES, *MEASURES])
        _ = curve["step"], curve["validation_loss"]
        return curve.reindex(columns=[*AXES, *MEASURES]).astype(float)
    except (KeyError, ValueError) as error:
        raise BadInput(
            "is no training curve", file=file, expected="step, validation_loss", found=str(error)
        ) from error


def _cells(learner: Learner, shown: Sequence[str]) -> Iterator[Cell]:
    last = learner.ended.groupby("seed").tail(1)
    decimals = {"step": 0, "seconds": 0, "cpu_seconds": 0, **{k: MEASURES[k][1] for k in shown}}
    yield Cell(learner.task)
    yield cells.share_cell(len(last), len(learner.seeds))
    for name, n in decimals.items():
        values = last[name].dropna()
        numbers = (values.mean(), values.min(), values.max())
        mean, low, high = (cells.decimals(x, n) for x in numbers)
        text = mean if low == high else f"{mean} ({low} to {high})"
        yield Cell(text, numbers[0], more=numbers[1:]) if len(values) else Cell("-")


def _paint(axes: Axes, chart: Chart, marks: Mapping[str, Mark]) -> None:
    for series in chart.series:
        mark = marks[series.name]
        rest: dict[str, Any] = {"color": mark.colour, "label": plain(series.label), "lw": 1}
        # A marker at the last step: all steps would hide the line.
        axes.plot(series.x, series.y, mark.dashes, marker=mark.marker, ms=4, markevery=[-1], **rest)
        if series.band:
            axes.fill_between(series.x, *series.band, color=mark.colour, alpha=0.2, lw=0)


STYLE = Style(paint=_paint, inches=2.0)
