"""The ranking: mean ranks over cases, in each metric's own direction, with tests."""

import math
from collections.abc import Iterator, Sequence

from regbench.plugins.kinds import MetricPlugin
from regbench.reports import cells
from regbench.reports.cells import TRUTH
from regbench.reports.model import Cell, Column, Table, TableRow, parted
from regbench.reports.notes import notes
from regbench.reports.request import Request
from regbench.statistics import (
    FEWEST_CASES,
    FEWEST_METHODS,
    LEVEL,
    Ranking,
    rank_in_cases,
    rank_methods,
    rank_over_metrics,
)

KIND = {"fields": ["columns"]}
OVER_ALL = "All metrics"
CELLS = "cells: mean over cases of the rank within the case; 1 is best, ties share their mean rank"
_NOTES = (
    "a case's value is its mean over label groups and seeds",
    "ranked: metrics with a better side, their own or one that the report states",
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
    tasks = list(request.tasks)
    metrics = [metric for metric in request.column_metrics() if metric.direction != "none"]
    titles = [*(metric.title for metric in metrics), OVER_ALL]
    ranks = (Column(title, direction="lower") for title in titles)
    rows, remarks = parted(part for task in tasks for part in _task(request, task, metrics))
    about = notes(request.results, tasks, metrics, CELLS)
    return Table.of(
        request.report,
        ["Task", *ranks, "p to the best", cells.CASES],
        rows,
        [*(note.format(LEVEL) for note in _NOTES), *remarks, *about],
    )


def _task(request: Request, task: str, metrics: Sequence[MetricPlugin]) -> Iterator[TableRow | str]:
    """A task's rows, and remarks on its tests and on the runs that are not ranked."""
    everyone, total = request.runs(task), request.tasks[task].cases
    runs = [run for run in everyone if run.kind != "control"]
    truth = [run for run in everyone if run.method == TRUTH]
    # The ranks within cases by metric, and of how many cases a run has every metric.
    ranks, counts = {}, {run.run: total for run in runs}
    for metric in metrics:
        values = request.values(task, runs, metric)
        if metric.direction == "truth":
            known = request.values(task, truth[:1], metric)
            if known.empty:
                yield f"task {task}: no true field: {metric.id} is not ranked"
                continue
            # Rounded: what lies as far above as another lies below is a tie.
            values = values.sub(known.iloc[:, 0], axis=0).abs().round(9).dropna(how="all")
        complete = values.dropna(axis=1)
        for run in runs if len(values) else ():
            n = int(values[run.run].notna().sum())
            counts[run.run] = min(counts[run.run], n)
            if n < len(values):
                had = f"n={n} of {len(values)} cases" if n else "no case"
                yield f"task {task}: {run.title} has {had} of {metric.id}: not ranked in it"
        if not complete.empty:
            ranks[metric.id] = rank_in_cases(complete, higher=metric.direction == "higher")
    if not ranks:
        yield f"task {task}: nothing to rank"
        return
    rankings = {name: rank_methods(table) for name, table in ranks.items()}
    overall = rank_methods(rank_over_metrics(list(ranks.values())))
    yield from (_test(task, name, r) for name, r in {**rankings, OVER_ALL: overall}.items())
    order = sorted(runs, key=lambda run: overall.ranks.get(run.run, math.inf))
    for run in order:
        shown = [*(rankings.get(metric.id) for metric in metrics), overall]
        to_best = Cell(_to_best(overall, run.run, order[0].run))
        cases = cells.share_cell(counts[run.run], total)
        row = (*(_rank(ranking, run.run) for ranking in shown), to_best, cases)
        yield TableRow(run.title, (Cell(task), *row))


def _rank(ranking: Ranking | None, run: str) -> Cell:
    """The mean rank of a run; the best of several is marked."""
    if ranking is None or run not in ranking.ranks:
        return Cell("-")
    rank = float(ranking.ranks[run])
    best = rank == ranking.ranks.min() and ranking.ranks.nunique() > 1
    return Cell(cells.decimals(rank), rank, best)


def _to_best(overall: Ranking, name: str, best: str) -> str:
    if overall.nemenyi_p is None or name == best or name not in overall.nemenyi_p:
        return "-"
    return cells.p_value(float(overall.nemenyi_p[best].to_dict()[name]))


def _test(task: str, metric: str, ranking: Ranking) -> str:
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
