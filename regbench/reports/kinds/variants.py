"""A table of a network's variants: which parts each one changes, and how many parameters it has."""

from collections.abc import Mapping
from typing import TYPE_CHECKING

from regbench.base.errors import BadInput
from regbench.plugins.catalog import lookup
from regbench.plugins.kinds import MethodPlugin, ReportPlugin
from regbench.reports.cells import millions
from regbench.reports.model import Cell, Column, Table, TableRow
from regbench.reports.request import Request

if TYPE_CHECKING:
    from regbench.plan.config import Config

FIELDS = ("rows", "parts", "published")
RESULTS = "none"
DRAWN = False
MARK = "X"


def inputs(config: "Config", report: ReportPlugin) -> dict[str, list[str]]:
    """The files of the methods whose networks are built."""
    methods = config.catalog.methods
    shown = [methods[name] for name in report.rows if name in methods]
    return {"methods": sorted({str(path) for method in shown for path in method.files})}


def build(request: Request) -> Table:
    """The report's methods, each network built to count its parameters."""
    # Here torch is needed, to build the networks: other reports do without it.
    from regbench.learning.method import parameter_count
    from regbench.plugins.loading import load_entry

    report, methods = request.report, request.config.catalog.methods
    shown = [lookup(methods, name, "method", report.file) for name in report.rows]
    counts = {m.id: parameter_count(load_entry(m.folder, str(m.entry)), m.settings) for m in shown}
    return build_variants(report, methods, counts, request.table("published"))


def build_variants(
    report: ReportPlugin,
    methods: Mapping[str, MethodPlugin],
    parameters: Mapping[str, int],
    theirs: Table,
) -> Table:
    """The paper's Table 1, read off the variants themselves.

    Args:
        report: its `rows` are method ids, its `parts` what stands in `network.factorised`.
        methods: metadata by id.
        parameters: counted on the built networks, by method id.
        theirs: the published table with the column `Params (M)`.

    Raises:
        BadInput: a row that is no method, or one whose network has no such parts.
    """
    parts: dict[str, str] = report.content["parts"]
    known = {row.title: row.cells for row in theirs.rows}
    at = [column.title for column in theirs.columns].index("Params (M)")
    rows = []
    for name in report.rows:
        if name not in methods or "factorised" not in methods[name].settings["network"]:
            raise BadInput(f"{name!r} is no method with a factorised network", file=report.file)
        method = methods[name]
        factorised = method.settings["network"]["factorised"]
        marks = [Cell(MARK if part in factorised else "-") for part in parts]
        ours = Cell(millions(parameters[name]))
        published = known[method.title][at] if method.title in known else Cell("-")
        rows.append(TableRow(method.title, (*marks, ours, published), ranked=False))
    count = "Params (M)"
    return Table(
        title=report.title,
        caption=report.caption,
        columns=(
            *(Column(title) for title in parts.values()),
            Column(f"{count}, here", count, "here"),
            Column(f"{count}, paper", count, "paper"),
        ),
        rows=tuple(rows),
        notes=(
            f"{MARK}: factorised into 3x3x1 and 1x1x3; drawn from the methods' own settings",
            "the published counts contradict each other: no network gives all seven"
            " (docs/learned-methods.md)",
            *theirs.notes,
        ),
    )
