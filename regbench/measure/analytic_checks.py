"""The gauntlet: metrics on masks and fields whose answer is known beforehand.

Every check states the analytic answer and how far a value on a voxel grid may be from it: 0 where
the grid is exact. Shapes have three unequal sizes and spacings differ, so that a swapped axis or a
forgotten unit cannot hide.
"""

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from functools import reduce
from importlib.util import find_spec
from math import hypot, nan
from typing import Any

import numpy as np
from numpy.typing import NDArray

from regbench.measure.inputs import FieldView, LandmarkView, MaskPair, TruthView
from regbench.spatial.field import Field
from regbench.spatial.volume import voxel_grid

SHAPE = (9, 12, 15)
SPACING = np.array([1.0, 1.5, 2.5])
#: Rounding of float32 fields.
ROUNDING = 1e-3


@dataclass(frozen=True)
class Check:
    """One metric on one made case.

    Attributes:
        case: what was made.
        metric: id of the metric.
        view: what the metric is given.
        exact: the analytic answer; nan where there must be none.
        bound: how far the value may be off.
    """

    case: str
    metric: str
    view: Any
    exact: float
    bound: float = 0.0


def checks() -> Iterator[Check]:
    """All checks, in the order in which they are shown."""
    yield from _boxes()
    yield from _voxels()
    yield from _spheres()
    yield from _linear_fields()
    yield from _polynomial_field()
    yield from _checkerboard()
    yield from _known_errors()


def _boxes() -> Iterator[Check]:
    whole = np.ones(SHAPE, bool)
    for name, one in (
        ("box", _box((1, 1, 1), (3, 4, 5))),
        ("one voxel", _box((4, 5, 6), (1, 1, 1))),
        ("box that touches the border", _box((0, 0, 9), (3, 4, 6))),
        ("whole volume", whole),
    ):
        for metric, exact in (("dice", 100.0), ("asd", 0.0), ("asd_voxel", 0.0), ("hd95", 0.0)):
            yield Check(f"{name}, against itself", metric, _pair(one, one), exact)
    box = _box((1, 1, 1), (3, 4, 5))
    for shift, overlap in (((1, 2, 3), 8), ((0, 0, 3), 24), ((3, 0, 0), 0)):
        pair = _pair(box, _box(np.add(1, shift), (3, 4, 5)))
        yield Check(f"3x4x5 box, shifted by {shift}", "dice", pair, 100 * overlap / 60)
    half = _pair(whole, _box((0, 0, 0), (9, 6, 15)))
    yield Check("whole volume, against half of it", "dice", half, 200 / 3)
    yield Check("whole volume, against half of it", "hd95", half, 6 * SPACING[1])
    for metric in ("dice", "asd", "asd_voxel", "hd95"):
        yield Check("box, against nothing", metric, _pair(box, np.zeros(SHAPE, bool)), nan)


def _voxels() -> Iterator[Check]:
    """Of a voxel's eight corners, four are one voxel nearer to a voxel along an axis."""
    for axis in range(3):
        shift = 3 * np.eye(3, dtype=int)[axis]
        pair = _pair(_box((2, 3, 4), (1, 1, 1)), _box(np.add((2, 3, 4), shift), (1, 1, 1)))
        size = float(SPACING[axis])
        case = f"two voxels, 3 apart along axis {axis} ({size} mm)"
        yield Check(case, "asd_voxel", pair, 3 * size)
        yield Check(case, "asd", pair, 2.5 * size)
        yield Check(case, "hd95", pair, 3 * size)
    pair = _pair(_box((2, 3, 4), (1, 1, 1)), _box((4, 6, 5), (1, 1, 1)))
    case = "two voxels, (2, 3, 1) apart"
    yield Check(case, "asd_voxel", pair, hypot(*(np.array([2, 3, 1]) * SPACING)))


def _spheres() -> Iterator[Check]:
    """Surfaces on a grid are layers of voxels: distances are true within a voxel's size."""
    for spacing in ((0.5, 0.5, 0.5), (1.5, 1.0, 2.0)):
        shape = tuple(int(30 / s) | 1 for s in spacing)
        small, large = (_sphere(shape, r, np.array(spacing)) for r in (9.0, 13.0))
        pair = MaskPair(small, large, np.array(spacing))
        case = f"spheres of 9 and 13 mm, voxels {spacing} mm"
        for metric in ("asd", "asd_voxel", "hd95"):
            yield Check(case, metric, pair, 4.0, max(spacing))
        yield Check(case, "dice", pair, 200 * 9**3 / (9**3 + 13**3), 1.0)


