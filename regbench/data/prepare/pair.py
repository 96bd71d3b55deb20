"""Preparing one raw pair: every step in its order, and what a reader must know about it."""

from collections.abc import Callable, Mapping
from dataclasses import replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from regbench.base.errors import BadInput
from regbench.data.pair import Pair, Side
from regbench.data.prepare.align import align, coarse, start_shift
from regbench.data.prepare.grid import (
    box,
    box_centre,
    box_start,
    covered,
    cut_percent,
    isotropic,
    onto,
    placed,
    side_to_ras,
)
from regbench.data.prepare.recipe import Recipe
from regbench.spatial.volume import Grid, Volume, voxel_to_world, within, world_to_voxel

Aligner = Callable[[Volume, Volume, str, NDArray], NDArray[np.float64]]
#: Loss of a label to the crop box, in percent, above which there is a warning.
MUCH = 5.0


def prepare_pair(fixed: Side, moving: Side, recipe: Recipe, aligner: Aligner = align) -> Pair:
    """Canonical orientation, alignment, one grid for both, one crop box, intensities.

    The fixed image alone decides where the grid and the box lie; the moving one goes where the
    alignment puts it, so the motion that the alignment leaves is kept.

    Args:
        fixed, moving: native sides; labels and mask on the grid of their image.
        recipe: how.
        aligner: finds the alignment; as `regbench.data.prepare.align.align`.

    Returns:
        images in [0, 1], labels, mask and landmarks on one grid; the notes say what was done:
        alignment, grid, box, intensities, what was cut off.

    Raises:
        BadInput: one line on what cannot be prepared.
    """
    aligns = recipe.alignment not in ("none", "given")
    one, two = (side.image.affine[:3, :3] for side in (fixed, moving))
    alike = fixed.image.shape == moving.image.shape and np.allclose(one, two, atol=1e-3)
    if recipe.alignment == "given" and alike:
        # Index to index, as in Learn2Reg: the origins of images on one grid need not agree.
        moving = replace(moving, image=Volume(moving.image.data, fixed.image.affine))
    fixed, moving = side_to_ras(fixed), side_to_ras(moving)
    bounds = {
        "fixed": recipe.fixed_intensity.bounds(fixed.image.data),
        "moving": recipe.moving_intensity.bounds(moving.image.data),
    }
    alignment = np.eye(4)
    if aligns:
        small = (
            coarse(fixed.image, bounds["fixed"], recipe.alignment_spacing),
            coarse(moving.image, bounds["moving"], recipe.alignment_spacing),
        )
        shift = start_shift(recipe.alignment_start, (fixed, moving), small)
        alignment = aligner(*small, recipe.alignment, shift)
    sides = {"fixed": fixed, "moving": placed(moving, alignment)}
    grid, start = pair_grid(fixed, recipe, bounds["fixed"])
    shares = {role: float(covered(side.image, grid).mean()) for role, side in sides.items()}
    for role, share in shares.items():
        if share == 0:
            raise BadInput(
                f"nothing of the {role} image lies in the pair's grid",
                expected="images that overlap: settings alignment, alignment_start, around",
            )
    ready_fixed, ready_moving = (onto(side, grid, bounds[role]) for role, side in sides.items())
    record: dict[str, Any] = {
        "alignment": recipe.alignment,
        "alignment_start": recipe.alignment_start if aligns else "none",
        "affine": alignment.round(6).tolist(),
        "shape": list(grid.shape),
        "spacing_mm": grid.spacing.round(4).tolist(),
        "box_start": list(start),
        "intensity": {role: [round(x, 4) for x in pair] for role, pair in bounds.items()},
        "cut_percent": {role: _cut(side, grid) for role, side in sides.items()},
        "covered_percent": {role: round(100 * share, 2) for role, share in shares.items()},
    }
    ready_fixed, ready_moving, dropped = drop_outside(ready_fixed, ready_moving, grid)
    if ready_fixed.landmarks is not None or ready_moving.landmarks is not None:
        record["landmarks_cut"] = dropped
    record["apart"] = labels_apart(ready_fixed, ready_moving)
    record["warnings"] = warnings(record)
    return Pair((ready_fixed, ready_moving), notes=record)


def labels_apart(fixed: Side, moving: Side) -> list[str]:
    """Labels that both prepared images have, without one voxel in common."""
    if fixed.labels is None or moving.labels is None:
        return []
    one, two = fixed.labels.data, moving.labels.data
    both = (set(np.unique(one)) & set(np.unique(two))) - {0}
    return [str(label) for label in sorted(both) if not ((one == label) & (two == label)).any()]


def drop_outside(fixed: Side, moving: Side, grid: Grid) -> tuple[Side, Side, int]:
    """The sides without the landmarks that lie outside the grid in either image, and how many.

    A field is defined on the grid of the fixed image, and a task may turn the pair around. Nothing
    can be measured at a landmark that the box has cut off.
    """
    present = [side.landmarks for side in (fixed, moving) if side.landmarks is not None]
    if not present:
        return fixed, moving, 0
    keep = np.all([within(landmarks, grid.shape) for landmarks in present], axis=0)
    fixed, moving = (
        side if side.landmarks is None else replace(side, landmarks=side.landmarks[keep])
        for side in (fixed, moving)
    )
    return fixed, moving, int((~keep).sum())


def warnings(record: Mapping[str, Any]) -> list[str]:
    """What a reader of the numbers must know about a pair, from its record."""
    lines = [
        f"the crop box cuts off {percent:.1f} % of label {label} of the {role} image"
        for role, shares in record["cut_percent"].items()
        for label, percent in shares.items()
        if percent > MUCH
    ]
    if record["apart"]:
        lines.append(
            f"fixed and moving label {', '.join(record['apart'])} have no voxel in common:"
            " the alignment may have failed"
        )
    if record.get("landmarks_cut"):
        cut = record["landmarks_cut"]
        lines.append(f"{cut} landmarks lie outside the crop box and are left out")
    return lines


def pair_grid(
    fixed: Side, recipe: Recipe, bounds: tuple[float, float]
) -> tuple[Grid, tuple[int, int, int]]:
    """The pair's grid, and where it begins on the fixed image's resampled one."""
    grid = fixed.image.grid
    if recipe.spacing is not None:
        grid = isotropic(grid, recipe.spacing)
    if recipe.size is None:
        return grid, (0, 0, 0)
    centre = voxel_to_world(box_centre(fixed, recipe.around, bounds), fixed.image.affine)
    start = box_start(world_to_voxel(centre, grid.affine), recipe.size)
    return box(grid, start, recipe.size), start


def _cut(side: Side, grid: Grid) -> dict[str, float]:
    if side.labels is None:
        return {}
    return {str(k): round(v, 2) for k, v in cut_percent(side.labels, grid).items()}
