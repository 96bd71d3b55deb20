"""Pictures of one case: the fixed and moving image, and what each method makes of them."""

import math
from collections.abc import Iterator, Sequence
from dataclasses import replace

import numpy as np
import pandas as pd

from regbench.reports import cells
from regbench.reports.case_figure import CaseFigure, Panel
from regbench.reports.drawing import pictures
from regbench.reports.model import Cell, Column, Table, TableRow
from regbench.reports.notes import notes
from regbench.reports.planes import AXES, BLUR, LETTERS
from regbench.reports.request import Drawing, Request
from regbench.spatial.volume import voxel_to_world

from .choice import read_case
from .sheet import draw

KIND = {"fields": ["task"], "drawn": True, "inputs": ["layout", "cases"]}

_SIDES = {"R": "the patient's right", "A": "the front", "S": "the head"}
_METRIC, _JACOBIAN = "dice", ("folds", "std_jacobian")
CELLS = "cells: of the one case and seed that is drawn"


def build(request: Request) -> Drawing:
    """The case that the report chooses, as pictures and as a table of its numbers."""
    drawn = read_case(request)
    below = panel_notes(drawn, request.results.frame)
    return Drawing(build_table(request, drawn), pictures(lambda: draw(drawn, below)))


def build_table(request: Request, drawn: CaseFigure) -> Table:
    """A row a method: its Dice in the case, how far contours lie apart, what became of it."""
    report, results, metrics = request.report, request.results, request.metrics
    shown = [metrics[_METRIC]] if drawn.organs and _METRIC in metrics else []
    columns: list[Column | str] = [
        *(Column(f"Dice {organ} (%)", "Dice (%)", organ) for organ in drawn.organs),
        *(f"Disagreement, {region.view} (mm)" for region in drawn.regions),
        "Status",
    ]
    rows = [TableRow(p.run.title, tuple(_cells(drawn, p, results.frame))) for p in drawn.rows]
    about = notes(results, list(request.tasks), shown, CELLS)
    named = replace(report, caption=f"{report.caption} {caption(drawn)}".strip())
    return Table.of(named, columns, rows, [*_about(drawn), *drawn.remarks, *about])


def caption(drawn: CaseFigure) -> str:
    """Which case, how it was chosen, and how the pictures lie."""
    views = []
    for region in drawn.regions:
        left, top = (_SIDES[letter] for letter in LETTERS[region.view][::2])
        views.append(f"{region.view}: {left} is at the left, {top} on top")
    return f"Case {drawn.case} ({drawn.chosen}). {'; '.join(views).capitalize()}."


def panel_notes(drawn: CaseFigure, frame: pd.DataFrame) -> list[str]:
    """For Moving and each panel its mean Dice over the organs; with Jacobians folds and std J."""
    texts = []
    for panel in drawn.rows:
        values = _dice(drawn, panel, frame)
        mean = sum(values) / len(values) if values else math.nan
        text = "" if math.isnan(mean) else f"Dice {mean:.1f} %"
        if drawn.show == "jacobian" and panel is not drawn.moving:
            folds, std = (_values(drawn, panel, frame, m).get("", math.nan) for m in _JACOBIAN)
            text = f"{cells.decimals(folds, 0)} folds, std J {cells.decimals(std)}"
        texts.append("" if panel.why else text)
    return texts


def _cells(drawn: CaseFigure, panel: Panel, frame: pd.DataFrame) -> Iterator[Cell]:
    for value in _dice(drawn, panel, frame):
        yield Cell(cells.decimals(value))
    for region in drawn.regions:
        place = drawn.disagreement(panel, region)
        apart = "-" if place is None else cells.decimals(place[2], 1)
        yield Cell("-" if panel.labels is None else apart)
    yield Cell(panel.why or "drawn")


def _dice(drawn: CaseFigure, panel: Panel, frame: pd.DataFrame) -> list[float]:
    """The panel's Dice of each organ; nan where there is none."""
    values = _values(drawn, panel, frame, _METRIC)
    return [float(values.get(organ, math.nan)) for organ in drawn.organs]


def _values(drawn: CaseFigure, panel: Panel, frame: pd.DataFrame, metric: str) -> dict[str, float]:
    """The panel's values of a metric by label."""
    here = frame[
        (frame["task"] == panel.run.task)
        & (frame["run"] == panel.run.run)
        & (frame["seed"] == panel.seed)
        & (frame["case"] == drawn.case)
        & (frame["metric"] == metric)
        & (frame["status"] == "ok")
    ]
    return dict(zip(here["label"], here["value"], strict=True))


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
        "contours: the surface of the fixed image's labels, smoothed by"
        f" {BLUR} voxels, in every picture; images: warped linearly",
    ]
    if drawn.organs:
        lines.append(
            "disagreement: thickest part between fixed and warped label contours in the enlarged"
            " part, where the arrow points; -: at most two voxels, or nothing to compare"
        )
    return lines
