"""Whether the pairs of a prepared data set fit together: grids, labels, landmarks, true fields."""

from collections.abc import Iterator

import numpy as np

from regbench.base.errors import BadInput
from regbench.check.finding import FAIL, NOTE, OK, WARNING, Finding
from regbench.data.check import check_pair, read_side
from regbench.data.layout import Case, Layout
from regbench.data.pair import Side
from regbench.spatial.field import Field, read_field
from regbench.spatial.volume import voxel_to_world
from regbench.spatial.warp import warp_image, warp_labels, warp_points

#: Spacing of real scans, mm.
SPACINGS = (0.05, 20.0)
#: Voxels that a landmark may miss its partner by, under the true field.
NEAR = 1.0


def pair_findings(layout: Layout) -> Iterator[Finding]:
    """A line for each kind of thing that pairs hold."""
    cases = [case for group in layout.cases.values() for case in group if not case.problem]
    troubles: dict[str, tuple[str, str, str]] = {}
    known: dict[str, int] = {"images": 0, "labels": 0, "landmarks": 0, "true field": 0}
    present: set[int] = set()
    for case in cases:
        try:
            fixed, moving = read_side(case.fixed), read_side(case.moving)
            check_pair(fixed, moving, case)
        except BadInput as error:
            troubles.setdefault("images", (FAIL, str(error), "see docs/bad-inputs.md"))
            continue
        known["images"] += 1
        _affines(case, fixed, moving, troubles)
        if fixed.labels is not None and moving.labels is not None:
            known["labels"] += 1
            present |= {int(v) for v in np.union1d(fixed.labels.data, moving.labels.data)}
        if fixed.landmarks is not None and moving.landmarks is not None:
            known["landmarks"] += 1
        if case.true_field is not None:
            known["true field"] += 1
            try:
                _true_field(case, fixed, moving, read_field(case.true_field), troubles)
            except BadInput as error:
                troubles.setdefault("true field", (FAIL, str(error), "see docs/bad-inputs.md"))
    _labels(layout, known["labels"], present - {0}, troubles)
    for check, count in known.items():
        if check in troubles:
            yield Finding(check, *troubles[check])
        elif count:
            yield Finding(check, OK, f"of {count} pairs: readable and consistent")
        else:
            yield Finding(check, NOTE, "none")


def _affines(
    case: Case, fixed: Side, moving: Side, troubles: dict[str, tuple[str, str, str]]
) -> None:
    spacing = fixed.image.spacing
    if spacing.min() < SPACINGS[0] or spacing.max() > SPACINGS[1]:
        text = f"{case.id}: a spacing of {', '.join(f'{v:g}' for v in spacing)} mm"
        troubles.setdefault("images", (WARNING, text, "the affine maps voxels to millimetres"))
    if np.array_equal(fixed.image.affine, np.eye(4)):
        text = f"{case.id}: the affine is the identity"
        fix = "state the spacing: distances are measured in millimetres"
        troubles.setdefault("images", (WARNING, text, fix))
    if not np.allclose(fixed.image.affine, moving.image.affine, atol=1e-3):
        text = f"{case.id}: fixed and moving have different affines"
        fix = "resample to one grid: displacements are by voxel index"
        troubles.setdefault("images", (WARNING, text, fix))


def _labels(
    layout: Layout, count: int, present: set[int], troubles: dict[str, tuple[str, str, str]]
) -> None:
    named = set(layout.labels)
    if count and named - present:
        text = f"labels {sorted(named - present)} are named and in no image"
        troubles.setdefault("labels", (WARNING, text, "are the images too small for them?"))
    if present - named:
        text = f"labels {sorted(present - named)} are in the images and have no name"
        troubles.setdefault("labels", (FAIL, text, 'name them under labels: {"1": name}'))


def _true_field(
    case: Case,
    fixed: Side,
    moving: Side,
    field: Field,
    troubles: dict[str, tuple[str, str, str]],
) -> None:
    """The true field must bring the moving labels (else the image) and landmarks to the fixed."""
    fix = "fields[k] has sides[k] fixed; warped(x) = moving(x + u(x)), voxels of the fixed grid"
    if field.shape != fixed.image.shape:
        text = f"{case.id}: shape {field.shape}, the image's is {fixed.image.shape}"
        troubles.setdefault("true field", (FAIL, text, fix))
        return
    before, after = _disagreement(fixed, moving, field)
    if after > before:
        text = f"{case.id}: warping by the true field takes the pair apart"
        text += f" (disagreement {before:.3g} before, {after:.3g} after)"
        troubles.setdefault("true field", (FAIL, text, fix))
        return
    if fixed.landmarks is None or moving.landmarks is None:
        return
    away = warp_points(fixed.landmarks, field) - moving.landmarks
    worst = float(np.linalg.norm(away, axis=1).max(initial=0.0))
    if worst > NEAR:
        steps = voxel_to_world(away, moving.image.affine) - moving.image.affine[:3, 3]
        text = f"{case.id}: under the true field a landmark misses its partner by {worst:.1f} voxel"
        text += f" ({np.linalg.norm(steps, axis=1).max():.1f} mm)"
        fix = "row i of both sides is one point, in voxel coordinates (not millimetres)"
        troubles.setdefault("landmarks", (FAIL, text, fix))


def _disagreement(fixed: Side, moving: Side, field: Field) -> tuple[float, float]:
    """Share of unequal labels, or else mean difference of intensities, before and after."""
    if fixed.labels is not None and moving.labels is not None:
        still, before = fixed.labels.data, moving.labels.data
        after = warp_labels(moving.labels, field).data
        return float((before != still).mean()), float((after != still).mean())
    still, before = fixed.image.data, moving.image.data
    after = warp_image(moving.image, field).data
    return float(np.abs(before - still).mean()), float(np.abs(after - still).mean())
