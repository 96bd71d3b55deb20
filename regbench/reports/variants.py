"""A table of a network's variants: which parts each one changes, and how many parameters it has."""

from collections.abc import Mapping

from regbench.base.errors import BadInput
from regbench.plugins.kinds import MethodPlugin, ReportPlugin
from regbench.reports.model import Cell, Column, Table, TableRow

MARK = "X"


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
        ours = Cell(f"{parameters[name] / 1e6:.3f}")
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
