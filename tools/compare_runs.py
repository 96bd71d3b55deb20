"""Is one run better than the others? Paired over the cases, on each task of a finished config.

    python tools/compare_runs.py learned f3rnet-mrb

The case is the unit: Dice is its mean over label groups, each value its mean over seeds. Mean
difference with a 95 % bootstrap interval (BCa), and the p of Wilcoxon's signed-rank test, corrected
by Holm over the rows of a task and metric. With n cases p cannot be below 2 / 2^n.
"""

import sys

import numpy as np
import pandas as pd
from scipy.stats import bootstrap, wilcoxon

from regbench.config import load_config
from regbench.project import find_root
from regbench.results.collect import read_table
from regbench.results.paths import metrics_file


def main(name: str, reference: str) -> None:
    """Print a Markdown table: the reference minus each other run."""
    root = find_root()
    config = load_config(root / "config" / f"{name}.yaml", root)
    frame, facts = read_table(metrics_file(config.name))
    print("| task | metric | against | difference | Wilcoxon p (Holm) |")
    print("| --- | --- | --- | ---: | ---: |")
    for task in config.tasks:
        organs = list(facts["tasks"][task]["labels"])
        for metric, labels in (("dice", organs), ("epe", [""])):
            known = frame[(frame["task"] == task) & (frame["metric"] == metric)]
            values = _per_case(known[known["label"].isin(labels)])
            others = [run for run in values.columns if run not in (reference, "oracle")]
            gains = {run: (values[reference] - values[run]).to_numpy() for run in others}
            corrected = _holm({run: wilcoxon(gain).pvalue for run, gain in gains.items()})
            for run, gain in gains.items():
                interval = _interval(gain)
                print(f"| {task} | {metric} | {run} | {interval} | {corrected[run]:.3f} |")


def _per_case(frame: pd.DataFrame) -> pd.DataFrame:
    """A row a case, a column a run."""
    return frame.groupby(["case", "run"], observed=True)["value"].mean().unstack("run").dropna()


def _interval(gain: np.ndarray) -> str:
    found = bootstrap((gain,), np.mean, random_state=np.random.default_rng(0)).confidence_interval
    return f"{gain.mean():+.2f} [{found.low:+.2f}, {found.high:+.2f}]"


def _holm(values: dict[str, float]) -> dict[str, float]:
    """Each p times the number of tests not yet rejected, never below an earlier one."""
    corrected: dict[str, float] = {}
    least = 0.0
    for rank, run in enumerate(sorted(values, key=values.__getitem__)):
        least = max(least, min(1.0, values[run] * (len(values) - rank)))
        corrected[run] = least
    return corrected


if __name__ == "__main__":
    main(sys.argv[1], sys.argv[2])
