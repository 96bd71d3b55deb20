"""Two tables of the same methods beside each other: here, and as published."""

from collections.abc import Mapping

from regbench.plugins.kinds import ReportPlugin
from regbench.reports.model import Cell, Column, Table, TableRow, spread

#: The two columns of each shared one.
SIDES = ("here", "paper")
WARNING = (
    "warning: two data sets, unless these are the paper's: a difference between `here` and"
    " `paper` is one of data, sizes and training as much as of methods"
)


def build_comparison(report: ReportPlugin, ours: Table, theirs: Table) -> Table:
    """Each column that both tables have, here and as published; one row for each method."""
    known = {column.title: column for column in ours.columns}
    shared = [column.title for column in theirs.columns if column.title in known]
    columns = [
        Column(
            f"{title}, {side}", title, side, more=known[title].more and spread(f"{title}, {side}")
        )
        for title in shared
        for side in SIDES
    ]
    sides = [_by_title(ours), _by_title(theirs)]
    rows = [
        TableRow(
            method,
            tuple(side.get(method, {}).get(title, Cell("-")) for title in shared for side in sides),
        )
        for method in dict.fromkeys(method for side in sides for method in side)
    ]
    return Table.of(report, columns, rows, [WARNING, *theirs.notes, *ours.notes])


def _by_title(table: Table) -> Mapping[str, Mapping[str, Cell]]:
    """Each method's cells by their columns."""
    titles = [column.title for column in table.columns]
    return {row.title: dict(zip(titles, row.cells, strict=True)) for row in table.rows}
