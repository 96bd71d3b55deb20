"""Short tables for a terminal: a few numbers of all that was measured."""

from collections.abc import Sequence

from regbench.base.records import Row
from regbench.plugins.kinds import MetricPlugin
from regbench.reports import cells
from regbench.reports.model import Cell, Column, Table, TableRow

#: With more label groups than this, only their mean is shown.
MOST_LABELS = 8
#: Metrics of a short leaderboard.
MOST_METRICS = 5


def summary(rows: Sequence[Row], metrics: Sequence[MetricPlugin]) -> Table:
    """Mean, standard deviation (ddof 1) and number of cases of each metric and label group."""
    import pandas as pd

    made, total = [], len({row.case for row in rows})
    for metric in metrics:
        mine = [r for r in rows if r.metric == metric.id and not r.status.startswith("skipped")]
        labels = list(dict.fromkeys(row.label for row in mine))
        groups = {label: {label} for label in labels}
        if len(labels) > MOST_LABELS:
            groups = {f"mean of {len(labels)} labels": set(labels)}
        for name, members in groups.items():
            fine = [row for row in mine if row.label in members and row.status == "ok"]
            values = pd.Series([row.value for row in fine], [row.case for row in fine], float)
            about = cells.summary_of(values.groupby(level=0).mean(), total)
            numbers = (cells.decimals(x, metric.precision) for x in (about.mean, about.std))
            title = cells.with_unit(f"{metric.id} {name}".strip(), metric.unit)
            texts = (*numbers, cells.share(about.n, total))
            made.append(TableRow(title, tuple(map(Cell, texts))))
    return Table("", "", tuple(map(Column, ("mean", "std", "n"))), tuple(made), first="metric")


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
