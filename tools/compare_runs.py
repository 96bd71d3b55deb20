"""Paired differences between the rows of a finished run, a Markdown table for each task.

    python tools/compare_runs.py study-state "F3RNet-MRB" "F3RNet-w/o F3D" "VM-2" "SyN"

Every named row minus every later one, on the same cases: Dice averaged over the label groups,
EPE and slope of the displacement inside the labels. A row counts with its mean over seeds. The
interval is a BCa bootstrap interval of the mean over cases (95 %). `=` marks an interval that
contains 0.
"""

import sys
from itertools import combinations

import pandas as pd

from regbench.base.paths import metrics_file
from regbench.reports.results import Results, read_results
from regbench.statistics.paired import compare

METRICS = {"dice": "Dice (points)", "epe": "EPE (voxel)", "displacement_slope": "slope"}


def main(config: str, titles: list[str]) -> None:
    """Print the tables."""
    results = read_results(metrics_file(config))
    for task in results.tasks:
        runs = {run.title: run.run for run in results.runs if run.task == task}
        named = [title for title in titles if title in runs]
        if len(named) < 2:
            continue
        print(f"\n| `{task}` | {' | '.join(METRICS.values())} |\n|---|{'---:|' * len(METRICS)}")
        for one, two in combinations(named, 2):
            cells = [difference(results, task, runs[one], runs[two], m) for m in METRICS]
            print(f"| {one} - {two} | {' | '.join(cells)} |")


def difference(results: Results, task: str, one: str, two: str, metric: str) -> str:
    """The mean difference and its interval."""
    values = by_case(results, task, one, metric) - by_case(results, task, two, metric)
    values = values.dropna()
    found = compare(values.to_numpy())
    digits = 2 if metric == "dice" else 3
    undecided = " =" if found.low <= 0 <= found.high else ""
    bounds = f"[{found.low:+.{digits}f}, {found.high:+.{digits}f}]"
    return f"{found.mean:+.{digits}f} {bounds}{undecided}"


def by_case(results: Results, task: str, run: str, metric: str) -> "pd.Series[float]":
    """A value for each case, the mean over seeds; of Dice, over the task's own label groups, too.

    Other metrics count in the labels taken together.
    """
    rows = results.rows(task)
    rows = rows[(rows["run"] == run) & (rows["metric"] == metric)]
    groups = list(results.tasks[task].labels) if metric == "dice" else [""]
    rows = rows[rows["label"].isin(groups)]
    return rows.groupby("case", observed=True)["value"].mean()


if __name__ == "__main__":
    main(sys.argv[1], sys.argv[2:])
