"""What Figures 4 to 6 show: one case, its two images, every method's warped image."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from nibabel.orientations import io_orientation
from numpy.typing import NDArray

from regbench.base.errors import BadInput
from regbench.base.paths import CASES, made_again, read_own, run_folder
from regbench.base.records import FIELD_NAME
from regbench.data.layout import Case, Entry
from regbench.data.pair import read_image
from regbench.plan.config import Config
from regbench.plugins.kinds import ReportPlugin
from regbench.reports import planes
from regbench.reports.planes import Region
from regbench.reports.request import Request
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
        moving: the moving image on the fixed grid, by index, and its organs, as a method's.
        modalities: of the fixed and of the moving image.
        organs: names of the label groups; the k-th is k + 1 in label maps.
        labels: the fixed image's organs, RAS; None without labels.
        panels: a method each.
        regions: a plane each, with the part of it that is enlarged.
        remarks: what a reader must know.
        show: what is drawn of each method, a value of the report's `show`.
        width, across, colours: the report's.
    """

    case: str
    chosen: str
    fixed: Volume
    moving: Panel
    modalities: tuple[str, str]
    organs: tuple[str, ...]
    labels: NDArray | None
    panels: tuple[Panel, ...]
    regions: tuple[Region, ...]
    remarks: tuple[str, ...]
    show: str = "warped"
    width: str = "174mm"
    across: int | None = None
    colours: str = "safe"

    @property
    def rows(self) -> tuple[Panel, ...]:
        """The moving image and the methods."""
        return self.moving, *self.panels

    def disagreement(self, panel: Panel, region: Region) -> tuple[float, float, float] | None:
        """See `largest_disagreement`; None, too, where there are no labels to compare."""
        if self.labels is None or panel.labels is None:
            return None
        fixed, warped = region.picture(self.labels), region.picture(panel.labels)
        size = planes.pixel_size(self.fixed.spacing, region.view)
        return planes.largest_disagreement(fixed, warped, region, size)


def figure_of(
    request: Request, task: str, case: Case, chosen: str, whys: Sequence[tuple[RunFacts, str]]
) -> CaseFigure:
    """The figure of a case; each run has the reason why it has no field, or an empty one."""
    report, config, about = request.report, request.config, request.results.tasks[task]
    fixed, moving = read_image(case.fixed), read_image(case.moving)
    show, no_labels = report.content.get("show", "warped"), ""
    organs: list[Volume] = []
    try:
        organs = [_read_organs(side, about.labels, fixed) for side in (case.fixed, case.moving)]
    except BadInput as error:
        no_labels = str(error)

    def panel(run: RunFacts, field: Field) -> Panel:
        warped = [warp_labels(organs[1], field, about.interpolation)] if organs else []
        image = to_ras(warp_image(moving, field)).data
        labels = to_ras(warped[0]).data if warped else None
        return Panel(run, run.seeds[0], "", image, labels, layer(show, field))

    def panel_of(run: RunFacts, why: str) -> Panel:
        try:
            if why:
                return Panel(run, run.seeds[0], why)
            return panel(run, kept_field(config, run, case.id, fixed))
        except BadInput as error:
            return Panel(run, run.seeds[0], f"failed: {error}")

    panels = tuple(panel_of(run, why) for run, why in whys)
    # By index, as everywhere: the moving image's own affine does not matter.
    still = panel(_unmoved(request.results, task), Field.zero(fixed.shape, fixed.affine))
    assert still.image is not None
    labels = to_ras(organs[0]).data if organs else None
    turned, score = to_ras(fixed), _score(labels, still.image, panels)
    views = report.content.get("views", ["axial"])
    return CaseFigure(
        case=case.id,
        chosen=chosen,
        fixed=turned,
        moving=still,
        modalities=(about.fixed, about.moving),
        organs=tuple(about.labels) if organs else (),
        labels=labels,
        panels=panels,
        regions=tuple(_region(report, view, turned, labels, score) for view in views),
        remarks=tuple(_remarks(config, report, [run for run, _ in whys], no_labels)),
        show=show,
        width=report.content.get("width", "174mm"),
        across=report.content.get("across"),
        colours=report.content.get("colours", "safe"),
    )


def _unmoved(results: Results, task: str) -> RunFacts:
    """The run that leaves the moving image as it is, whether or not the results have it."""
    found = [run for run in results.of_task(task) if run.method == "identity"]
    rest: dict[str, Any] = {"kind": "control", "seeds": [0], "settings": {}, "threads": 1}
    return found[0] if found else RunFacts(task=task, run="", method="", title="Moving", **rest)


