"""A first baseline: golden values, and bounds from how far repeated runs of the workflow differ."""

import math
import os
import subprocess
import sys
import tempfile
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pandas as pd
import yaml

from regbench.base.errors import BadInput
from regbench.base.files import write_text
from regbench.base.paths import metrics_file
from regbench.baseline.compare import KEY, compare, name_of, no_values
from regbench.baseline.run import TOLERANCES, numbers, write
from regbench.baseline.times import TIME_RATIO
from regbench.baseline.tolerances import read_tolerances
from regbench.plan.config import Config
from regbench.reports.results import read_results

#: A bound is so many times the largest difference between the runs: a few runs do not show all.
FACTOR = 3
#: The least bound of a number as a share of it, and of a ratio of times. The second catches twice
#: the time and lets a faster tool pass.
SHARE, TIME_SHARE = 0.01, 1.0
#: What is compared with nothing, and why.
IGNORED = {
    **dict.fromkeys(
        ("register_s", "register_alone_s", "register_gpu_s", "register_gpu_alone_s"),
        "a time, which depends on the machine and its load",
    ),
    "peak_memory_mb": "depends on the allocator and the versions",
}
HEAD = """\
# How far a number may lie from its golden value, on either side, and why (docs/baseline.md).
# Made by `regbench baseline init` from {runs} runs on {hardware}.
"""


def init(config: Config, file: Path, runs: int, reference: str, cores: str) -> None:
    """Run the workflow several times; write golden values, tolerances and a changelog.

    Args:
        config: of the workflow, read from a file.
        file: golden values to write; the other files are written beside it.
        runs: how often the workflow runs, each time in a new folder.
        reference: method for `time_reference`; empty for none.

    Raises:
        BadInput: there is a baseline; fewer than two runs; a run that does not finish, or in which
            a case fails; a method without one registered case; rows that not all runs have.
    """
    target = file.parent / TOLERANCES
    for there in (file, target):
        if there.exists():
            raise BadInput("is there already", file=there, expected="regbench baseline update")
    if runs < 2:
        raise BadInput("--runs", expected="at least 2, to see how far they differ", found=runs)
    frames = []
    for number in range(1, runs + 1):
        print(f"run {number} of {runs}", flush=True)
        with tempfile.TemporaryDirectory(prefix="regbench-baseline-") as folder:
            results = read_results(_run(config, Path(folder), cores))
        for run in results.runs:
            rows = results.frame[results.frame["run"] == run.run]
            if not (rows["status"] == "ok").any():
                found = str(rows["status"].iloc[0])
                raise BadInput(f"{run.run} registers no case of {run.task}", found=found)
        frames.append(numbers(results, IGNORED, reference))
    spread = _spread(frames)
    text = HEAD.format(runs=runs, hardware=results.hardware) + yaml.safe_dump(
        _tolerances(config, spread, runs, reference), sort_keys=False, width=100
    )
    write_text(target, text)
    changes = compare(no_values(), frames[0], read_tolerances(target))
    write(config.name, file, f"`regbench baseline init` with {runs} runs", no_values(), changes)
    print(f"{target}: the bounds; read them, and change those that you know better")


def _run(config: Config, folder: Path, cores: str) -> Path:
    """The table of a run in a new folder."""
    table = metrics_file(config.name)
    command = [sys.executable, "-m", "snakemake", "--quiet", "--cores", cores, str(table)]
    command += ["--snakefile", str(config.root / "Snakefile"), "--configfile", str(config.file)]
    command += ["--directory", str(folder)]
    environment = {**os.environ, "REGBENCH_ROOT": str(config.root), "REGBENCH_WORK": str(folder)}
    code = subprocess.run(command, env=environment, check=False).returncode
    if code != 0:
        found = "a case or a metric failed" if code == 3 else f"exit code {code}"
        raise BadInput("the run is no baseline", file=config.file, found=found)
    return folder / table


def _spread(frames: list[pd.DataFrame]) -> pd.DataFrame:
    """The rows of the first run, with how far the runs' values lie apart (`spread`)."""
    rows = pd.concat(frames).groupby(KEY, sort=False)
    facts = rows.agg(
        method=("method", "first"),
        value=("value", "first"),
        low=("value", "min"),
        high=("value", "max"),
        runs=("value", "size"),
        states=("status", "nunique"),
    ).reset_index()
    for row in facts[(facts["runs"] != len(frames)) | (facts["states"] != 1)].itertuples():
        raise BadInput(f"{name_of(row)}: its status is not the same in each of {len(frames)} runs")
    return facts.assign(spread=(facts["high"] - facts["low"]).fillna(0.0))


def _tolerances(
    config: Config, spread: pd.DataFrame, runs: int, reference: str
) -> Mapping[str, Any]:
    """The content of `tolerances.yaml`; a method that differs more has bounds of its own."""
    metrics, looser = {}, {}
    for metric in sorted(spread["metric"].unique()):
        metrics[metric] = _least(config, metric)
    for method, rows in spread.groupby("method"):
        wider = {}
        for metric, part in rows.groupby("metric"):
            least = metrics[metric]
            width = least["absolute"] + least["relative"] * part["value"].abs()
            if (FACTOR * part["spread"] > width).any():
                wider[metric] = {"absolute": _up(FACTOR * part["spread"].max())}
        if wider:
            reason = f"{FACTOR} times the largest difference between {runs} runs"
            looser[method] = {"methods": [method], "reason": reason, "metrics": wider}
    named = {"time_reference": reference} if reference else {}
    more = {"looser": list(looser.values())} if looser else {}
    return {"ignored": IGNORED, **named, "metrics": metrics, **more}


def _least(config: Config, metric: str) -> dict[str, Any]:
    """The bound of a metric for methods whose runs agree."""
    if metric == TIME_RATIO:
        reason = "twice the time of the golden value"
        return {"absolute": 0, "relative": TIME_SHARE, "reason": reason}
    digit = 10.0 ** -config.catalog.metrics[metric].precision
    reason = f"the last digit of the tables, and {SHARE:.0%} of the value"
    return {"absolute": digit, "relative": SHARE, "reason": reason}


def _up(value: float) -> float:
    """A number > 0 with two digits, not below `value`."""
    digit = 10.0 ** (math.floor(math.log10(value)) - 1)
    return float(f"{math.ceil(value / digit) * digit:.6g}")
