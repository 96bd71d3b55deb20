"""Preparing one raw pair: every step in its order, and what there is to tell of it."""

from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from regbench.base.errors import BadInput
from regbench.data.pair import Side
from regbench.data.prepare.align import align, coarse
from regbench.data.prepare.crop import box_centre, box_start, cut_percent, within
from regbench.data.prepare.grid import Grid, box, grid_of, isotropic
from regbench.data.prepare.initial_alignment import start_shift
from regbench.data.prepare.orient import side_to_ras
from regbench.data.prepare.recipe import Recipe
from regbench.data.prepare.report import warnings
from regbench.data.prepare.resample import covered, onto, placed
from regbench.spatial.volume import Volume, voxel_to_world, world_to_voxel

Aligner = Callable[[Volume, Volume, str, NDArray], NDArray[np.float64]]


@dataclass(frozen=True)
class Prepared:
    """A pair on one grid.

    Attributes:
        fixed, moving: images in [0, 1], with labels, mask and landmarks, on one grid.
        record: what was done: alignment, grid, box, intensities, what was cut off. JSON-able.
    """

    fixed: Side
    moving: Side
    record: dict[str, Any]


def prepare_pair(fixed: Side, moving: Side, recipe: Recipe, aligner: Aligner = align) -> Prepared:
    """Canonical orientation, alignment, one grid for both, one crop box, intensities.

    The fixed image alone decides where the grid and the box lie; the moving one goes where the
    alignment puts it, so the motion that the alignment leaves is kept.

    Args:
        fixed, moving: native sides; labels and mask on the grid of their image.
        recipe: how.
        aligner: finds the alignment; as `regbench.data.prepare.align.align`.

    Raises:
        BadInput: one line on what cannot be prepared.
    """
    fixed, moving = side_to_ras(fixed), side_to_ras(moving)
    bounds = (
        recipe.fixed_intensity.bounds(fixed.image.data),
        recipe.moving_intensity.bounds(moving.image.data),
    )
    alignment = np.eye(4)
    if recipe.alignment != "none":
        small = (
            coarse(fixed.image, bounds[0], recipe.alignment_spacing),
            coarse(moving.image, bounds[1], recipe.alignment_spacing),
        )
        shift = start_shift(recipe.alignment_start, (fixed, moving), small)
        alignment = aligner(*small, recipe.alignment, shift)
    moving = placed(moving, alignment)
    grid, start = _grid(fixed, recipe, bounds[0])
    share = {
        role: float(covered(side.image, grid).mean())
        for role, side in (("fixed", fixed), ("moving", moving))
    }
    for role, part in share.items():
        if part == 0:
            raise BadInput(
                f"nothing of the {role} image lies in the pair's grid",
                expected="images that overlap: settings alignment, alignment_start, around",
            )
    ready = onto(fixed, grid, bounds[0]), onto(moving, grid, bounds[1])
    record: dict[str, Any] = {
        "alignment": recipe.alignment,
        "alignment_start": recipe.alignment_start if recipe.alignment != "none" else "none",
        "affine": alignment.round(6).tolist(),
        "shape": list(grid.shape),
        "spacing_mm": grid.spacing.round(4).tolist(),
        "box_start": list(start),
        "intensity": {
            role: [round(x, 4) for x in pair]
            for role, pair in zip(("fixed", "moving"), bounds, strict=True)
        },
        "cut_percent": {
            role: _cut(side, grid) for role, side in (("fixed", fixed), ("moving", moving))
        },
        "covered_percent": {role: round(100 * part, 2) for role, part in share.items()},
    }
    first, second, dropped = drop_outside(*ready, grid)
    if first.landmarks is not None or second.landmarks is not None:
        record["landmarks_cut"] = dropped
    record["apart"] = labels_apart(first, second)
    record["warnings"] = warnings(record)
    return Prepared(first, second, record)


def labels_apart(fixed: Side, moving: Side) -> list[str]:
    """Labels that both prepared images have, without one voxel in common."""
    if fixed.labels is None or moving.labels is None:
        return []
    one, two = fixed.labels.data, moving.labels.data
    both = (set(np.unique(one)) & set(np.unique(two))) - {0}
    return [str(label) for label in sorted(both) if not ((one == label) & (two == label)).any()]


def drop_outside(fixed: Side, moving: Side, grid: Grid) -> tuple[Side, Side, int]:
    """The sides without the landmarks that lie outside the grid in either image, and how many.

    A field is defined on the grid of the fixed image, and a task may turn the pair around: where
    the box has cut a landmark off, nothing can be measured.
    """
    present = [side.landmarks for side in (fixed, moving) if side.landmarks is not None]
    if not present:
        return fixed, moving, 0
    keep = np.all([within(landmarks, grid) for landmarks in present], axis=0)
    sides = (
        side if side.landmarks is None else replace(side, landmarks=side.landmarks[keep])
        for side in (fixed, moving)
    )
    first, second = sides
    return first, second, int((~keep).sum())


def _cut(side: Side, grid: Grid) -> dict[str, float]:
    if side.labels is None:
        return {}
    return {str(k): round(v, 2) for k, v in cut_percent(side.labels, grid).items()}


def _grid(
    fixed: Side, recipe: Recipe, bounds: tuple[float, float]
) -> tuple[Grid, tuple[int, int, int]]:
    """The pair's grid, and where it begins on the fixed image's resampled one."""
    grid = grid_of(fixed.image)
    if recipe.spacing is not None:
        grid = isotropic(grid, recipe.spacing)
    if recipe.size is None:
        return grid, (0, 0, 0)
    centre = voxel_to_world(box_centre(fixed, recipe.around, bounds), fixed.image.affine)
    start = box_start(world_to_voxel(centre, grid.affine), recipe.size)
    return box(grid, start, recipe.size), start
