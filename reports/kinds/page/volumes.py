"""What the viewer shows: tasks, their chosen cases, methods, and their volumes.

Volumes are fixed, moving and what each field made of them, as NIfTI for a browser.
"""

import base64
import gzip
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from functools import partial
from typing import Any, TypeVar

import nibabel
import numpy as np
import pandas as pd
from numpy.typing import NDArray

from regbench.base.errors import BadInput
from regbench.data.layout import Case
from regbench.data.pair import Side, read_side
from regbench.plan.config import Config
from regbench.reports.case_figure import kept_field, missing_fields
from regbench.reports.cells import median_of, worst_first
from regbench.reports.drawing import organ_colours
from regbench.reports.planes import LETTERS, of_interest, organ_map, shaded
from regbench.reports.request import Request
from regbench.reports.results import RunFacts, TaskFacts, task_cases
from regbench.spatial.field import Field
from regbench.spatial.operations import jacobian_determinant
from regbench.spatial.volume import Volume, percentile_window, to_ras, voxel_to_world
from regbench.spatial.warp import warp_image, warp_labels

from .records import without_paths

#: The values of level 0 and level 255.
Window = tuple[float, float]
Name = TypeVar("Name")

#: The 256 values of a Jacobian determinant run from -1 to 3; 64 of them are for |J| <= 0.
JACOBIAN_RANGE = (-1.0, 3.0)
_FOLDED = 63
#: Cases of a task, where the page's yaml does not say.
CASES = 3


@dataclass
class CaseVolumes:
    """A case for the viewer.

    Attributes:
        entry: what the page must know: names of volumes by what they show, a run each.
        data: name of a volume to its file in base64.
        missing: a line for each thing that cannot be shown.
    """

    entry: dict[str, Any] = field(default_factory=dict)
    data: dict[str, str] = field(default_factory=dict)
    missing: list[str] = field(default_factory=list)

    @property
    def size(self) -> int:
        """Characters of all volumes."""
        return sum(map(len, self.data.values()))

    def add(
        self, name: str, levels: NDArray[np.uint8], affine: NDArray, scale: Window = (0.0, 255.0)
    ) -> str:
        """Keep an encoded volume; return its name."""
        self.data[name] = encode(levels, affine, scale)
        return name


def case_volumes(
    config: Config, runs: Sequence[RunFacts], case: Case, about: TaskFacts, name: str
) -> CaseVolumes:
    """All volumes of one case of a task; each of its runs is shown with its first seed.

    `name` is unique on the page and begins the names of the volumes.
    """
    groups = about.labels
    made = CaseVolumes({"case": case.id, "volumes": {}, "runs": []})
    where = f"{case.id} on {runs[0].task}"
    try:
        fixed, moving = read_side(case.fixed), read_side(case.moving)
    except BadInput as error:
        made.missing.append(f"viewer: {where} is not shown: {error}")
        return made
    affine, volumes = fixed.image.affine, made.entry["volumes"]
    # Where a voxel that NiiVue names lies in the world.
    made.entry["affine"] = to_ras(fixed.image).affine.round(4).tolist()
    window = window_of(moving.image.data)
    levels = image_levels(fixed.image.data, window_of(fixed.image.data))
    volumes["fixed"] = made.add(f"{name}-f", levels, affine)
    volumes["moving"] = made.add(f"{name}-m", image_levels(moving.image.data, window), affine)
    if fixed.labels is not None and groups:
        levels = organ_map(fixed.labels.data, groups)
        volumes["labels"] = made.add(f"{name}-fl", levels, affine)
    else:
        made.missing.append(f"viewer: {where} has no labels, hence no contours")
    titles: dict[str, list[str]] = {}
    marked = None if fixed.labels is None else organ_map(fixed.labels.data, groups)
    seen = of_interest(fixed.image.data, marked)
    # Even where nothing moves, the scale has a width.
    largest = [0.1]
    for number, run in enumerate(runs):
        item: dict[str, Any] = {"run": run.run, "title": run.title, "seed": run.seeds[0]}
        item["kind"] = run.kind
        made.entry["runs"].append(item)
        try:
            warp = _read_field(config, run, case, fixed)
        except BadInput as error:
            item["why"] = str(error)
            titles.setdefault(item["why"], []).append(run.title)
            continue
        prefix = f"{name}-r{number}"
        item["volumes"] = _add_warped(made, prefix, warp, moving, window, about)
        item["largest"] = float(np.percentile(warp.length_mm[seen], 99.5))
        largest.append(item["largest"])
    made.missing += [f"viewer: {where}: {', '.join(t)}: {why}" for why, t in titles.items()]
    # One scale for all methods of a case: a colour means the same everywhere.
    made.entry["scale"] = round(max(largest), 3)
    return made


