"""The gauntlet as a table: our value, the analytic answer, and what other packages say."""

import math
import warnings
from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING, Any

from regbench.plugins.kinds import MetricPlugin, ReportPlugin
from regbench.plugins.loading import load_metric
from regbench.reports.cells import significant
from regbench.reports.model import Cell, Column, Table, TableRow
from regbench.reports.request import Request

if TYPE_CHECKING:
    from regbench.measure.analytic_checks import Check
    from regbench.plan.config import Config

FIELDS = ()
RESULTS = "none"
DRAWN = False
Functions = Mapping[str, Callable[[Any], float]]
#: Rounding of float64 sums and roots.
EXACT = 1e-6


def inputs(config: "Config", report: ReportPlugin) -> dict[str, list[str]]:
    """The files of all metrics."""
    return {"metrics": [str(item.file) for item in config.catalog.metrics.values()]}


def build(request: Request) -> Table:
    """All checks of the installed metrics."""
    from regbench.measure.analytic_checks import checks

    # Only those that are asked: a plugin's broken metric is another report's trouble.
    asked = {check.metric for check in checks()} & set(request.metrics)
    functions = {name: load_metric(request.metrics[name]) for name in asked}
    return build_gauntlet(request.report, request.metrics, functions)


def build_gauntlet(
    report: ReportPlugin, metrics: Mapping[str, MetricPlugin], functions: Functions
) -> Table:
    """Every check that the metrics at hand can do.

    Args:
        report: title and caption.
        metrics: metadata by id, for units.
        functions: the metrics, by id.
    """
    from regbench.measure.analytic_checks import PACKAGES, checks, installed

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


def passes(check: "Check", found: float) -> bool:
    """Whether a value is within the check's bound; where there is no answer, none must be given."""
    if math.isnan(check.exact):
        return math.isnan(found)
    return abs(found - check.exact) <= max(check.bound, EXACT)


def _row(
    check: "Check", metric: MetricPlugin, functions: Functions, packages: list[str]
) -> TableRow:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", RuntimeWarning)
        found = _ours(check, functions[check.metric])
        others = [_theirs(package, check) for package in packages]
    cells = [
        *(Cell(text) for text in (check.metric, metric.unit or "-")),
        *(Cell(significant(number)) for number in (found, check.exact, check.bound)),
        *(Cell(text) for text in others),
        Cell("ok" if passes(check, found) else "WRONG"),
    ]
    return TableRow(check.case, tuple(cells), ranked=False)


def _ours(check: "Check", function: Callable[[Any], float]) -> float:
    from regbench.measure.inputs import MaskPair

    view = check.view
    if isinstance(view, MaskPair) and not (view.fixed.any() and view.warped.any()):
        # As in an evaluation: a metric is not asked about an empty mask.
        return math.nan
    return float(function(view))


def _theirs(package: str, check: "Check") -> str:
    from regbench.measure.analytic_checks import value
    from regbench.measure.inputs import MaskPair

    if not isinstance(check.view, MaskPair):
        return "-"
    try:
        found = value(package, check.metric, check.view)
    except Exception as error:
        # What a package does with such masks is its own affair, and worth knowing.
        return type(error).__name__
    return "-" if found is None else significant(found)
