"""A short leaderboard, for a terminal."""

from regbench.reports import cells
from regbench.reports.model import Cell, Column, Table, TableRow

#: Metrics of a short leaderboard.
MOST_METRICS = 5


def brief(table: Table) -> Table:
    """A leaderboard's first metrics, the mean over label groups of each, and its other columns."""
    spans = [span for span in table.spans if table.columns[span.first].direction != "none"]
    spans = spans[:MOST_METRICS]
    rows = []
    for row in table.rows:
        texts = [row.cells[0].text]
        for span in spans:
            values = [c.value for c in row.cells[span.first : span.first + span.width]]
            known = [value for value in values if value is not None]
            precision = table.columns[span.first].precision
            texts.append(cells.decimals(sum(known) / len(known), precision) if known else "-")
        rows.append(TableRow(row.title, tuple(map(Cell, (*texts, row.cells[-1].text)))))
    titles = (table.columns[0].title, *(span.title for span in spans), table.columns[-1].title)
    return Table(table.title, "", tuple(map(Column, titles)), tuple(rows), first=table.first)
