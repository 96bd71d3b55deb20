"""What Figures 4 to 6 show: one case, its two images, every method's warped image."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pandas as pd
from nibabel.orientations import io_orientation
from numpy.typing import NDArray

from regbench.base.errors import BadInput
from regbench.base.files import read_json
from regbench.base.paths import CASES, layout_file, run_folder
from regbench.base.records import FIELD_NAME
from regbench.data.layout import Case, read_layout
from regbench.data.pair import read_image
from regbench.plan.config import Config
from regbench.plugins.kinds import ReportPlugin
from regbench.reports.cells import median_of, worst_first
from regbench.reports.planes import AXES, pixel_of, pixel_size, plane
from regbench.reports.regions import (
    SHARE,
    Region,
    choose_region,
    image_score,
    label_score,
    region_around,
)
from regbench.reports.request import runs_of, tasks_of
from regbench.reports.results import Results, RunFacts
from regbench.spatial.field import Field, read_field
from regbench.spatial.nifti import read_volume
from regbench.spatial.operations import jacobian_determinant
from regbench.spatial.volume import Volume, spacing_of, to_ras, world_to_voxel
from regbench.spatial.warp import positions, warp_image, warp_labels


@dataclass(frozen=True)
class Panel:
    """One method of the case.

    Attributes:
        run: facts of the run.
        seed: whose field it is.
        why: why there is no picture; empty where there is one.
        image: the warped moving image, RAS.
        labels: the warped organs, as `CaseFigure.organs`; None without labels.
        layer: numbers of the field that are drawn, see `layer`.
    """

    run: RunFacts
    seed: int
    why: str = ""
    image: NDArray | None = None
    labels: NDArray | None = None
    layer: NDArray | None = None


@dataclass(frozen=True)
class CaseFigure:
    """Everything that is drawn.

    Attributes:
        case: its id.
        chosen: how it was chosen, in words.
        fixed: the fixed image, RAS.
        moving: the moving image on the fixed grid, by index, RAS.
        organs: names of the label groups; the k-th is k + 1 in label maps.
        labels: the fixed image's organs, RAS; None without labels.
        panels: a method each.
        regions: a plane each, with the part of it that is enlarged.
        remarks: what a reader must know.
        show: what is drawn of each method, a value of the report's `show`.
    """

    case: str
    chosen: str
    fixed: Volume
    moving: NDArray
    organs: tuple[str, ...]
    labels: NDArray | None
    panels: tuple[Panel, ...]
    regions: tuple[Region, ...]
    remarks: tuple[str, ...]
    show: str = "warped"


@dataclass(frozen=True)
class _Pair:
    """What all panels share: images and organ maps as read, how labels are warped."""

    case: str
    fixed: Volume
    moving: Volume
    maps: list[Volume] | None
    interpolation: str
    show: str


def read_case(config: Config, report: ReportPlugin, results: Results) -> CaseFigure:
    """Choose the case, read its images and fields, warp, and choose planes and parts.

    Args:
        config: of the results.
        report: its definition: `rows` (methods, all but controls by default), `case`, `views`,
            `zoom`, `show`.
        results: of the task.

    Raises:
        BadInput: an unknown task or case, or a fixed or moving image that cannot be read.
    """
    task = tasks_of(report, results)[0]
    about = results.tasks[task]
    runs = [r for r in runs_of(report, results, task) if _wanted(r, report.rows)]
    layout = read_layout(layout_file(config.name, about.dataset))
    cases = {c.id: c for c in layout.directed(about.split, config.tasks[task].direction)}
    states = {run.run: states_of(config, task, run) for run in runs}
    values = worst_first(results.rows(task), runs, list(about.labels), config.catalog.metrics)
    name, chosen = choose_case(report, cases, values, states)
    case = cases[name]
    fixed = read_image(case.fixed)
    # By index, as everywhere: the moving image's own affine does not matter.
    moving = read_image(case.moving)
    on_fixed = warp_image(moving, Field.zero(fixed.shape, fixed.affine))
    groups = {k: tuple(v) for k, v in about.labels.items()}
    maps, trouble = _label_maps(case, groups, fixed.shape)
    show = report.content.get("show", "warped")
    pair = _Pair(name, fixed, moving, maps, about.interpolation, show)
    panels = tuple(_panel(config, run, states[run.run][name], pair) for run in runs)
    fixed_ras = to_ras(fixed)
    labels = None if maps is None else to_ras(Volume(maps[0].data, fixed.affine)).data
    moving_ras = to_ras(on_fixed).data
    return CaseFigure(
        case=name,
        chosen=chosen,
        fixed=fixed_ras,
        moving=moving_ras,
        organs=tuple(groups) if maps is not None else (),
        labels=labels,
        panels=panels,
        regions=tuple(_regions(report, fixed_ras, labels, moving_ras, panels)),
        remarks=tuple(_remarks(config, report, runs, trouble, results)),
        show=show,
    )


def _wanted(run: RunFacts, rows: Sequence[str]) -> bool:
    return run.method in rows if rows else run.kind != "control"


def _label_maps(
    case: Case, groups: Mapping[str, tuple[int, ...]], shape: tuple[int, ...]
) -> tuple[list[Volume] | None, str]:
    """Fixed and moving organs, the k-th group as k + 1; or None, and why there are none."""
    if case.fixed.labels is None or case.moving.labels is None or not groups:
        return None, "the data have no labels"
    maps = []
    for path in (case.fixed.labels, case.moving.labels):
        try:
            volume = read_volume(path, labels=True)
        except BadInput as error:
            return None, str(error)
        if volume.shape != shape:
            return None, f"{path.name} has the shape {volume.shape}, the fixed image {shape}"
        organs = np.zeros(volume.shape, np.int32)
        for k, values in enumerate(groups.values()):
            organs[np.isin(volume.data, values)] = k + 1
        maps.append(volume.with_data(organs))
    return maps, ""


def _panel(config: Config, run: RunFacts, why: str, pair: _Pair) -> Panel:
    """A run's panel; `why` it has no field, if it has none."""
    seed = run.seeds[0]
    if why:
        return Panel(run, seed, why)
    file = field_file(run_folder(config.name, run.task, run.run, seed), pair.case)
    try:
        read = read_field(file, pair.fixed.shape)
        # The field's file may carry no geometry of its own: the fixed image's holds.
        field = Field(read.displacement, pair.fixed.affine)
        found = layer(pair.show, field)
    except BadInput as error:
        return Panel(run, seed, f"failed: {error}")
    labels = None
    if pair.maps is not None:
        labels = to_ras(warp_labels(pair.maps[1], field, pair.interpolation)).data
    return Panel(run, seed, "", to_ras(warp_image(pair.moving, field)).data, labels, found)


