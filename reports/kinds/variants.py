"""The variants of a network: which parts each one factorises, and its number of parameters."""

from collections.abc import Mapping

from regbench.base.errors import BadInput
from regbench.learning.method import parameter_count
from regbench.plugins.catalog import lookup
from regbench.plugins.loading import load_entry
from regbench.reports.cells import millions
from regbench.reports.model import Cell, Column, Table, TableRow
from regbench.reports.request import Request

KIND = {"fields": ["rows", "parts", "published"], "results": "none", "inputs": ["methods"]}
MARK = "X"
COUNT = "Params (M)"
NOTES = (
    f"{MARK}: factorised into 3x3x1 and 1x1x3; drawn from the methods' own settings",
    "the published counts contradict each other: no network gives all seven"
    " (docs/learned-methods.md)",
)


def build(request: Request) -> Table:
    """The report's methods, each network built to count its parameters."""
    report, methods = request.report, request.config.catalog.methods
    shown = [lookup(methods, name, "method", report.file) for name in report.rows]
    counts = {m.id: parameter_count(load_entry(m.folder, str(m.entry)), m.settings) for m in shown}
    return build_variants(request, counts)


def build_variants(request: Request, counts: Mapping[str, int]) -> Table:
    """The paper's Table 1, read from the variants themselves.

    The report's `rows` are method ids, its `parts` the possible values of `network.factorised`
    with their titles; its `published` has the column COUNT. `counts` has the parameters of the
    built networks, by method id.

    Raises:
        BadInput: a row is no method, or its network has no such parts.
    """
    report, methods = request.report, request.config.catalog.methods
    theirs = request.table("published")
    parts: dict[str, str] = report.content["parts"]
    at = [column.title for column in theirs.columns].index(COUNT)
    published = {row.title: row.cells[at] for row in theirs.rows}
    rows = []
    for name in report.rows:
        if name not in methods or "factorised" not in methods[name].settings["network"]:
            raise BadInput(f"{name!r} is no method with a factorised network", file=report.file)
        method = methods[name]
        factorised = method.settings["network"]["factorised"]
        marks = [Cell(MARK if part in factorised else "-") for part in parts]
        numbers = Cell(millions(counts[name])), published.get(method.title, Cell("-"))
        rows.append(TableRow(method.title, (*marks, *numbers)))
    sides = [Column(f"{COUNT}, {side}", COUNT, side) for side in ("here", "paper")]
    return Table.of(report, [*parts.values(), *sides], rows, [*NOTES, *theirs.notes])
