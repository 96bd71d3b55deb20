"""A first baseline: golden values, and bounds from how far repeated runs of the workflow differ."""

import os
import subprocess
import sys
import tempfile
from pathlib import Path
from typing import Any

import pandas as pd
import yaml

from regbench.base.errors import BadInput
from regbench.base.files import write_text
from regbench.base.paths import metrics_file
from regbench.base.project import plugin_roots
from regbench.baseline.compare import (
    KEY,
    TIME_RATIO,
    check_reference,
    compare,
    name_of,
    no_values,
    numbers,
)
from regbench.baseline.run import TOLERANCES, write
from regbench.baseline.tolerances import MACHINE, read_tolerances
from regbench.plan.config import Config
from regbench.reports.results import read_results

#: A bound is so many times the largest difference between the runs: a few runs do not show all.
FACTOR = 3
#: The start of `tolerances.yaml`.
_HEAD = """\
# How far a number may lie from its golden value, on either side, and why (docs/baseline.md).
# Made by `regbench baseline init`. Change the bounds, and their reasons, that you know better.
# Times, load and memory depend on the machine: without a bound they are compared with nothing.
"""
_LEAST = {"relative": 0.01, "reason": "the last digit of the tables, and 1 % of the value"}
#: A faster tool never exceeds it.
_TIME = {"absolute": 0, "relative": 1.0, "reason": "twice the time of the golden value"}


def init(config: Config, file: Path, runs: int, reference: str, cores: str) -> None:
    """Run the workflow `runs` times; write golden values to `file`, tolerances and a changelog.

    Args:
        config: of the workflow, read from a file.
        reference: method for `time_reference`; empty for none.

    Raises:
        BadInput: there is a baseline; fewer than two runs; a run that does not finish, or in which
            a case fails; a method without a number; rows that not all runs have.
    """
    target = file.parent / TOLERANCES
    for there in (file, target):
        if there.exists():
            raise BadInput("is there already", file=there, expected="regbench baseline update")
    if runs < 2:
        raise BadInput("--runs", expected="at least 2, to see how far they differ", found=runs)
    for task in config.tasks if reference else ():
        own = (run.method for run in config.runs if run.task.id == task)
        check_reference(reference, task, [method.id for method in own if method.kind != "control"])
    frames = []
    for number in range(1, runs + 1):
        print(f"run {number} of {runs}", flush=True)
        with tempfile.TemporaryDirectory(prefix="regbench-baseline-") as folder:
            results = read_results(_run(config, Path(folder), cores))
        frames.append(numbers(results, MACHINE, reference))
    content = {"time_reference": reference} if reference else {}
    text = yaml.safe_dump(content | _bounds(config, frames), sort_keys=False, width=100)
    write_text(target, _HEAD + text)
    changes = compare(no_values(), frames[0], read_tolerances(target))
    write(config.name, file, f"`regbench baseline init` with {runs} runs", no_values(), changes)


def _run(config: Config, folder: Path, cores: str) -> Path:
    """The table of a run in a new folder."""
    table = metrics_file(config.name)
    command = [sys.executable, "-m", "snakemake", "--quiet", "--cores", cores, str(table)]
    snakefile = plugin_roots(config.root)[0] / "Snakefile"
    command += ["--snakefile", str(snakefile), "--configfile", str(config.file)]
    command += ["--directory", str(folder)]
    environment = {**os.environ, "REGBENCH_ROOT": str(config.root), "REGBENCH_WORK": str(folder)}
    code = subprocess.run(command, env=environment, check=False).returncode
    if code != 0:
        found = "a case or a metric failed" if code == 3 else f"exit code {code}"
        raise BadInput("the run is no baseline", file=config.file, found=found)
    return folder / table


def _bounds(config: Config, frames: list[pd.DataFrame]) -> dict[str, Any]:
    """`metrics` and `looser` of `tolerances.yaml`: a method that differs more has own bounds."""
    rows = pd.concat(frames, ignore_index=True)
    for (task, run), part in rows.groupby(["task", "run"]):
        if not (part["status"] == "ok").any():
            found = part["status"].iloc[0]
            raise BadInput(f"{run} registers no case of {task}", found=found)
    alike = rows.groupby(KEY)
    for row in rows[alike["status"].transform("nunique") > 1].itertuples():
        raise BadInput(f"{name_of(row)}: not the same status in each of {len(frames)} runs")
    for row in rows[alike["status"].transform("size") != len(frames)].itertuples():
        raise BadInput(f"{name_of(row)}: is not in each of {len(frames)} runs")
    rows["apart"] = FACTOR * (alike["value"].transform("max") - alike["value"].transform("min"))
    metrics: dict[str, Any] = {}
    wider: dict[str, dict[str, Any]] = {}
    for (name, method), part in rows.groupby(["metric", "method"]):
        metric = str(name)
        plugin = config.catalog.metrics.get(metric)
        least: dict[str, Any] = {"absolute": 10.0 ** -(plugin.precision if plugin else 0), **_LEAST}
        least = metrics[metric] = dict(_TIME) if metric == TIME_RATIO else least
        if (part["apart"] > least["absolute"] + least["relative"] * part["value"].abs()).any():
            bound = {"absolute": float(f"{1.05 * part['apart'].max():.2g}")}
            wider.setdefault(str(method), {})[metric] = bound
    reason = f"{FACTOR} times the largest difference between {len(frames)} runs"
    looser = [{"methods": [m], "reason": reason, "metrics": item} for m, item in wider.items()]
    return {"metrics": metrics, **({"looser": looser} if looser else {})}
