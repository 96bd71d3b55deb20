"""The viewer's volumes: fixed, moving and, from the fields, what each method made of them."""

from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, TypeVar

import numpy as np

from regbench.base.errors import BadInput
from regbench.base.paths import run_folder
from regbench.base.records import FIELD_NAME
from regbench.data.layout import Case
from regbench.data.pair import Side, read_side
from regbench.plan.config import Config, RunConfig
from regbench.reports.page.encode import (
    JACOBIAN_RANGE,
    encode,
    image_levels,
    jacobian_levels,
    label_levels,
    window_of,
)
from regbench.spatial.field import Field, read_field
from regbench.spatial.operations import jacobian_determinant
from regbench.spatial.warp import warp_image, warp_labels

Groups = dict[str, tuple[int, ...]]
Name = TypeVar("Name")


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


def case_volumes(
    config: Config, runs: list[RunConfig], case: Case, groups: Groups, name: str
) -> CaseVolumes:
    """All volumes of one case.

    Args:
        config: where its results lie.
        runs: of the task; each is shown with its first seed.
        case: the pair.
        groups: label groups of the task, empty where it has none.
        name: a prefix of the volumes' names, unique on the page.
    """
    made = CaseVolumes({"case": case.id, "volumes": {}, "runs": []})
    where = f"{case.id} on {runs[0].task.id}"
    try:
        fixed, moving = read_side(case.fixed), read_side(case.moving)
    except BadInput as problem:
        made.missing.append(f"viewer: {where} is not shown: {problem}")
        return made
    put = _adder(made, name, fixed.image.affine)
    window = window_of(moving.image.data)
    volumes = made.entry["volumes"]
    volumes["fixed"] = put("f", image_levels(fixed.image.data, window_of(fixed.image.data)))
    volumes["moving"] = put("m", image_levels(moving.image.data, window))
    if fixed.labels is not None and groups:
        volumes["labels"] = put("fl", label_levels(fixed.labels.data, groups))
    else:
        made.missing.append(f"viewer: {where} has no labels, hence no contours")
    why: dict[str, list[str]] = {}
    for number, run in enumerate(runs):
        seed = config.seeds_of(run)[0]
        file = run_folder(config.name, run.task.id, run.id, seed) / case.id / FIELD_NAME
        item: dict[str, Any] = {"run": run.id, "title": run.title, "seed": seed}
        made.entry["runs"].append(item)
        found = _read(file, fixed)
        if isinstance(found, str):
            item["why"] = found
            why.setdefault(found, []).append(run.title)
            continue
        item["volumes"] = _of_field(
            found, moving, groups, run.task.label_interpolation, window, put, f"r{number}"
        )
        item["largest"] = float(np.percentile(found.length_mm, 99.9))
    made.missing += [f"viewer: {where}: {', '.join(m)}: {reason}" for reason, m in why.items()]
    shown = [item["largest"] for item in made.entry["runs"] if "largest" in item]
    # One scale for all methods of a case: a colour means the same everywhere.
    made.entry["scale"] = round(max(max(shown, default=0), 0.1), 3)
    return made


def _read(file: Path, fixed: Side) -> Field | str:
    """A method's field on the fixed grid, or why there is none."""
    if not file.is_file():
        return "no field: the case failed, or fields are not kept (keep_fields)"
    try:
        found = read_field(file, fixed.image.shape)
        if min(found.shape) < 2:
            raise BadInput("a Jacobian needs two voxels along every axis", found=found.shape)
        return Field(found.displacement, fixed.image.affine)
    except BadInput as problem:
        return str(problem)


def _of_field(
    found: Field,
    moving: Side,
    groups: Groups,
    interpolation: str,
    window: tuple[float, float],
    put: Callable[..., str],
    name: str,
) -> dict[str, str]:
    warped = warp_image(moving.image, found)
    size = found.length_mm
    top = max(float(size.max()), 1e-3)
    volumes = {
        "warped": put(f"{name}w", image_levels(warped.data, window)),
        "displacement": put(f"{name}u", image_levels(size, (0, top)), (0.0, top)),
        "jacobian": put(
            f"{name}j", jacobian_levels(jacobian_determinant(found.displacement)), JACOBIAN_RANGE
        ),
    }
    if moving.labels is not None and groups:
        labels = warp_labels(moving.labels, found, interpolation)
        volumes["labels"] = put(f"{name}l", label_levels(labels.data, groups))
    return volumes


def _adder(made: CaseVolumes, prefix: str, affine: Any) -> Callable[..., str]:
    def put(name: str, levels: Any, scale: tuple[float, float] = (0.0, 255.0)) -> str:
        made.data[f"{prefix}-{name}"] = encode(levels, affine, scale)
        return f"{prefix}-{name}"

    return put


def fill(
    wanted: list[tuple[Name, Callable[[], CaseVolumes]]], budget: int
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
