"""Published numbers as a table."""

from regbench.base.errors import BadInput
from regbench.reports.model import Cell, Column, Table, TableRow, mark_best, spread
from regbench.reports.request import Request

KIND = {"fields": ["header", "published", "source"], "results": "none"}
#: The rows of a published table that do not compete for the best.
CONTROLS = ("Moving",)


def build(request: Request) -> Table:
    """The numbers that the report quotes, with their source; the best are marked as in ours.

    Raises:
        BadInput: a row is not as long as the header.
    """
    report = request.report
    columns = [
        Column(**{"direction": "none", "more": spread(item["title"]), **item})
        for item in report.content["header"]
    ]
    rows = []
    for title, texts in report.content["published"].items():
        if len(texts) != len(columns):
            raise BadInput(
                f"row {title} does not fit the header",
                file=report.file,
                expected=f"{len(columns)} cells",
                found=len(texts),
            )
        rows.append(TableRow(title, tuple(map(_cell, texts)), ranked=title not in CONTROLS))
    source = f"published numbers, not measured here: {report.content['source']}"
    return Table.of(report, columns, mark_best(rows, columns), [source])


def _cell(text: str) -> Cell:
    if text == "-":
        return Cell(text)
    mean, _, std = text.partition("±")
    # The publication does not state the number of cases of a cell; one number for all compares.
    return Cell(text, float(mean), n=1, more=(float(std) if std else None, None))
