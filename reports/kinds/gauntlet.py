"""The gauntlet: our value of each check, the analytic answer, and what other packages say.

The checks are of metrics on masks and fields for which the answer is known beforehand. Each states
the analytic answer and how far a value on a voxel grid may be from it: 0 if the grid is exact. The
three sizes and spacings differ, so that a swapped axis or a forgotten unit cannot hide.
"""

import math
import warnings
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, replace
from functools import reduce
from importlib.util import find_spec
from math import hypot, nan
from typing import Any

import numpy as np
from numpy.typing import NDArray

from regbench.measure.inputs import FieldView, LandmarkView, MaskPair, TruthView
from regbench.plugins.loading import load_metric
from regbench.reports.model import Cell, Table, TableRow
from regbench.reports.request import Request
from regbench.spatial.field import Field
from regbench.spatial.volume import voxel_grid

KIND = {"results": "none", "inputs": ["metrics"]}
Function = Callable[[Any], float]
#: What stands for a package's value where it ends with an error.
FAILS = "fails"
#: Rounding of float64 sums and roots.
EXACT = 1e-6
SHAPE = (9, 12, 15)
SPACING = np.array([1.0, 1.5, 2.5])
#: Rounding of float32 fields.
ROUNDING = 1e-3
#: Metric of ours to what computes it.
Measures = dict[str, Callable[[], Any]]
#: Module of each package to its title.
PACKAGES = {"surface_distance": "surface-distance", "monai": "MONAI", "medpy": "MedPy"}


def build(request: Request) -> Table:
    """All checks of the installed metrics."""
    # Only the metrics that have checks: another one may be broken without harm to this report.
    checked = {check.metric for check in checks()} & set(request.metrics)
    return build_gauntlet(request, {name: load_metric(request.metrics[name]) for name in checked})


def build_gauntlet(request: Request, functions: Mapping[str, Function]) -> Table:
    """All checks of the metrics whose functions are given, by id."""
    packages = installed()
    units = {name: request.metrics[name].unit or "-" for name in functions}
    rows = [
        _row(check, units[check.metric], functions[check.metric], packages)
        for check in checks()
        if check.metric in functions
    ]
    right = sum(row.cells[-1].text == "ok" for row in rows)
    absent = [title for module, title in PACKAGES.items() if module not in packages]
    titles = [PACKAGES[module] for module in packages]
    table = Table.of(
        request.report,
        ["Metric", "Unit", "Here", "Analytic", "Bound", *titles, "Verdict"],
        rows,
        [
            f"{right} of {len(rows)} values within their bound of the analytic answer",
            "bound 0: equal but for rounding; spheres are cut into voxels and true within one",
            "MONAI and MedPy weight no surfels: their average distances stand beside asd_voxel",
            f"{FAILS}: the package ends with an error on such masks",
            *([f"not installed: {', '.join(absent)}"] if absent else []),
        ],
    )
    return replace(table, first="Case")


def passes(check: "Check", value: float) -> bool:
    """Whether a value is within the check's bound; nan passes only where the answer is nan."""
    if math.isnan(check.exact):
        return math.isnan(value)
    return abs(value - check.exact) <= max(check.bound, EXACT)


def _row(check: "Check", unit: str, function: Function, packages: list[str]) -> TableRow:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", RuntimeWarning)
        value = _ours(check, function)
        theirs = [_theirs(package, check) for package in packages]
    numbers = [f"{number:.6g}" for number in (value, check.exact, check.bound)]
    verdict = "ok" if passes(check, value) else "WRONG"
    texts = [check.metric, unit, *numbers, *theirs, verdict]
    return TableRow(check.case, tuple(map(Cell, texts)))


def _ours(check: "Check", function: Function) -> float:
    view = check.view
    if isinstance(view, MaskPair) and not (view.fixed.any() and view.warped.any()):
        # As in an evaluation: a metric is not asked about an empty mask.
        return math.nan
    return float(function(view))


def _theirs(package: str, check: "Check") -> str:
    if not isinstance(check.view, MaskPair):
        return "-"
    try:
        number = value(package, check.metric, check.view)
    except Exception:
        # That a package fails on such masks is worth knowing, and is no error of this report.
        return FAILS
    return "-" if number is None else f"{number:.6g}"