def _linear_fields() -> Iterator[Check]:
    turn = np.deg2rad(20)
    rotation = [[np.cos(turn), -np.sin(turn), 0], [np.sin(turn), np.cos(turn), 0], [0, 0, 1]]
    count = int(np.prod(SHAPE))
    interior = int(np.prod(np.subtract(SHAPE, 4)))
    for name, matrix, folded in (
        ("identity", np.eye(3), False),
        ("rotation by 20 degrees", rotation, False),
        ("stretch by 1.5, 0.8, 1.2", np.diag([1.5, 0.8, 1.2]), False),
        ("mirror, J = -1", np.diag([-1.0, 1, 1]), True),
        ("squashed flat, J = 0", np.diag([1.0, 0, 1]), True),
    ):
        view = FieldView(_field(voxel_grid(SHAPE) @ (np.asarray(matrix) - np.eye(3)).T))
        yield Check(name, "folds", view, count * folded)
        yield Check(name, "folds_percent", view, 100.0 * folded)
        yield Check(name, "folds_interior", view, interior * folded)
        yield Check(name, "std_jacobian", view, 0.0, ROUNDING)
    view = FieldView(_field(np.full((*SHAPE, 3), (2.0, -3.0, 1.0))))
    yield Check("translation by (2, -3, 1)", "folds", view, 0.0)
    yield Check("translation by (2, -3, 1)", "std_jacobian", view, 0.0)


def _polynomial_field() -> Iterator[Check]:
    """u = (a x^2, b y^3, c z^4): J is a product of one function an axis.

    Central differences of the powers are 2x, 3y^2 + 1 and 4z^3 + 4z; at the rim a difference is
    that of the two outermost voxels.
    """
    factors, powers = (0.05, 0.004, -0.0006), (2, 3, 4)
    grid = voxel_grid(SHAPE).astype(float)
    view = FieldView(
        _field(np.stack([f * grid[..., k] ** powers[k] for k, f in enumerate(factors)], -1))
    )
    along = []
    for n, factor, power in zip(SHAPE, factors, powers, strict=True):
        x = np.arange(n, dtype=float)
        inner = {2: 2 * x, 3: 3 * x**2 + 1, 4: 4 * x**3 + 4 * x}[power]
        inner[0], inner[-1] = 1.0, x[-1] ** power - x[-2] ** power
        along.append(1 + factor * inner)
    exact = reduce(np.multiply.outer, along)
    name = "x^2, y^3, z^4"
    yield Check(name, "std_jacobian", view, float(exact.std()), 0.01)
    yield Check(name, "folds", view, float((exact <= 0).sum()))
    yield Check(name, "folds_percent", view, 100 * float((exact <= 0).mean()), 1e-9)
    yield Check(name, "folds_interior", view, float((exact[2:-2, 2:-2, 2:-2] <= 0).sum()))


def _checkerboard() -> Iterator[Check]:
    """Central differences do not see it; the one-sided ones of two faces do, every second voxel."""
    sign = 1 - 2 * (voxel_grid(SHAPE).sum(axis=-1) % 2)
    u = np.zeros((*SHAPE, 3))
    u[..., 0] = 0.75 * sign
    view = FieldView(_field(u))
    # du/dx is -1.5 where the sign falls inwards: at the first face where it is +, at the last
    # where it is -.
    first, last = (sign[0] > 0).sum(), (sign[-1] < 0).sum()
    yield Check("checkerboard of 0.75 voxel", "folds", view, float(first + last))
    yield Check("checkerboard of 0.75 voxel", "folds_interior", view, 0.0)


def _known_errors() -> Iterator[Check]:
    error = np.array([1.0, -2.0, 2.0])
    mask = _box((1, 1, 1), (3, 4, 5))
    found, true = _field(np.zeros((*SHAPE, 3)) + error), _field(np.zeros((*SHAPE, 3)))
    view = TruthView(found, true, mask, SPACING)
    yield Check("field off by (1, -2, 2) voxels", "epe", view, 3.0, ROUNDING)
    yield Check("field off by (1, -2, 2) voxels", "epe_mm", view, hypot(1, 3, 5), ROUNDING)
    points = np.array([[2.0, 3, 4], [5, 6, 7]])
    affine = np.diag([-1.0, 1.5, 2.5, 1])
    landmarks = LandmarkView(found, points, points, affine)
    yield Check("landmarks off by (1, -2, 2) voxels", "tre", landmarks, hypot(1, 3, 5), ROUNDING)