def _read_field(config: Config, run: RunFacts, case: Case, fixed: Side) -> Field:
    """A method's field on the fixed grid.

    Raises:
        BadInput: why there is none.
    """
    why = missing_fields(config, run).get(case.id, "the case is not there")
    if why:
        raise BadInput(without_paths(why))
    warp = kept_field(config, run, case.id, fixed.image)
    if min(fixed.image.shape) < 2:
        raise BadInput("a Jacobian needs two voxels along every axis", found=fixed.image.shape)
    return warp


def _add_warped(
    made: CaseVolumes, name: str, warp: Field, moving: Side, window: Window, about: TaskFacts
) -> dict[str, str]:
    """Add what a field makes of the moving side; the volumes' names by what they show."""
    warped, length = warp_image(moving.image, warp).data, warp.length_mm
    top = max(float(length.max()), 1e-3)
    jacobian = jacobian_levels(jacobian_determinant(warp.displacement))
    volumes = {
        "warped": made.add(f"{name}w", image_levels(warped, window), warp.affine),
        "displacement": made.add(
            f"{name}u", image_levels(length, (0, top)), warp.affine, (0.0, top)
        ),
        "jacobian": made.add(f"{name}j", jacobian, warp.affine, JACOBIAN_RANGE),
    }
    if moving.labels is not None and about.labels:
        labels = warp_labels(moving.labels, warp, about.interpolation).data
        volumes["labels"] = made.add(f"{name}l", organ_map(labels, about.labels), warp.affine)
    return volumes


def straight(volume: Volume) -> NDArray[np.float64]:
    """The affine of a RAS volume without its obliqueness, around the same middle."""
    middle = (np.array(volume.shape) - 1) / 2
    affine = np.diag([*volume.spacing, 1.0])
    affine[:3, 3] = voxel_to_world(middle, volume.affine) - volume.spacing * middle
    return affine


def fill(
    wanted: Sequence[tuple[Name, Callable[[], CaseVolumes]]], budget: int
) -> Iterator[tuple[Name, CaseVolumes | None]]:
    """Make what is wanted, in order, until the budget of characters is used up.

    Yields:
        The name with its volumes, or with None for what did not fit. Volumes after one that did not
        fit are not tried: which cases are shown must not depend on luck with compression.
    """
    full = False
    for name, make in wanted:
        made = None if full else make()
        if made is not None and made.size <= budget:
            budget -= made.size
            yield name, made
        else:
            full = True
            yield name, None


def image_levels(data: NDArray, window: Window) -> NDArray[np.uint8]:
    """Intensities as 0 to 255 over `window`; clipped outside."""
    return np.rint(255 * shaded(data, window)).astype(np.uint8)


def window_of(data: NDArray) -> Window:
    """Where an image's grey values lie, but for the lowest and highest 0.5 %."""
    low, high = percentile_window(data)
    if low == high:
        # A small bright object on an even ground.
        low, high = data.min(), data.max()
    return float(low), float(high)


def jacobian_levels(determinant: NDArray) -> NDArray[np.uint8]:
    """|J| over JACOBIAN_RANGE. Rounding never makes or hides a fold: |J| <= 0 is below level 64."""
    low, high = JACOBIAN_RANGE
    levels = np.rint(255 * np.clip((determinant - low) / (high - low), 0, 1)).astype(np.uint8)
    folded = determinant <= 0
    return np.where(folded, np.minimum(levels, _FOLDED), np.maximum(levels, _FOLDED + 1))