@dataclass(frozen=True)
class Check:
    """One metric on one constructed case.

    Attributes:
        case: the masks or the field in words.
        metric: id of the metric.
        view: what the metric is given.
        exact: the analytic answer; nan if there must be no value.
        bound: largest allowed distance from the answer.
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


def _on(case: str, view: Any, bound: float = 0.0, **exact: float) -> Iterator[Check]:
    """One check for each metric and its answer."""
    return (Check(case, metric, view, answer, bound) for metric, answer in exact.items())


def _boxes() -> Iterator[Check]:
    whole = np.ones(SHAPE, bool)
    for name, one in (
        ("box", _box((1, 1, 1), (3, 4, 5))),
        ("one voxel", _box((4, 5, 6), (1, 1, 1))),
        ("box that touches the border", _box((0, 0, 9), (3, 4, 6))),
        ("whole volume", whole),
    ):
        itself = _pair(one, one)
        yield from _on(f"{name}, against itself", itself, dice=100.0, asd=0, asd_voxel=0, hd95=0)
    box = _box((1, 1, 1), (3, 4, 5))
    for shift, overlap in (((1, 2, 3), 8), ((0, 0, 3), 24), ((3, 0, 0), 0)):
        pair = _pair(box, _box(np.add(1, shift), (3, 4, 5)))
        yield Check(f"3x4x5 box, shifted by {shift}", "dice", pair, 100 * overlap / 60)
    half = _pair(whole, _box((0, 0, 0), (9, 6, 15)))
    yield from _on("whole volume, against half of it", half, dice=200 / 3, hd95=6 * SPACING[1])
    nothing = _pair(box, np.zeros(SHAPE, bool))
    yield from _on("box, against nothing", nothing, dice=nan, asd=nan, asd_voxel=nan, hd95=nan)


def _voxels() -> Iterator[Check]:
    """Four of the eight corners of a voxel are one voxel nearer to a voxel along an axis."""
    for axis in range(3):
        shift = 3 * np.eye(3, dtype=int)[axis]
        pair = _pair(_box((2, 3, 4), (1, 1, 1)), _box(np.add((2, 3, 4), shift), (1, 1, 1)))
        size = float(SPACING[axis])
        case = f"two voxels, 3 apart along axis {axis} ({size} mm)"
        yield from _on(case, pair, asd_voxel=3 * size, asd=2.5 * size, hd95=3 * size)
    pair = _pair(_box((2, 3, 4), (1, 1, 1)), _box((4, 6, 5), (1, 1, 1)))
    case = "two voxels, (2, 3, 1) apart"
    yield Check(case, "asd_voxel", pair, hypot(*(np.array([2, 3, 1]) * SPACING)))


def _spheres() -> Iterator[Check]:
    """Surfaces on a grid are layers of voxels: distances are exact to within a voxel's size."""
    for spacing in ((0.5, 0.5, 0.5), (1.5, 1.0, 2.0)):
        shape = tuple(int(30 / s) | 1 for s in spacing)
        small, large = (_sphere(shape, r, np.array(spacing)) for r in (9.0, 13.0))
        pair = MaskPair(small, large, np.array(spacing))
        case = f"spheres of 9 and 13 mm, voxels {spacing} mm"
        yield from _on(case, pair, max(spacing), asd=4.0, asd_voxel=4.0, hd95=4.0)
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
        some = {"folds": count, "folds_percent": 100.0, "folds_interior": interior}
        yield from _on(name, view, **{metric: folded * exact for metric, exact in some.items()})
        yield Check(name, "std_jacobian", view, 0.0, ROUNDING)
    view = FieldView(_field(np.full((*SHAPE, 3), (2.0, -3.0, 1.0))))
    yield from _on("translation by (2, -3, 1)", view, folds=0.0, std_jacobian=0.0)