def missing_fields(config: Config, run: RunFacts) -> dict[str, str]:
    """Case to why a run's first seed has no field of it; empty where it has one."""
    folder = run_folder(config.name, run.task, run.run, run.seeds[0])
    whys = {}
    for status in read_own(folder / CASES):
        why = ""
        if status["outcome"] != "ok":
            why = f"{status['outcome']}: {status['reason']}"
        elif not (folder / status["case"] / FIELD_NAME).is_file():
            why = f"field not kept (keep_fields: {config.keep_fields})"
        whys[status["case"]] = why
    return whys


def kept_field(config: Config, run: RunFacts, case: str, fixed: Volume) -> Field:
    """The field of a case of a run's first seed, on the fixed image's grid.

    Raises:
        BadInput: its file is damaged. The next workflow makes it again.
    """
    folder = run_folder(config.name, run.task, run.run, run.seeds[0])
    try:
        displacement = read_field(folder / case / FIELD_NAME, fixed.shape).displacement
    except BadInput as error:
        raise made_again(error, folder) from error
    # The field's file may carry no geometry of its own: the fixed image's holds.
    return Field(displacement, fixed.affine)


def _read_organs(side: Entry, groups: Mapping[str, Sequence[int]], fixed: Volume) -> Volume:
    """An image's organs, the k-th group as k + 1, with the fixed image's geometry.

    Raises:
        BadInput: why there are none.
    """
    if side.labels is None or not groups:
        raise BadInput("the data have no labels")
    volume = read_volume(side.labels, labels=True)
    if volume.shape != fixed.shape:
        raise BadInput(
            f"{side.labels.name} has the shape {volume.shape}, the fixed image {fixed.shape}"
        )
    return fixed.with_data(planes.organ_map(volume.data, groups))


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
        # The array axis that becomes each RAS axis.
        axes = np.argsort(io_orientation(field.affine)[:, 0])
        looks = positions(field)
        return np.stack([turned(looks[..., axis]) for axis in axes], axis=-1)
    return None


def _score(labels: NDArray | None, moving: NDArray, panels: Sequence[Panel]) -> NDArray[np.float64]:
    """How much the methods differ, at each voxel: in labels or, without these, in images."""
    warped = [panel.labels for panel in panels if panel.labels is not None]
    if labels is not None and warped:
        return planes.label_score(labels, warped)
    images = [panel.image for panel in panels if panel.image is not None]
    return planes.image_score(images if len(images) > 1 else [moving, *images])


def _region(
    report: ReportPlugin,
    view: str,
    fixed: Volume,
    labels: NDArray | None,
    score: NDArray[np.float64],
) -> Region:
    """A view's plane and part: those that the report sets, or where the methods differ most."""
    size = planes.pixel_size(fixed.spacing, view)
    shape = planes.plane(score, view, 0).shape
    shorter = min(n * mm for n, mm in zip(shape, size, strict=True))
    zoom = report.content.get("zoom", {}).get(view, {})
    edge = zoom.get("size_mm", planes.SHARE * shorter)
    pixels = (edge / size[0], edge / size[1])
    if not zoom:
        return planes.choose_region(score, labels, view, pixels)
    voxel = world_to_voxel(np.array(zoom["centre"], float), fixed.affine)
    if (voxel < -0.5).any() or (voxel > np.array(fixed.shape) - 0.5).any():
        raise BadInput(
            f"zoom.{view}.centre lies outside the image",
            file=report.file,
            expected="world millimetres, RAS",
            found=zoom["centre"],
        )
    index = round(float(voxel[planes.AXES[view][0]]))
    return planes.region_around(
        planes.pixel_of(voxel, fixed.shape, view), shape, view, index, pixels
    )


def _remarks(
    config: Config, report: ReportPlugin, runs: Sequence[RunFacts], no_labels: str
) -> Iterator[str]:
    there = {run.method for run in runs}
    absent = [name for name in report.rows if name not in there]
    if absent:
        yield f"not in config {config.name}: {', '.join(absent)}"
    if no_labels:
        yield f"no contours and no arrows: {no_labels}"
    if config.keep_fields != "all":
        yield f"keep_fields: {config.keep_fields}: a case whose field was not kept is not drawn"
    if any(len(run.seeds) > 1 for run in runs):
        yield "of a method with several seeds the first one is drawn"
