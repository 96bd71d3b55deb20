"""The table beside a figure of one case: the numbers of the case that is drawn."""

import math
from collections.abc import Iterator, Mapping, Sequence

import numpy as np
import pandas as pd

from regbench.plugins.kinds import MetricPlugin, ReportPlugin
from regbench.reports import cells
from regbench.reports.case_figure import CaseFigure, Panel
from regbench.reports.model import Cell, Column, Table, TableRow
from regbench.reports.notes import notes
from regbench.reports.planes import AXES, LETTERS
from regbench.reports.results import Results
from regbench.spatial.volume import voxel_to_world

_SIDES = {"R": "right", "L": "left", "A": "front", "P": "back", "S": "head", "I": "feet"}
_METRIC = "dice"
CELLS = "cells: of the one case and seed that is drawn"


def build_table(
    report: ReportPlugin,
    drawn: CaseFigure,
    results: Results,
    metrics: Mapping[str, MetricPlugin],
) -> Table:
    """A row a method: its Dice in the case, how far contours lie apart, what became of it."""
    task = str(report.task)
    shown = [metrics[_METRIC]] if drawn.organs and _METRIC in metrics else []
    return Table(
        title=report.title,
        caption=f"{report.caption} {caption(drawn)}".strip(),
        columns=(
            *(Column(f"Dice {organ} (%)", "Dice (%)", organ) for organ in drawn.organs),
            *(Column(f"Disagreement, {region.view} (mm)") for region in drawn.regions),
            Column("Status"),
        ),
        rows=tuple(
            TableRow(panel.run.title, tuple(_cells(drawn, panel, results.frame)), ranked=False)
            for panel in drawn.panels
        ),
        notes=(
            *_about(drawn),
            *drawn.remarks,
            *notes(results, [task], shown, CELLS),
        ),
    )


def caption(drawn: CaseFigure) -> str:
    """Which case, how it was chosen, and how the pictures lie."""
    views = []
    for region in drawn.regions:
        sides = zip(("left", "right", "top", "bottom"), LETTERS[region.view], strict=True)
        words = "; ".join(f"{side} is {_SIDES[letter]}" for side, letter in sides)
        views.append(f"{region.view}: {words}")
    return f"Case {drawn.case} ({drawn.chosen}). Orientation: {', '.join(views)}."


def panel_notes(drawn: CaseFigure, frame: pd.DataFrame) -> list[str]:
    """For each panel its mean Dice over the organs, or nothing."""
    texts = []
    for panel in drawn.panels:
        values = _dice(drawn, panel, frame)
        mean = sum(values) / len(values) if values else math.nan
        texts.append("" if math.isnan(mean) or panel.why else f"Dice {mean:.1f} %")
    return texts


def _cells(drawn: CaseFigure, panel: Panel, frame: pd.DataFrame) -> Iterator[Cell]:
    for value in _dice(drawn, panel, frame):
        yield Cell(cells.decimals(value))
    for region in drawn.regions:
        place = drawn.disagreement(panel, region)
        apart = "0" if place is None else cells.decimals(place[2], 1)
        yield Cell("-" if panel.labels is None else apart)
    yield Cell(panel.why or "drawn")


def _dice(drawn: CaseFigure, panel: Panel, frame: pd.DataFrame) -> list[float]:
    """The panel's Dice of each organ; nan where there is none."""
    here = frame[
        (frame["task"] == panel.run.task)
        & (frame["run"] == panel.run.run)
        & (frame["seed"] == panel.seed)
        & (frame["case"] == drawn.case)
        & (frame["metric"] == _METRIC)
        & (frame["status"] == "ok")
    ]
    values = dict(zip(here["label"], here["value"], strict=True))
    return [float(values.get(organ, math.nan)) for organ in drawn.organs]


def _about(drawn: CaseFigure) -> Sequence[str]:
    lines = [f"case {drawn.case}: {drawn.chosen}"]
    for region in drawn.regions:
        axis = AXES[region.view][0]
        voxel = [n // 2 for n in drawn.fixed.shape]
        voxel[axis] = region.index
        world = voxel_to_world(np.array(voxel), drawn.fixed.affine)[axis]
        lines.append(f"{region.view} plane at {'RAS'[axis]} = {world:.1f} mm")
    lines += [
        "planes and enlarged parts: where the methods differ most in which voxels they get right,"
        " among the planes with the most organs; a report may set them",
        "contours: of the fixed image's labels, in every picture; images: warped linearly",
    ]
    if drawn.organs:
        lines.append(
            "disagreement: thickest part between fixed and warped label contours in the enlarged"
            " part, where the arrow points; up to two voxels count as 0"
        )
    return lines