def _regions(
    report: ReportPlugin,
    fixed: Volume,
    labels: NDArray | None,
    moving: NDArray,
    panels: Sequence[Panel],
) -> list[Region]:
    """A region for each view: the report's own, or where the methods differ most."""
    warped = [panel.labels for panel in panels if panel.labels is not None]
    images = [panel.image for panel in panels if panel.image is not None]
    if labels is not None and warped:
        score = label_score(labels, warped)
    else:
        score = image_score(images if len(images) > 1 else [moving, *images])
    given = report.content.get("zoom", {})
    found = []
    for view in report.content.get("views", ["axial"]):
        size = pixel_size(fixed.spacing, view)
        shape = plane(score, view, 0).shape
        shorter = min(n * mm for n, mm in zip(shape, size, strict=True))
        wanted = given.get(view, {})
        edge = wanted.get("size_mm", SHARE * shorter)
        pixels = (edge / size[0], edge / size[1])
        if not wanted:
            found.append(choose_region(score, labels, view, pixels))
            continue
        voxel = world_to_voxel(np.array(wanted["centre"], float), fixed.affine)
        if (voxel < -0.5).any() or (voxel > np.array(fixed.shape) - 0.5).any():
            raise BadInput(
                f"zoom.{view}.centre lies outside the image",
                file=report.file,
                expected="world millimetres, RAS",
                found=wanted["centre"],
            )
        index = round(float(voxel[AXES[view][0]]))
        centre = pixel_of(voxel, fixed.shape, view)
        found.append(region_around(centre, shape, view, index, pixels))
    return found