def _polynomial_field() -> Iterator[Check]:
    """u = (a x^2, b y^3, c z^4): J is a product of one function for each axis.

    Central differences of the powers are 2x, 3y^2 + 1 and 4z^3 + 4z; at the rim a difference is
    that between the two outermost voxels.
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
    """Only the one-sided differences of two faces see it, at every second voxel."""
    sign = 1 - 2 * (voxel_grid(SHAPE).sum(axis=-1) % 2)
    u = np.zeros((*SHAPE, 3))
    u[..., 0] = 0.75 * sign
    view = FieldView(_field(u))
    # du/dx is -1.5 where the sign falls inwards: at the first face where it is +, at the last
    # where it is -.
    first, last = (sign[0] > 0).sum(), (sign[-1] < 0).sum()
    yield from _on(
        "checkerboard of 0.75 voxel", view, folds=float(first + last), folds_interior=0.0
    )


def _known_errors() -> Iterator[Check]:
    error = np.array([1.0, -2.0, 2.0])
    mask = _box((1, 1, 1), (3, 4, 5))
    field, true = _field(np.zeros((*SHAPE, 3)) + error), _field(np.zeros((*SHAPE, 3)))
    view = TruthView(field, true, mask, SPACING)
    off = "off by (1, -2, 2) voxels"
    yield from _on(f"field {off}", view, ROUNDING, epe=3.0, epe_mm=hypot(1, 3, 5))
    motion = _field(np.full((*SHAPE, 3), (2.0, 1.0, 0.0)))
    shrunk = _field(0.4 * motion.displacement)
    view = TruthView(shrunk, motion, mask, SPACING)
    answers = {"displacement_slope": 0.4, "displacement_r2": 1.0}
    yield from _on("0.4 of the true motion", view, ROUNDING, **answers)
    # Across the true motion: nothing of it is there.
    view = TruthView(_field(np.full((*SHAPE, 3), (1.0, -2.0, 0.0))), motion, mask, SPACING)
    answers = dict.fromkeys(answers, 0.0)
    yield from _on("a motion across the true one", view, ROUNDING, **answers)
    # Five voxels of 5 mm to a side: only the middle one is deeper than 12 mm.
    deep = _box((1, 1, 1), (5, 5, 5))
    view = TruthView(field, true, deep, np.array([5.0, 5.0, 5.0]))
    yield Check("box of 25 mm, its one voxel 15 mm deep", "interior_voxels", view, 1.0)
    yield Check("box of 25 mm, its one voxel 15 mm deep", "epe_interior", view, 3.0, ROUNDING)
    points = np.array([[2.0, 3, 4], [5, 6, 7]])
    affine = np.diag([-1.0, 1.5, 2.5, 1])
    landmarks = LandmarkView(field, points, points, affine)
    yield Check(f"landmarks {off}", "tre", landmarks, hypot(1, 3, 5), ROUNDING)
    landmarks = LandmarkView(field, points, np.add(points, [[0, 0, 0], [1, -2, 2]]), affine)
    case, length = f"one of two landmarks {off}", hypot(1, 3, 5)
    yield from _on(case, landmarks, ROUNDING, tre_max=length, tre_p95=0.95 * length)
    yield Check(case, "tre_within_2mm", landmarks, 50.0)


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


def installed() -> list[str]:
    """The modules of packages that can be imported."""
    return [name for name in PACKAGES if find_spec(name) is not None]


def value(package: str, metric: str, masks: MaskPair) -> float | None:
    """A package's value in the unit of our metric; None if it has no such metric.

    The packages define the average surface distance differently: surface-distance weights surfels
    by area, as `asd` does; MONAI and MedPy average over edge voxels, as `asd_voxel` does.
    """
    measures = {"surface_distance": _surface_distance, "monai": _monai, "medpy": _medpy}
    measure = measures[package](masks).get(metric)
    return None if measure is None else float(measure())


def _surface_distance(masks: MaskPair) -> Measures:
    import surface_distance as package

    def distances() -> Any:
        spacing = tuple(map(float, masks.spacing))
        return package.compute_surface_distances(masks.fixed, masks.warped, spacing)

    return {
        "dice": lambda: 100 * package.compute_dice_coefficient(masks.fixed, masks.warped),
        "asd": lambda: np.mean(package.compute_average_surface_distance(distances())),
        "hd95": lambda: package.compute_robust_hausdorff(distances(), 95.0),
    }


def _monai(masks: MaskPair) -> Measures:
    import torch
    from monai import metrics

    pair = [torch.from_numpy(mask[None, None].copy()) for mask in (masks.warped, masks.fixed)]
    how = {"include_background": True, "spacing": list(map(float, masks.spacing))}
    return {
        "dice": lambda: 100 * metrics.compute_dice(*pair, include_background=True),
        "asd_voxel": lambda: metrics.compute_average_surface_distance(*pair, symmetric=True, **how),
        "hd95": lambda: metrics.compute_hausdorff_distance(*pair, percentile=95, **how),
    }


def _medpy(masks: MaskPair) -> Measures:
    from medpy.metric import binary

    pair, spacing = (masks.warped, masks.fixed), tuple(map(float, masks.spacing))
    return {
        "dice": lambda: 100 * binary.dc(*pair),
        "asd_voxel": lambda: binary.assd(*pair, voxelspacing=spacing),
        "hd95": lambda: binary.hd95(*pair, voxelspacing=spacing),
    }