def _pair(fixed: NDArray[np.bool_], warped: NDArray[np.bool_]) -> MaskPair:
    return MaskPair(fixed, warped, SPACING)


def _field(displacement: NDArray) -> Field:
    return Field(np.ascontiguousarray(displacement, np.float32), np.eye(4))


def _box(start: Any, size: Any) -> NDArray[np.bool_]:
    mask = np.zeros(SHAPE, bool)
    mask[tuple(slice(a, a + n) for a, n in zip(start, size, strict=True))] = True
    return mask


def _sphere(shape: tuple[int, ...], radius: float, spacing: NDArray) -> NDArray[np.bool_]:
    offset = (voxel_grid(shape) - (np.array(shape) - 1) / 2) * spacing
    return np.asarray(np.linalg.norm(offset, axis=-1) <= radius)


#: Titles of the packages, by the module that has to be there.
PACKAGES = {"surface_distance": "surface-distance", "monai": "MONAI", "medpy": "MedPy"}


def installed() -> list[str]:
    """The packages' modules that can be imported."""
    return [name for name in PACKAGES if find_spec(name) is not None]


def value(package: str, metric: str, masks: MaskPair) -> float | None:
    """Its value in our unit; None where it has no such metric.

    Average surface distances are of different definitions: surface-distance weights surfels by
    area, as `asd` does; MONAI and MedPy average over edge voxels, as `asd_voxel` does.
    """
    function = _KNOWN.get((package, metric))
    return None if function is None else function(masks)


def _google(masks: MaskPair, name: str) -> float:
    import surface_distance

    if name == "dice":
        return float(100 * surface_distance.compute_dice_coefficient(masks.fixed, masks.warped))
    distances = surface_distance.compute_surface_distances(
        masks.fixed, masks.warped, tuple(map(float, masks.spacing))
    )
    if name == "asd":
        return float(np.mean(surface_distance.compute_average_surface_distance(distances)))
    return float(surface_distance.compute_robust_hausdorff(distances, 95.0))


def _monai(masks: MaskPair, name: str) -> float:
    import torch
    from monai import metrics

    pair = [torch.from_numpy(mask[None, None].copy()) for mask in (masks.warped, masks.fixed)]
    spacing = list(map(float, masks.spacing))
    if name == "dice":
        return float(100 * metrics.compute_dice(*pair, include_background=True))
    if name == "asd_voxel":
        found = metrics.compute_average_surface_distance(
            *pair, include_background=True, symmetric=True, spacing=spacing
        )
    else:
        found = metrics.compute_hausdorff_distance(
            *pair, include_background=True, percentile=95, spacing=spacing
        )
    return float(found)


def _medpy(masks: MaskPair, name: str) -> float:
    from medpy.metric import binary

    spacing = tuple(map(float, masks.spacing))
    if name == "dice":
        return float(100 * binary.dc(masks.warped, masks.fixed))
    function = binary.assd if name == "asd_voxel" else binary.hd95
    return float(function(masks.warped, masks.fixed, voxelspacing=spacing))


def _bind(function: Callable[[MaskPair, str], float], name: str) -> Callable[[MaskPair], float]:
    return lambda masks: function(masks, name)


_KNOWN = {
    ("surface_distance", "dice"): _bind(_google, "dice"),
    ("surface_distance", "asd"): _bind(_google, "asd"),
    ("surface_distance", "hd95"): _bind(_google, "hd95"),
    ("monai", "dice"): _bind(_monai, "dice"),
    ("monai", "asd_voxel"): _bind(_monai, "asd_voxel"),
    ("monai", "hd95"): _bind(_monai, "hd95"),
    ("medpy", "dice"): _bind(_medpy, "dice"),
    ("medpy", "asd_voxel"): _bind(_medpy, "asd_voxel"),
    ("medpy", "hd95"): _bind(_medpy, "hd95"),
}
