"""The gauntlet as a table: our value, the analytic answer, and what other packages say."""

import math
import warnings
from collections.abc import Callable, Mapping
from typing import Any

from regbench.measure.analytic_checks import PACKAGES, Check, checks, installed, value
from regbench.measure.inputs import MaskPair
from regbench.plugins.kinds import MetricPlugin, ReportPlugin
from regbench.reports.model import Cell, Column, Table, TableRow

Functions = Mapping[str, Callable[[Any], float]]
#: Rounding of float64 sums and roots.
EXACT = 1e-6


def build_gauntlet(
    report: ReportPlugin, metrics: Mapping[str, MetricPlugin], functions: Functions
) -> Table:
    """Every check that the metrics at hand can do.

    Args:
        report: title and caption.
        metrics: metadata by id, for units.
        functions: the metrics, by id.
    """
    packages = installed()
    done = [check for check in checks() if check.metric in functions]
    rows = [_row(check, metrics[check.metric], functions, packages) for check in done]
    wrong = sum(row.cells[-1].text != "ok" for row in rows)
    absent = [title for module, title in PACKAGES.items() if module not in packages]
    return Table(
        title=report.title,
        caption=report.caption,
        columns=(
            *(Column(title) for title in ("Metric", "Unit", "Here", "Analytic", "Bound")),
            *(Column(PACKAGES[module]) for module in packages),
            Column("Verdict"),
        ),
        rows=tuple(rows),
        notes=(
            f"{len(rows) - wrong} of {len(rows)} values within their bound of the analytic answer",
            "bound 0: equal but for rounding; spheres are cut into voxels and true within one",
            "MONAI and MedPy weight no surfels: their average distances stand beside asd_voxel",
            *([f"not installed: {', '.join(absent)}"] if absent else []),
        ),
        first="Case",
    )


def passes(check: Check, found: float) -> bool:
    """Whether a value is within the check's bound; where there is no answer, none must be given."""
    if math.isnan(check.exact):
        return math.isnan(found)
    return abs(found - check.exact) <= max(check.bound, EXACT)


def _row(check: Check, metric: MetricPlugin, functions: Functions, packages: list[str]) -> TableRow:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", RuntimeWarning)
        found = _ours(check, functions[check.metric])
        others = [_theirs(package, check) for package in packages]
    cells = [
        *(Cell(text) for text in (check.metric, metric.unit or "-")),
        *(Cell(_text(number)) for number in (found, check.exact, check.bound)),
        *(Cell(text) for text in others),
        Cell("ok" if passes(check, found) else "WRONG"),
    ]
    return TableRow(check.case, tuple(cells), ranked=False)


def _ours(check: Check, function: Callable[[Any], float]) -> float:
    view = check.view
    if isinstance(view, MaskPair) and not (view.fixed.any() and view.warped.any()):
        # As in an evaluation: a metric is not asked about an empty mask.
        return math.nan
    return float(function(view))


def _theirs(package: str, check: Check) -> str:
    if not isinstance(check.view, MaskPair):
        return "-"
    try:
        found = value(package, check.metric, check.view)
    except Exception as error:
        # What a package does with such masks is its own affair, and worth knowing.
        return type(error).__name__
    return "-" if found is None else _text(found)


def _text(number: float) -> str:
    return f"{number:.6g}"
