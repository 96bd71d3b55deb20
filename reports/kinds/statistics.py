"""The statistics: every run against a reference, paired over the cases."""

import math
from collections.abc import Iterator, Sequence

from statsmodels.stats.multitest import multipletests

from regbench.plugins.kinds import MetricPlugin
from regbench.reports import cells
from regbench.reports.model import Cell, Table, TableRow, parted
from regbench.reports.notes import notes
from regbench.reports.reference import REFERENCE, pick_reference
from regbench.reports.request import Request
from regbench.statistics import LEVEL, MOST_RESAMPLED, Comparison, compare

KIND = {"fields": ["columns"]}
COLUMNS = (
    *("Task", "Metric", "Reference", "Difference", "95 % low", "95 % high"),
    *("Better", "Worse", "p", "p (Holm)", "Smallest p", "Effect", cells.CASES, "Verdict"),
)
CELLS = "cells: the row's method minus the reference, in the metric's own unit"
_NOTES = (
    "paired over cases; a case's value is its mean over label groups and seeds",
    "95 % low, high: bootstrap interval of the mean difference (BCa, 9,999 resamples, fixed seed)",
    (
        "p: Wilcoxon's signed-rank test, two-sided; Holm: corrected over the rows of a task and"
        " metric; Smallest p: what p is at best with so many cases that differ, before correction"
    ),
    (
        "effect: matched-pairs rank-biserial correlation, from -1 to 1 (Kerby 2014); positive where"
        " the row's values are higher"
    ),
    (
        f"verdict at p (Holm) < {LEVEL}; 'too few cases': even differences all of one sign could"
        " not be told from chance"
    ),
)
_NORMAL = (
    "95 % low, high of more than {} cases: 1.96 standard errors about the mean; with"
    " so many, a bootstrap interval is close to it"
)


def build(request: Request) -> Table:
    """A row for each task, metric and run but the reference.

    Raises:
        BadInput: the results lack the report's task, or a column is no known metric.
    """
    tasks, metrics = request.tasks, request.column_metrics()
    rows, remarks = parted(part for task in tasks for part in _task(request, task, metrics))
    if any(about.cases > MOST_RESAMPLED for about in tasks.values()):
        remarks.append(_NORMAL.format(MOST_RESAMPLED))
    about = notes(request.results, list(tasks), metrics, CELLS)
    return Table.of(request.report, COLUMNS, rows, [*_NOTES, *remarks, *about])


def _task(request: Request, task: str, metrics: Sequence[MetricPlugin]) -> Iterator[TableRow | str]:
    """A task's rows, and remarks on what cannot be compared."""
    runs, wanted = request.runs(task), request.report.content.get("reference")
    reference = pick_reference(runs, wanted or REFERENCE)
    if reference is None:
        yield f"task {task}: no run to compare with"
        return
    if wanted not in (None, reference.run, reference.method):
        yield f"warning: task {task} has no {wanted}: {reference.run} stands in"
    if len(runs) == 1:
        yield f"task {task}: {reference.title} is alone: nothing to compare"
    rivals = [run for run in runs if run is not reference]
    for metric in metrics:
        values = request.values(task, runs, metric)
        if values.empty:
            yield f"task {task}: no case has a value of {metric.id}"
            continue
        # One metric's rows: the family of tests that Holm's correction is over.
        differences = [(values[run.run] - values[reference.run]).dropna() for run in rivals]
        comparisons = [compare(difference.to_numpy()) for difference in differences]
        corrected = holm([item.p for item in comparisons])
        tests = sum(not math.isnan(item.p) for item in comparisons)
        for run, item, p in zip(rivals, comparisons, corrected, strict=True):
            better, worse = item.greater, item.smaller
            if metric.direction == "lower":
                better, worse = worse, better
            form = f"+.{metric.precision}f"
            texts = (
                *(task, cells.axis(metric), reference.title),
                *(cells.number(x, form) for x in (item.mean, item.low, item.high)),
                *(str(better), str(worse)),
                *(cells.p_value(x) for x in (item.p, p, item.smallest_p)),
                cells.number(item.effect, "+.2f"),
            )
            said = Cell(verdict(item, p, tests, metric.direction))
            done = cells.share_cell(item.n, request.tasks[task].cases)
            yield TableRow(run.title, (*map(Cell, texts), done, said))


def holm(values: Sequence[float]) -> list[float]:
    """Holm's correction of a family of p. A nan (nothing was tested) stays out of the family."""
    known = [p for p in values if not math.isnan(p)]
    corrected = iter(multipletests(known, method="holm")[1] if known else ())
    return [p if math.isnan(p) else float(next(corrected)) for p in values]


def verdict(item: Comparison, p: float, tests: int, direction: str) -> str:
    """What a comparison says, in words; `p` is its p, corrected for a number of `tests`."""
    if item.n == 0:
        return "no common case"
    if item.n == 1:
        return "one case: no test"
    if math.isnan(p):
        return "equal in every case"
    if p >= LEVEL:
        too_few = item.smallest_p * tests >= LEVEL
        return "too few cases" if too_few else "not told apart"
    # The test is one of ranks, and so is the sign.
    if direction in ("none", "truth"):
        return "higher" if item.effect > 0 else "lower"
    return "better" if (item.effect > 0) == (direction == "higher") else "worse"
