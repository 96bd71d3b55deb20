"""Which cases of a task the viewer shows: the typical one first, then the extremes."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import pandas as pd

from regbench.plugins.kinds import MetricPlugin
from regbench.reports.cells import median_of, worst_first
from regbench.reports.results import RunFacts


@dataclass(frozen=True)
class Choice:
    """A case, and why it is shown: `median Dice of 10 cases`."""

    case: str
    why: str


def choose_cases(
    frame: pd.DataFrame,
    runs: Sequence[RunFacts],
    cases: Sequence[str],
    labels: Sequence[str],
    metrics: Mapping[str, MetricPlugin],
    count: int,
) -> list[Choice]:
    """At most `count` cases of a task: the median, the worst, the best, then the others.

    Args:
        frame: the task's collected rows.
        runs: facts of the task's runs.
        cases: ids, in the data set's order.
        labels: the task's label groups.
        metrics: metadata by id, for each metric's direction.
        count: how many.
    """
    title, values = worst_first(frame, runs, labels, metrics)
    order = [case for case in values.index if case in cases]
    if not order:
        return [Choice(case, "in the data set's order") for case in cases[:count]]
    found: dict[str, str] = {}
    for case, what in ((median_of(order), "median"), (order[0], "worst"), (order[-1], "best")):
        # Of one or two cases, some are the same.
        found.setdefault(case, f"{what} {title} of {len(order)} cases")
    rest = {case: "" for case in cases if case not in found}
    return [Choice(case, why) for case, why in {**found, **rest}.items()][:count]
