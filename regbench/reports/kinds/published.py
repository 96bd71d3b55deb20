"""Published numbers as a table."""

from regbench.base.errors import BadInput
from regbench.plugins.kinds import ReportPlugin
from regbench.reports.model import Cell, Column, Table, TableRow, mark_best
from regbench.reports.request import Request

FIELDS = ("header", "published", "source")
RESULTS = "none"
DRAWN = False

#: The rows of a published table that do not compete for the best.
CONTROLS = ("Moving",)


def build(request: Request) -> Table:
    """The numbers that the report quotes."""
    return build_published(request.report)


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


def _number(text: str) -> float | None:
    return None if text == "-" else float(text.split("±")[0])