def _remarks(
    config: Config,
    report: ReportPlugin,
    runs: Sequence[RunFacts],
    no_labels: str,
    results: Results,
) -> list[str]:
    there = {run.method for run in runs}
    absent = [name for name in report.rows if name not in there]
    found = []
    if absent:
        found.append(f"not in config {results.config}: {', '.join(absent)}")
    if no_labels:
        found.append(f"no contours and no arrows: {no_labels}")
    if config.keep_fields != "all":
        found.append(
            f"keep_fields: {config.keep_fields}: a case whose field was not kept is not drawn"
        )
    if any(len(run.seeds) > 1 for run in runs):
        found.append("of a method with several seeds the first one is drawn")
    return found


def choose_case(
    report: ReportPlugin,
    cases: Mapping[str, Case],
    values: tuple[str, pd.Series],
    states: Mapping[str, Mapping[str, str]],
) -> tuple[str, str]:
    """The case and, in words, how it was chosen.

    The one that the report names; else the median one, among those for which most methods have a
    field.

    Args:
        report: with `case`, or without.
        cases: by id.
        values: a metric's title, and the cases from worst to best.
        states: run to case to why there is no field, empty where there is one.

    Raises:
        BadInput: the named case is not there, or there is no case.
    """
    named = report.content.get("case")
    if named is not None:
        if named not in cases:
            raise BadInput(
                f"no case {named!r}", file=report.file, expected=f"one of {', '.join(cases)}"
            )
        return named, "named by the report"
    sound = [name for name, case in cases.items() if not case.problem]
    if not sound:
        raise BadInput(f"report {report.id}: the task has no case to draw", file=report.file)
    fields = {name: sum(not known[name] for known in states.values()) for name in sound}
    most = [name for name in sound if fields[name] == max(fields.values())]
    title, series = values
    known = [name for name in series.index if name in most]
    among = "" if len(most) == len(cases) else f", of the {len(most)} with the most fields"
    if not known:
        return most[0], f"the first{among}"
    return median_of(list(known)), f"the median {title}{among}"


def states_of(config: Config, task: str, run: RunFacts) -> dict[str, str]:
    """Case to why the run's first seed has no field of it; empty where it has one."""
    folder = run_folder(config.name, task, run.run, run.seeds[0])
    found = {}
    for status in read_json(folder / CASES):
        why = ""
        if status["outcome"] != "ok":
            why = f"{status['outcome']}: {status['reason']}"
        elif not field_file(folder, status["case"]).is_file():
            why = f"field not kept (keep_fields: {config.keep_fields})"
        found[status["case"]] = why
    return found


def field_file(folder: Path, case: str) -> Path:
    """Where a run keeps the displacement field of a case."""
    return folder / case / FIELD_NAME


def layer(show: str, field: Field) -> NDArray | None:
    """The numbers behind a layer; None where it is made of the images alone.

    Args:
        show: `magnitude`: (X, Y, Z) mm; `jacobian`: (X, Y, Z) Jacobian determinant; `grid`:
            (X, Y, Z, 3) where each voxel looks in the moving image, the k-th number in voxels along
            the k-th RAS axis, but for its sign and start. All in RAS order.
        field: of the fixed grid.

    Raises:
        BadInput: a Jacobian of a grid that is one voxel thin.
    """

    def turned(data: NDArray) -> NDArray:
        return to_ras(Volume(data, field.affine)).data

    if show == "magnitude":
        return turned(np.linalg.norm(field.displacement * spacing_of(field.affine), axis=-1))
    if show == "jacobian":
        return turned(jacobian_determinant(field.displacement))
    if show == "grid":
        order = io_orientation(field.affine)[:, 0].astype(int)
        looks = positions(field)
        axes = [turned(looks[..., int(np.flatnonzero(order == k)[0])]) for k in range(3)]
        return np.stack(axes, axis=-1)
    return None
