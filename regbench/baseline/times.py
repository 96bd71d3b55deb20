"""Seconds as a ratio to a reference method of the same run: a machine's speed and load cancel."""

import math
from typing import Any

import pandas as pd

from regbench.base.errors import BadInput
from regbench.reports.results import COLUMNS, Results

#: The metric of the rows: a method's seconds over the reference's on the same task.
TIME_RATIO = "time_ratio"


def time_ratios(results: Results, reference: str) -> pd.DataFrame:
    """A row TIME_RATIO for each run and seed of every method but the reference and controls.

    A run's time is the shortest of its cases, or with `timing: alone` of the repeats of its case:
    load only adds to a time. Without a time, the row has a status.

    Raises:
        BadInput: a task lacks the reference or has it twice, or the reference is a control.
    """
    frame, metric = results.frame, "register_alone_s" if results.timing == "alone" else "register_s"
    timed = frame[(frame["metric"] == metric) & (frame["status"] == "ok")]
    shortest = timed.astype({"task": str, "run": str}).groupby(["task", "run", "seed"])["value"]
    times = shortest.min().to_dict()
    rows: list[list[Any]] = []
    for task in results.tasks:
        runs = [run for run in results.runs if run.task == task and run.kind != "control"]
        named = [run for run in runs if run.method == reference]
        if len(named) != 1:
            what = f"time_reference {reference!r}: {len(named)} runs of it on task {task!r}"
            expected = f"one of {', '.join(run.method for run in runs)}, once"
            raise BadInput(what, expected=expected)
        below = min(times.get((task, named[0].run, seed), math.nan) for seed in named[0].seeds)
        for run, seed in ((r, seed) for r in runs if r is not named[0] for seed in r.seeds):
            value = times.get((task, run.run, seed), math.nan) / below
            key = [task, run.run, run.method, seed, "all cases", TIME_RATIO, reference]
            rows.append([*key, value, "", "no time" if math.isnan(value) else "ok"])
    return pd.DataFrame(rows, columns=list(COLUMNS))
