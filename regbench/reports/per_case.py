"""What reports that compare methods case by case share: tasks, runs, metrics, values a case."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING

from regbench.base.errors import BadInput
from regbench.plugins.catalog import lookup
from regbench.plugins.kinds import MetricPlugin, ReportPlugin
from regbench.reports.cells import case_means

if TYPE_CHECKING:
    import pandas as pd

    from regbench.reports.results import Results, RunFacts

#: By which metric a case is the median one: the first that the results have.
YARDSTICKS = ("dice", "tre", "epe")


def tasks_of(report: ReportPlugin, results: Results) -> list[str]:
    """The report's task; every task of the results where it names none.

    Raises:
        BadInput: the results have no such task.
    """
    if report.task is None:
        return list(results.tasks)
    if report.task not in results.tasks:
        raise BadInput(
            f"report {report.id} is about task {report.task!r}, which the results lack",
            file=report.file,
            expected=f"one of {', '.join(results.tasks)}",
        )
    return [report.task]


def runs_of(report: ReportPlugin, results: Results, task: str) -> list[RunFacts]:
    """The task's runs in the report's order of methods, then as configured.

    The methods that the report goes `without` are left out.
    """
    left_out = report.content.get("without", ())
    here = [run for run in results.runs if run.task == task and run.method not in left_out]
    rank = {method: i for i, method in enumerate(report.rows)}
    return sorted(here, key=lambda run: rank.get(run.method, len(rank)))


def metrics_of(
    report: ReportPlugin, metrics: Mapping[str, MetricPlugin], results: Results
) -> list[MetricPlugin]:
    """The metrics that the report's columns name, then those that only the config names.

    Raises:
        BadInput: a column that is no metric, or an unknown one.
    """
    for item in report.columns:
        if "metric" not in item:
            raise BadInput(
                f"a report of kind {report.kind} has metrics only",
                file=report.file,
                expected="columns: [{metric: dice}]",
                found=dict(item),
            )
    listed = [lookup(dict(metrics), c["metric"], "metric", report.file) for c in report.columns]
    measured = set(results.frame["metric"].unique())
    asked = [m for m in metrics.values() if m.id in measured and not m.default]
    return [*listed, *(metric for metric in asked if metric not in listed)]


def case_values(
    frame: pd.DataFrame,
    runs: Sequence[RunFacts],
    metric: MetricPlugin,
    labels: Sequence[str],
) -> pd.DataFrame:
    """A row a case, a column a run (by id): the mean over label groups and seeds.

    Nan where a case misses a label or a seed. A case that no run has a value for is left out: it
    is the data that lack it. No row at all means that nothing of the kind was measured.

    Args:
        frame: rows of one task.
        runs: facts of the runs.
        metric: which.
        labels: the task's label groups.
    """
    import pandas as pd

    groups = list(labels) if metric.labelled else [""]
    here = frame[(frame["metric"] == metric.id) & frame["label"].isin(groups)]
    columns = {
        run.run: case_means(here[here["run"] == run.run], len(groups), len(run.seeds))
        for run in runs
    }
    found = pd.DataFrame(columns, columns=list(columns), dtype=float)
    found.index = found.index.astype(str)
    return found.sort_index().dropna(how="all")


def worst_first(
    frame: pd.DataFrame,
    runs: Sequence[RunFacts],
    labels: Sequence[str],
    metrics: Mapping[str, MetricPlugin],
) -> tuple[str, pd.Series]:
    """A metric's title, and cases with their mean of it over runs, from the worst to the best.

    The metric is the first of YARDSTICKS that has values. Controls do not count where there are
    other methods, nor do runs that miss a case where others miss none. Ties go by the case's id.

    Args:
        frame: rows of one task.
        runs: facts of its runs.
        labels: the task's label groups.
        metrics: metadata by id.
    """
    import pandas as pd

    rivals = [run for run in runs if run.kind != "control"] or list(runs)
    for name in YARDSTICKS:
        if name not in metrics:
            continue
        metric = metrics[name]
        values = case_values(frame, rivals, metric, labels)
        whole = values.dropna(axis=1)
        means = (values if whole.empty else whole).mean(axis=1)
        if len(means):
            # The index is sorted, and a stable sort keeps that order among equals.
            up = metric.direction == "higher"
            return metric.title, means.sort_values(ascending=up, kind="stable")
    return "", pd.Series(dtype=float)


def median_of(cases: Sequence[str]) -> str:
    """The middle of cases from worst to best; of an even number the worse of the two."""
    return str(cases[(len(cases) - 1) // 2])
