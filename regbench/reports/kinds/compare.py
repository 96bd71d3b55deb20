"""A table of ours beside a published one: each column that both have, twice."""

from collections.abc import Mapping

from regbench.plugins.kinds import ReportPlugin
from regbench.reports.model import Cell, Column, Table, TableRow
from regbench.reports.request import Request

FIELDS = ("task", "ours", "published")
RESULTS = "task"
DRAWN = False


def build(request: Request) -> Table:
    """The table of the report that `ours` names beside that of `published`."""
    return build_comparison(request.report, request.table("ours"), request.table("published"))


def build_comparison(report: ReportPlugin, ours: Table, theirs: Table) -> Table:
    """Each column that both tables have, twice: here and as published; a row each method."""
    shared = [c for c in theirs.columns if c.title in {own.title for own in ours.columns}]
    columns = [
        Column(f"{c.title}, {side}", c.title, side) for c in shared for side in ("here", "paper")
    ]
    here, there = _by_title(ours), _by_title(theirs)
    rows = []
    for title in dict.fromkeys([*here, *there]):
        cells = [
            side.get(title, {}).get(c.title, Cell("-")) for c in shared for side in (here, there)
        ]
        rows.append(TableRow(title, tuple(cells), ranked=False))
    return Table(
        title=report.title,
        caption=report.caption,
        columns=tuple(columns),
        rows=tuple(rows),
        notes=(
            "warning: two data sets: a difference between `here` and `paper` is one of data, sizes"
            " and training as much as of methods",
            *theirs.notes,
            *ours.notes,
        ),
    )


def _by_title(table: Table) -> Mapping[str, Mapping[str, Cell]]:
    titles = [column.title for column in table.columns]
    return {row.title: dict(zip(titles, row.cells, strict=True)) for row in table.rows}
