"""The ranking: mean ranks over cases, in each metric's own direction, with tests."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING

from regbench.plugins.kinds import MetricPlugin
from regbench.reports import cells
from regbench.reports.cells import case_values
from regbench.reports.model import Cell, Column, Table, TableRow
from regbench.reports.notes import notes
from regbench.reports.request import Request, metrics_of, runs_of, tasks_of

if TYPE_CHECKING:
    import pandas as pd

    from regbench.reports.results import Results, RunFacts
    from regbench.statistics.ranks import Ranking

FIELDS = ("columns",)
RESULTS = "tasks"
DRAWN = False
OVER_ALL = "All metrics"
CELLS = "cells: mean over cases of the rank within the case; 1 is best, ties share their mean rank"
_NOTES = (
    "a case's value is its mean over label groups and seeds",
    (
        f"{OVER_ALL}: within each case the mean of its ranks in the metrics, ranked again: the case"
        " is the unit, not the metric"
    ),
    (
        "p to the best: Nemenyi's comparison after Friedman's test (Demsar 2006), on the ranks of"
        f" {OVER_ALL}; below {{}} a method is told apart from the first of its task"
    ),
)


def build(request: Request) -> Table:
    """A row for each task and ranked run, best first. Controls are not ranked.

    Raises:
        BadInput: the results lack the report's task, or a column is no known metric.
    """
    from regbench.statistics.ranks import LEVEL

    report, results = request.report, request.results
    tasks = tasks_of(report, results)
    metrics = [metric for metric in metrics_of(request) if metric.direction != "none"]
    rows: list[TableRow] = []
    remarks: list[str] = []
    for task in tasks:
        runs = [run for run in runs_of(report, results, task) if run.kind != "control"]
        ranks = _ranks(results, task, runs, metrics, remarks)
        if ranks:
            rows += _rows(task, runs, ranks, metrics, remarks)
        else:
            remarks.append(f"task {task}: nothing to rank")
    titles = [*(metric.title for metric in metrics), OVER_ALL]
    ranked = (Column(title, direction="lower") for title in titles)
    method_notes = [note.format(LEVEL) for note in _NOTES]
    return Table.of(
        report,
        ["Task", *ranked, "p to the best", "Cases"],
        rows,
        [*method_notes, *remarks, *notes(results, tasks, metrics, CELLS)],
    )


def _ranks(
    results: Results,
    task: str,
    runs: Sequence[RunFacts],
    metrics: Sequence[MetricPlugin],
    remarks: list[str],
) -> dict[str, pd.DataFrame]:
    """By metric id the ranks within each case; runs that are left out are added to `remarks`."""
    from regbench.statistics.ranks import rank_in_cases

    frame, labels = results.rows(task), list(results.tasks[task].labels)
    ranks = {}
    for metric in metrics:
        values = case_values(frame, runs, metric, labels)
        if values.empty:
            continue
        complete = values.dropna(axis=1)
        remarks += [
            f"task {task}: {run} misses a case of {metric.id} and is not ranked in it"
            for run in values.columns.difference(complete.columns, sort=False)
        ]
        if not complete.empty:
            ranks[metric.id] = rank_in_cases(complete, higher=metric.direction == "higher")
    return ranks


def _rows(
    task: str,
    runs: Sequence[RunFacts],
    ranks: Mapping[str, pd.DataFrame],
    metrics: Sequence[MetricPlugin],
    remarks: list[str],
) -> list[TableRow]:
    """A task's rows; the outcomes of its tests are added to `remarks`."""
    from regbench.statistics.ranks import rank_methods, rank_over_metrics

    rankings = {name: rank_methods(table) for name, table in ranks.items()}
    overall = rank_methods(rank_over_metrics(list(ranks.values())))
    remarks += [_test(task, name, r) for name, r in {**rankings, OVER_ALL: overall}.items()]
    order = sorted(runs, key=lambda run: overall.ranks.get(run.run, math.inf))
    best = order[0].run
    shown = [*(rankings.get(metric.id) for metric in metrics), overall]
    return [
        TableRow(
            run.title,
            (
                Cell(task),
                *(_rank(ranking, run.run) for ranking in shown),
                Cell(_to_best(overall, run.run, best)),
                Cell(str(overall.n)),
            ),
            ranked=False,
        )
        for run in order
    ]


def _rank(ranking: Ranking | None, run: str) -> Cell:
    """The mean rank of a run; the best of several is marked."""
    if ranking is None:
        return Cell(cells.decimals(math.nan), math.nan)
    rank = ranking.ranks.get(run, math.nan)
    best = rank == ranking.ranks.min() and len(ranking.ranks) > 1
    return Cell(cells.decimals(rank), rank, best)


def _to_best(overall: Ranking, name: str, best: str) -> str:
    if overall.nemenyi_p is None or name == best or name not in overall.nemenyi_p:
        return "-"
    return cells.p_value(float(overall.nemenyi_p[best].to_dict()[name]))


def _test(task: str, metric: str, ranking: Ranking) -> str:
    from regbench.statistics.ranks import FEWEST_CASES, FEWEST_METHODS

    start = f"task {task}, {metric}: {len(ranking.ranks)} methods, {ranking.n} cases"
    if ranking.nemenyi_p is None:
        return (
            f"{start}: no test (at least {FEWEST_CASES} cases and {FEWEST_METHODS} methods that"
            " are not all alike are needed)"
        )
    return (
        f"{start}: Friedman p {cells.p_value(ranking.friedman_p)},"
        f" critical difference of mean ranks {cells.decimals(ranking.critical_difference)}"
    )
