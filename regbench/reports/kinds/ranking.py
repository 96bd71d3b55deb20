"""The ranking table: average ranks over cases, in each metric's own direction, with tests."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING

from regbench.plugins.kinds import MetricPlugin, ReportPlugin
from regbench.reports import cells
from regbench.reports.model import Cell, Column, Table, TableRow
from regbench.reports.notes import notes
from regbench.reports.per_case import case_values, metrics_of, runs_of, tasks_of
from regbench.reports.request import Request

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
    """Average ranks in the report's metrics."""
    return build_ranking(request.report, request.results, request.metrics)


def build_ranking(
    report: ReportPlugin, results: Results, metrics: Mapping[str, MetricPlugin]
) -> Table:
    """A row for every task and ranked run, best first. Controls are not ranked.

    Args:
        report: its definition: metrics, and `without` (methods left out).
        results: the collected ones.
        metrics: metadata by id.

    Raises:
        BadInput: a task or metric that is not there.
    """
    from regbench.statistics.ranks import LEVEL, rank_in_cases

    tasks = tasks_of(report, results)
    shown = [m for m in metrics_of(report, metrics, results) if m.direction != "none"]
    rows: list[TableRow] = []
    remarks: list[str] = []
    for task in tasks:
        runs = [r for r in runs_of(report, results, task) if r.kind != "control"]
        here, labels = results.rows(task), list(results.tasks[task].labels)
        ranks: dict[str, pd.DataFrame] = {}
        for metric in shown:
            values = case_values(here, runs, metric, labels)
            lost = [run for run in values if values[run].isna().any()]
            remarks += [
                f"task {task}: {run} misses a case of {metric.id} and is not ranked in it"
                for run in lost
                if not values.empty
            ]
            whole = values.drop(columns=lost)
            if not whole.empty:
                ranks[metric.id] = rank_in_cases(whole, higher=metric.direction == "higher")
        if not ranks:
            remarks.append(f"task {task}: nothing to rank")
            continue
        rows += _rows(task, runs, ranks, [m.id for m in shown], remarks)
    titles = [*(metric.title for metric in shown), OVER_ALL]
    ids = [metric.id for metric in shown]
    return Table(
        title=report.title,
        caption=report.caption,
        columns=(
            Column("Task"),
            *(Column(title, direction="lower") for title in titles),
            *(Column(title) for title in ("p to the best", "Cases")),
        ),
        rows=tuple(rows),
        notes=(
            *(note.format(LEVEL) for note in _NOTES),
            *remarks,
            *notes(results, tasks, results.rows(*tasks), ids, metrics, CELLS),
        ),
    )


def _rows(
    task: str,
    runs: Sequence[RunFacts],
    ranks: Mapping[str, pd.DataFrame],
    metrics: Sequence[str],
    remarks: list[str],
) -> list[TableRow]:
    """A task's rows; what there is to say about its tests is added to `remarks`."""
    from regbench.statistics.ranks import rank_methods, rank_over_metrics

    found = {name: rank_methods(table) for name, table in ranks.items()}
    overall = rank_methods(rank_over_metrics(list(ranks.values())))
    remarks += [_test(task, name, ranking) for name, ranking in found.items()]
    remarks.append(_test(task, OVER_ALL, overall))
    last = math.inf
    order = sorted(runs, key=lambda run: overall.ranks.get(run.run, last))
    best = order[0].run
    rows = []
    for run in order:
        name = run.run
        row = [Cell(task)]
        for ranking in (*(found.get(metric) for metric in metrics), overall):
            value = math.nan if ranking is None else ranking.ranks.get(name, math.nan)
            first = ranking is not None and value == ranking.ranks.min()
            alone = ranking is None or len(ranking.ranks) < 2
            text = cells.decimals(value)
            row.append(Cell(text, value, best=first and not alone))
        row += [Cell(_to_best(overall, name, best)), Cell(str(overall.n))]
        rows.append(TableRow(run.title, tuple(row), ranked=False))
    return rows


def _to_best(overall: Ranking, name: str, best: str) -> str:
    if overall.nemenyi_p is None or name == best or name not in overall.nemenyi_p:
        return "-"
    return cells.p_value(float(overall.nemenyi_p[best].to_dict()[name]))


def _test(task: str, metric: str, ranking: Ranking) -> str:
    from regbench.statistics.ranks import FEWEST_CASES, FEWEST_METHODS

    k = len(ranking.ranks)
    start = f"task {task}, {metric}: {k} methods, {ranking.n} cases"
    if ranking.nemenyi_p is None:
        fewest = (
            f"at least {FEWEST_CASES} cases and {FEWEST_METHODS} methods that are not all alike"
        )
        return f"{start}: no test ({fewest} are needed)"
    return (
        f"{start}: Friedman p {cells.p_value(ranking.friedman_p)},"
        f" critical difference of mean ranks {cells.decimals(ranking.critical_difference)}"
    )
