"""Which cases of a task the viewer shows: the typical one first, then the extremes."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import pandas as pd

from regbench.plugins import MetricPlugin

#: Metrics that rank cases, the first that has values counts.
RANKED_BY = ("dice", "tre", "epe")


@dataclass(frozen=True)
class Choice:
    """A case, and why it is shown: `median Dice of 10 cases`."""

    case: str
    why: str


def choose_cases(
    frame: pd.DataFrame,
    runs: Sequence[Mapping[str, Any]],
    cases: Sequence[str],
    metrics: Mapping[str, MetricPlugin],
    count: int,
) -> list[Choice]:
    """At most `count` cases of a task: the median, the worst, the best, then the others.

    A case's value is the mean over methods (controls left out, where there are others) and labels.
    With an even number of cases the median is the worse of the two in the middle; ties go by the
    case's id.

    Args:
        frame: the task's collected rows.
        runs: facts of the task's runs.
        cases: ids, in the data set's order.
        metrics: metadata by id, for each metric's direction.
        count: how many.
    """
    methods = [run["run"] for run in runs if run["kind"] != "control"]
    good = frame[frame["status"] == "ok"]
    rivals = good[good["run"].isin(methods or [run["run"] for run in runs])]
    for name in RANKED_BY:
        rows = rivals[rivals["metric"] == name]
        values = rows.groupby("case", observed=True)["value"].mean()
        if name in metrics and len(values):
            return _ranked(values, cases, metrics[name], count)
    return [Choice(case, "in the data set's order") for case in cases[:count]]


def _ranked(
    values: "pd.Series[float]", cases: Sequence[str], metric: MetricPlugin, count: int
) -> list[Choice]:
    sign = 1 if metric.direction == "higher" else -1
    order = sorted((c for c in cases if c in values), key=lambda c: (sign * values[c], c))
    of = f"{metric.title} of {len(order)} cases"
    found: dict[str, str] = {}
    for at, what in ((len(order) - 1) // 2, "median"), (0, "worst"), (-1, "best"):
        # Of one or two cases, some are the same.
        found.setdefault(order[at], f"{what} {of}")
    rest = {case: "" for case in cases if case not in found}
    return [Choice(case, why) for case, why in {**found, **rest}.items()][:count]
