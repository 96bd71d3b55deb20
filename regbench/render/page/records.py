"""What became of every case: status, costs, versions, hashes, values and the command line."""

from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import pandas as pd

from regbench.config import Config, RunConfig
from regbench.data.layout import Case, read_layout
from regbench.files import read_json
from regbench.render.page.command import checkpoint_of, reproduce
from regbench.results.paths import CASES, TRAINING, layout_file, run_folder
from regbench.running.status import FAILURES


def task_cases(config: Config, task: str) -> tuple[Case, ...]:
    """The evaluated cases of a task, in its direction."""
    item = config.tasks[task]
    layout = read_layout(layout_file(config.name, item.dataset.id))
    return layout.directed(item.evaluated_split(), item.direction)


def case_records(config: Config, frame: pd.DataFrame) -> list[dict[str, Any]]:
    """A record for each task, run and seed, with its cases in the data set's order.

    Args:
        config: whose runs are told of; their `cases.json` must be there.
        frame: the merged table.

    Raises:
        BadInput: a `cases.json` or dataset JSON cannot be read.
    """
    values = _values(frame)
    found = []
    for task in config.tasks:
        cases = {case.id: case for case in task_cases(config, task)}
        for run in (run for run in config.runs if run.task.id == task):
            for seed in config.seeds_of(run):
                found.append(_run_record(config, run, seed, cases, values))
    return found


def failed_cases(records: list[dict[str, Any]]) -> Iterator[str]:
    """A line for each run with cases that ended badly."""
    for record in records:
        bad = [case for case in record["cases"] if case["outcome"] in FAILURES]
        if bad:
            names = ", ".join(case["case"] for case in bad[:5])
            more = f" and {len(bad) - 5} more" if len(bad) > 5 else ""
            yield (
                f"{record['title']} on {record['task']}, seed {record['seed']}: {len(bad)} of "
                f"{len(record['cases'])} cases {bad[0]['outcome']}: {names}{more}"
                f" ({bad[0]['reason']})"
            )


def _run_record(
    config: Config,
    run: RunConfig,
    seed: int,
    cases: Mapping[str, Case],
    values: Mapping[tuple[str, str, int, str], list[list[Any]]],
) -> dict[str, Any]:
    folder = run_folder(config.name, run.task.id, run.id, seed)
    training: dict[str, Any] = read_json(folder / TRAINING) if _trained(run, folder) else {}
    statuses = []
    for status in read_json(folder / CASES):
        name = status["case"]
        weights = checkpoint_of(training)
        command = reproduce(config, run, seed, cases[name], weights) if name in cases else None
        own = values.get((run.task.id, run.id, seed, name), [])
        statuses.append({**status, "command": command, "values": own})
    return {
        "task": run.task.id,
        "run": run.id,
        "title": run.title,
        "kind": run.method.kind,
        "seed": seed,
        "log": str(Path("logs", config.name, run.task.id, run.id, f"seed{seed}")),
        "cases": statuses,
    }


def _trained(run: RunConfig, folder: Path) -> bool:
    return run.method.learned and (folder / TRAINING).is_file()


def _values(frame: pd.DataFrame) -> dict[tuple[str, str, int, str], list[list[Any]]]:
    """(task, run, seed, case) to its rows: metric, label, value or None, unit, status."""
    found: dict[tuple[str, str, int, str], list[list[Any]]] = {}
    columns = ("task", "run", "seed", "case", "metric", "label", "value", "unit", "status")
    for task, run, seed, case, metric, label, value, unit, status in zip(
        *(frame[name].tolist() for name in columns), strict=True
    ):
        # Costs stand in the status itself.
        if metric.startswith("register_") or metric == "peak_memory_mb":
            continue
        number = None if pd.isna(value) else value
        found.setdefault((task, run, seed, case), []).append([metric, label, number, unit, status])
    return found
