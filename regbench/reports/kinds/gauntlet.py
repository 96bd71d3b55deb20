"""The gauntlet: our value of each check, the analytic answer, and what other packages say."""

import math
import warnings
from collections.abc import Callable, Mapping
from dataclasses import replace
from typing import Any

from regbench.measure.analytic_checks import PACKAGES, Check, checks, installed, value
from regbench.measure.inputs import MaskPair
from regbench.plugins.loading import load_metric
from regbench.reports.cells import significant
from regbench.reports.model import Cell, Table, TableRow
from regbench.reports.request import Request

KIND = {"results": "none", "inputs": ("metrics",)}
Function = Callable[[Any], float]
#: What stands for a package's value where it ends with an error.
FAILS = "fails"
#: Rounding of float64 sums and roots.
EXACT = 1e-6


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
    numbers = [significant(number) for number in (value, check.exact, check.bound)]
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
    return "-" if number is None else significant(number)
