"""What became of every case: status, costs, versions, hashes, values and the command line."""

import re
import shlex
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import pandas as pd
import yaml

from regbench.base.files import digest
from regbench.base.paths import CASES, METRICS, TRAINING, config_file, read_own, run_folder
from regbench.base.records import FAILURES
from regbench.data.layout import Case
from regbench.plan.config import Config, RunConfig
from regbench.reports.results import task_cases

#: Cases, of all runs together, that a page lists; a thousand take about two megabytes.
MOST_CASES = 4000


def case_records(
    config: Config, frame: pd.DataFrame, most: int = MOST_CASES
) -> tuple[list[dict[str, Any]], list[str]]:
    """A record for each task, run and seed, with its cases in the data set's order; and remarks.

    A remark is a line for each run with cases that ended badly, listed or not. The last one is on
    the cases that are not listed, if there are any.

    Args:
        config: whose runs are told of; their `cases.json` must be there.
        frame: the merged table.
        most: cases that are listed. Where there are more, each run has an equal share.

    Raises:
        BadInput: a `cases.json` or dataset JSON cannot be read.
    """
    records: list[dict[str, Any]] = []
    remarks: list[str] = []
    runs = [
        (run, seed)
        for task in config.tasks
        for run in config.runs
        if run.task.id == task
        for seed in config.seeds_of(run)
    ]
    cases = {task: task_cases(config, task) for task in config.tasks}
    # Every run of a task has its cases: what there is of them is known without reading any.
    total = sum(len(cases[run.task.id]) for run, _ in runs)
    share = None if total <= most else max(1, most // len(runs))
    for run, seed in runs:
        folder = run_folder(config.name, run.task.id, run.id, seed)
        statuses = read_own(folder / CASES)
        remarks += _failures(run, seed, statuses)
        trained = run.method.learned and (folder / TRAINING).is_file()
        weights = read_own(folder / TRAINING).get("checkpoint") if trained else None
        listed = _listed(statuses, share)
        values = _values(frame, run, seed, [status["case"] for status in listed])
        entries = []
        for status in listed:
            name = status["case"]
            case = cases[run.task.id].get(name)
            command = None if case is None else _command(config, run, seed, case, weights)
            status = {**status, "reason": without_paths(status["reason"])}
            entries.append({**status, "command": command, "values": values.get(name, [])})
        records.append(
            {
                "task": run.task.id,
                "run": run.id,
                "title": run.title,
                "kind": run.method.kind,
                "seed": seed,
                "log": str(Path("logs", config.name, run.task.id, run.id, f"seed{seed}")),
                "cases": entries,
            }
        )
    listed_cases = sum(len(record["cases"]) for record in records)
    if listed_cases < total:
        remarks.append(
            f"cases: {listed_cases} of {total} are listed, of every run the first that failed"
            f" and the first of the others; all are in {CASES} and {METRICS} of their runs"
        )
    return records, remarks


def without_paths(text: str) -> str:
    """A reason, as of a traceback, without the folders of this machine: `.../method.py`."""
    return re.sub(r"(?<![\w.:/])/(?:[^\s/\"':,;()]+/)+", ".../", text)


def _listed(statuses: Sequence[dict[str, Any]], share: int | None) -> list[dict[str, Any]]:
    """The cases of a run that are listed, in their order: the first `share`, or all for None.

    Cases that ended badly come before others, in at most half of the places, so that methods can
    still be compared on the same cases.
    """
    if share is None or len(statuses) <= share:
        return list(statuses)
    bad = [k for k, status in enumerate(statuses) if status["outcome"] in FAILURES]
    first = set(bad[: (share + 1) // 2])
    rest = [k for k in range(len(statuses)) if k not in first]
    return [statuses[k] for k in sorted([*first, *rest[: share - len(first)]])]


def _failures(run: RunConfig, seed: int, statuses: Sequence[dict[str, Any]]) -> Iterator[str]:
    """A line for a run with cases that ended badly; none for another."""
    bad = [status for status in statuses if status["outcome"] in FAILURES]
    if bad:
        names = ", ".join(status["case"] for status in bad[:5])
        more = f" and {len(bad) - 5} more" if len(bad) > 5 else ""
        yield (
            f"{run.title} on {run.task.id}, seed {seed}: {len(bad)} of "
            f"{len(statuses)} cases {bad[0]['outcome']}: {names}{more}"
            f" ({without_paths(bad[0]['reason'])})"
        )


def _values(
    frame: pd.DataFrame, run: RunConfig, seed: int, cases: Sequence[str]
) -> dict[str, list[list[Any]]]:
    """Case of a run to its rows: metric, label, value or None, unit, status."""
    here = (frame["task"] == run.task.id) & (frame["run"] == run.id) & (frame["seed"] == seed)
    rows = frame[here & frame["case"].isin(cases)]
    values: dict[str, list[list[Any]]] = {}
    columns = ("case", "metric", "label", "value", "unit", "status")
    for case, metric, label, value, unit, status in zip(
        *(rows[name].tolist() for name in columns), strict=True
    ):
        # The status itself holds the costs.
        if metric.startswith("register_") or metric == "peak_memory_mb":
            continue
        number = None if pd.isna(value) else value
        values.setdefault(case, []).append([metric, label, number, unit, status])
    return values


def _command(
    config: Config, run: RunConfig, seed: int, case: Case, checkpoint: str | None
) -> str | None:
    """`regbench register ...` for a case, or None for a control, which needs the data set.

    It is one line for a POSIX shell, to be typed in the project's root.
    """
    if run.method.needs:
        return None
    words = ["regbench", "register", run.method.id]
    words += ["--fixed", str(case.fixed.image), "--moving", str(case.moving.image)]
    words += ["--output", f"{case.id}.nii.gz", "--seed", str(seed)]
    if run.task.prealigned:
        words.append("--prealigned")
    if checkpoint is not None:
        words += ["--checkpoint", checkpoint]
    for key, value in sorted(run.settings.items()):
        if value != run.method.settings.get(key):
            words += ["--set", f"{key}={_yaml(value)}"]
    if config.raw.get("plugins"):
        words += ["--config", str(config_file(config.name, digest(config.raw)[:16]))]
    return shlex.join(words)


def _yaml(value: Any) -> str:
    """A value as the command line reads it: one line of YAML."""
    text = yaml.safe_dump(value, default_flow_style=True, width=float("inf"), allow_unicode=True)
    return text.removesuffix("\n").removesuffix("\n...")
