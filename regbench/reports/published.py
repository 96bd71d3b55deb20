"""Published numbers as a table, and a table of ours beside them."""

from collections.abc import Mapping

from regbench.base.errors import BadInput
from regbench.plugins.kinds import ReportPlugin
from regbench.reports.model import Cell, Column, Table, TableRow
from regbench.reports.table import mark_best

#: The rows of a published table that do not compete for the best.
CONTROLS = ("Moving",)


def build_published(report: ReportPlugin) -> Table:
    """The numbers that a report's yaml quotes, with their source; the best marked as ours are.

    Raises:
        BadInput: a row that is not as long as the header.
    """
    columns = [Column(**{"direction": "none", **item}) for item in report.content["header"]]
    rows = []
    for title, texts in report.content["published"].items():
        if len(texts) != len(columns):
            raise BadInput(
                f"row {title} does not fit the header",
                file=report.file,
                expected=f"{len(columns)} cells",
                found=len(texts),
            )
        cells = tuple(Cell(text, _number(text), n=int(text != "-")) for text in texts)
        rows.append(TableRow(title, cells, ranked=title not in CONTROLS))
    return Table(
        title=report.title,
        caption=report.caption,
        columns=tuple(columns),
        rows=tuple(mark_best(rows, columns)),
        notes=(f"published numbers, not measured here: {report.content['source']}",),
    )


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


def _number(text: str) -> float | None:
    return None if text == "-" else float(text.split("±")[0])
