"""What the paper's Figures 4 to 6 show: one case, its two images, and every method's warped one."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from regbench.base.errors import BadInput
from regbench.base.paths import layout_file, run_folder
from regbench.data.check import read_image
from regbench.data.layout import Case, read_layout
from regbench.plan.config import Config
from regbench.plugins.kinds import ReportPlugin
from regbench.reports.overview_case import choose_case, field_file, states_of
from regbench.reports.overview_layers import layer
from regbench.reports.per_case import runs_of, tasks_of, worst_first
from regbench.reports.planes import AXES, pixel_of, pixel_size, plane, to_ras
from regbench.reports.regions import (
    SHARE,
    Region,
    choose_region,
    image_score,
    label_score,
    region_around,
)
from regbench.reports.results import Results, RunFacts
from regbench.spatial.field import Field, read_field
from regbench.spatial.nifti import read_volume
from regbench.spatial.volume import Volume, world_to_voxel
from regbench.spatial.warp import warp_image, warp_labels


@dataclass(frozen=True)
class Panel:
    """One method of the case.

    Attributes:
        run: facts of the run.
        seed: whose field it is.
        why: why there is no picture; empty where there is one.
        image: the warped moving image, RAS.
        labels: the warped organs, as `Overview.organs`; None without labels.
        layer: numbers of the field that are drawn, see `overview_layers.layer`.
    """

    run: RunFacts
    seed: int
    why: str = ""
    image: NDArray | None = None
    labels: NDArray | None = None
    layer: NDArray | None = None


@dataclass(frozen=True)
class Overview:
    """Everything that is drawn.

    Attributes:
        case: its id.
        chosen: how it was chosen, in words.
        fixed: the fixed image, RAS.
        moving: the moving image on the fixed grid, by index, RAS.
        organs: names of the label groups; the k-th is k + 1 in label maps.
        labels: the fixed image's organs, RAS; None without labels.
        moving_labels: the moving image's, on the fixed grid.
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
    moving_labels: NDArray | None
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


def read_overview(config: Config, report: ReportPlugin, results: Results) -> Overview:
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
    still = Field.zero(fixed.shape, fixed.affine)
    moving = read_image(case.moving)
    groups = {k: tuple(v) for k, v in about.labels.items()}
    maps, trouble = _label_maps(case, groups, fixed.shape)
    how = about.interpolation
    show = report.content.get("show", "warped")
    pair = _Pair(name, fixed, moving, maps, how, show)
    panels = tuple(_panel(config, run, states[run.run][name], pair) for run in runs)
    seen = to_ras(fixed)
    labels = None if maps is None else to_ras(Volume(maps[0].data, fixed.affine)).data
    rest = None if maps is None else to_ras(warp_labels(maps[1], still, how)).data
    first = to_ras(warp_image(moving, still)).data
    return Overview(
        case=name,
        chosen=chosen,
        fixed=seen,
        moving=first,
        organs=tuple(groups) if maps is not None else (),
        labels=labels,
        moving_labels=rest,
        panels=panels,
        regions=tuple(_regions(report, seen, labels, first, panels)),
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
