"""Short tables for a terminal: a few numbers of all that was measured."""

from collections.abc import Mapping, Sequence

import pandas as pd

from regbench.base.records import Row
from regbench.plugins.kinds import MetricPlugin
from regbench.reports import cells
from regbench.reports.model import Cell, Column, Table, TableRow
from regbench.reports.results import Results

#: With more label groups than this, only their mean is shown.
MOST_LABELS = 8
#: The metrics of the short leaderboard, those of them that have values.
MAIN = ("dice", "hd95", "tre", "epe", "l2r_dice", "l2r_tre", "folds_percent")


def summary(rows: Sequence[Row], metrics: Sequence[MetricPlugin]) -> Table:
    """Mean, standard deviation (ddof 1) and n over cases, for each metric and label group."""
    frame, made = pd.DataFrame(rows), []
    total = frame["case"].nunique()
    for metric in metrics:
        found = frame[(frame["metric"] == metric.id) & ~cells.begins(frame["status"], "skipped")]
        if metric.labelled and found["label"].nunique() > MOST_LABELS:
            found = found.assign(label=f"mean of {found['label'].nunique()} labels")
        for label, part in found.groupby("label", sort=False):
            means = part[part["status"] == "ok"].groupby("case")["value"].mean()
            values = [cells.decimals(x, metric.precision) for x in (means.mean(), means.std())]
            title = cells.with_unit(f"{metric.id} {label}".strip(), metric.unit)
            texts = (*values, cells.share(len(means), total))
            made.append(TableRow(title, tuple(Cell(text) for text in texts)))
    return Table("", "", tuple(map(Column, ("mean", "std", "n"))), tuple(made), first="metric")


def short_leaderboard(results: Results, metrics: Mapping[str, MetricPlugin]) -> Table:
    """A row for each run: mean±std over cases of the main metrics, each case's over its labels."""
    made: list[tuple[str, str, list[str]]] = []
    shown = [metrics[name] for name in MAIN if name in metrics]
    for name, task in results.tasks.items():
        runs = [run for run in results.runs if run.task == name]
        of_task = results.rows(name)
        values = [cells.case_values(of_task, runs, m, list(task.labels)) for m in shown]
        for run in runs:
            found = [cells.summary_of(of[run.run].dropna(), task.cases) for of in values]
            texts = [one.text(m.precision) for one, m in zip(found, shown, strict=True)]
            made.append((run.title, name, texts))
    kept = [k for k in range(len(shown)) if any(texts[k] != "-" for _, _, texts in made)]
    rows = (
        TableRow(title, (Cell(task), *(Cell(texts[k]) for k in kept)))
        for title, task, texts in made
    )
    columns = (Column("Task"), *(Column(cells.axis(shown[k])) for k in kept))
    return Table(results.config, "", columns, tuple(rows))
