"""Seconds as a ratio to a reference method of the same run: a machine's speed and load cancel."""

import math
from typing import Any

import pandas as pd

from regbench.base.errors import BadInput
from regbench.reports.results import COLUMNS, Results

#: The metric of the rows: a method's seconds over the reference's on the same task.
TIME_RATIO = "time_ratio"
ALONE, SHARED = "register_alone_s", "register_s"


def time_ratios(results: Results, reference: str) -> pd.DataFrame:
    """A row TIME_RATIO for each run and seed of every method but the reference and controls.

    A run's time is the shortest of its cases, or with `timing: alone` of the repeats of its case:
    load only adds to a time. Without a time, the row has a status.

    Args:
        results: of one run of the workflow.
        reference: id of a method that each task has once.

    Raises:
        BadInput: a task lacks the reference or has it twice, or the reference is a control.
    """
    frame = results.frame.astype(dict.fromkeys(("task", "run", "method", "metric"), str))
    names = ALONE if results.timing == "alone" else SHARED
    timed = frame[(frame["metric"] == names) & (frame["status"] == "ok")]
    shortest = timed.groupby(["task", "run", "seed"])["value"].min().to_dict()
    rows: list[list[Any]] = []
    for task in results.tasks:
        runs = [run for run in results.runs if run.task == task and run.kind != "control"]
        named = [run for run in runs if run.method == reference]
        if len(named) != 1:
            found = f"{len(named)} runs of it" if named else ", ".join(run.method for run in runs)
            raise BadInput(
                f"time_reference {reference!r} does not tell the time of task {task!r}",
                expected="a method that is no control and that each task has once",
                found=found or "controls only",
            )
        below = min(shortest.get((task, named[0].run, s), math.nan) for s in named[0].seeds)
        for run in runs:
            for seed in run.seeds if run is not named[0] else ():
                value = shortest.get((task, run.run, seed), math.nan) / below
                status = "no time" if math.isnan(value) else "ok"
                key = [task, run.run, run.method, seed, "all cases", TIME_RATIO, reference]
                rows.append([*key, value, "", status])
    return pd.DataFrame(rows, columns=list(COLUMNS))