def encode(levels: NDArray[np.uint8], affine: NDArray, scale: Window) -> str:
    """A `.nii.gz` of (X, Y, Z) levels in base64, turned so that its axes run to R, A and S.

    An oblique grid is laid straight: NiiVue would choose its axes by a rule of its own.

    Args:
        levels: 256 values.
        affine: 4x4 of the grid, voxel index to world millimetres (RAS+).
        scale: values of level 0 and level 255.

    Returns:
        ASCII text; equal input gives equal text.
    """
    low, high = scale
    turned = to_ras(Volume(levels, affine))
    image = nibabel.Nifti1Image(turned.data, straight(turned))
    image.header.set_xyzt_units("mm")
    image.header.set_slope_inter((high - low) / 255, low)
    packed = gzip.compress(image.to_bytes(), compresslevel=6, mtime=0)
    return base64.b64encode(packed).decode("ascii")


def make_manifest(
    request: Request, budget: int
) -> tuple[dict[str, Any], dict[str, str], list[str]]:
    """Choose cases and make their volumes, as many as fit into a budget of characters.

    Returns:
        What the viewer must know; the volumes in base64 by name; a line for each thing it lacks.
    """
    config, content, results = request.config, request.report.content, request.results
    entries: dict[str, dict[str, Any]] = {}
    # Each with its place among the cases of its task, its task, and why it was chosen.
    wanted: list[tuple[tuple[int, str, str], Callable[[], CaseVolumes]]] = []
    for number, (task, facts) in enumerate(results.tasks.items()):
        if task not in config.tasks:
            continue
        labels, runs = list(facts.labels), results.of_task(task)
        entries[task] = {
            **{"task": task, "title": facts.title, "labels": labels, "cases": []},
            "colours": organ_colours(labels, content.get("colours", "safe")),
            **{"fixed": facts.fixed, "moving": facts.moving},
        }
        cases = task_cases(config, task)
        worst = worst_first(results.rows(task), runs, labels, request.metrics)
        chosen = choose_cases(worst, list(cases), content.get("cases", CASES))
        for place, (case, why) in enumerate(chosen.items()):
            prefix = f"t{number}c{place}"
            make = partial(case_volumes, config, runs, cases[case], facts, prefix)
            wanted.append(((place, task, why), make))
    # The median case of every task comes before the second case of any.
    wanted.sort(key=lambda item: item[0][0])
    blobs: dict[str, str] = {}
    missing: list[str] = []
    left_out = 0
    for (_, task, why), made in fill(wanted, budget):
        if made is None:
            left_out += 1
            continue
        blobs |= made.data
        missing += made.missing
        if made.entry["runs"]:
            entries[task]["cases"].append({**made.entry, "why": why})
    if left_out:
        what = "case does" if left_out == 1 else "cases do"
        missing.append(f"viewer: {left_out} more {what} not fit the page's limit (limit_mb)")
    shown = [entry for entry in entries.values() if entry["cases"]]
    return {"tasks": shown, "orientation": viewer_options()}, blobs, missing


def viewer_options() -> dict[str, bool]:
    """NiiVue's options with which it shows planes as `plane` does, with all letters."""
    return {
        "isRadiologicalConvention": LETTERS["axial"][0] == LETTERS["coronal"][0] == "R",
        "sagittalNoseLeft": LETTERS["sagittal"][0] == "A",
        "showAllOrientationMarkers": True,
    }


def choose_cases(worst: tuple[str, pd.Series], cases: Sequence[str], count: int) -> dict[str, str]:
    """At most `count` of a task's cases, with the reason: the median, worst and best, then others.

    `worst` is what `worst_first` says; `cases` are ids in the data set's order.
    """
    title, values = worst
    order = [case for case in values.index if case in cases]
    why: dict[str, str] = {}
    if order:
        for case, what in ((median_of(order), "median"), (order[0], "worst"), (order[-1], "best")):
            # One case may be two of these.
            why.setdefault(case, f"{what} {title} of {len(order)} cases")
    others = dict.fromkeys(
        (c for c in cases if c not in why), "" if why else "in the data set's order"
    )
    return dict([*why.items(), *others.items()][:count])
