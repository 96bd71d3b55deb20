"""`regbench stage ...`: the jobs of the workflow. The Snakefile calls these; people need not."""

import argparse
import os
import signal
import sys
from pathlib import Path
from typing import Any

from regbench.base.devices import NoDevice, device
from regbench.base.errors import BadInput
from regbench.base.files import locked, read_json, write_json
from regbench.base.paths import (
    CASES,
    METRICS,
    TRAINING,
    layout_file,
    metrics_file,
    run_folder,
    shard_file,
    task_metrics_file,
)
from regbench.base.project import find_root, work_folder
from regbench.base.records import Status
from regbench.data.layout import read_layout
from regbench.execution.process import end_with_workflow
from regbench.execution.program import ending
from regbench.execution.subprocess import run_apart
from regbench.plan.config import Config, RunConfig, load_config


def add_commands(commands: Any) -> None:
    """Add the stages below one command."""
    stage = commands.add_parser("stage", help="one job of the workflow (called by the Snakefile)")
    stages = stage.add_subparsers(dest="stage", required=True)
    prepare = _stage(stages, "prepare", run_prepare)
    prepare.add_argument("--dataset", required=True)
    for name, run in (
        ("train", run_train),
        ("register", run_register),
        ("evaluate", run_evaluate),
        ("time", run_time),
    ):
        command = _stage(stages, name, run)
        command.add_argument("--task", required=True)
        command.add_argument("--run", required=True, dest="run_id")
        command.add_argument("--seed", required=True, type=int)
    stages.choices["register"].add_argument("--shard", required=True, help="<index>-of-<n>")
    stages.choices["evaluate"].add_argument("--shards", required=True, type=int)
    _stage(stages, "collect", run_collect).add_argument("--task", required=True)
    _stage(stages, "merge", run_merge)
    render = _stage(stages, "render", run_render)
    render.add_argument("--report", required=True)
    render.add_argument("--results", type=Path)
    render.add_argument("--shown", type=Path, action="append", default=[])
    render.add_argument("outputs", nargs="+", type=Path)


def run_prepare(options: argparse.Namespace) -> int:
    """Prepare a data set."""
    from regbench.execution.prepare import prepare

    config = _config(options)
    prepare(config.datasets[options.dataset], layout_file(config.name, options.dataset))
    return 0


def run_train(options: argparse.Namespace) -> int:
    """Train a learned method. Why there is no checkpoint is in the record, a crash included.

    Its code is 0, but for bad input that is no plugin's: 2.
    """
    config, run, folder, layout = _run(options)
    missing = run.method.missing()
    record: dict[str, Any] = {"outcome": "skipped", "reason": "", "parameters": None}
    if missing:
        write_json(folder / TRAINING, {**record, "reason": run.method.lacks(missing)})
        return 0
    code = run_apart(lambda: _train(config, run, options.seed, folder, layout))
    if code not in (0, 2):
        # A plugin's code ran there.
        killed = code == -signal.SIGKILL
        reason = "killed by the system, most likely for memory" if killed else ending(code)
        outcome = "out-of-memory" if killed else "failed"
        write_json(folder / TRAINING, {**record, "outcome": outcome, "reason": reason})
        return 0
    return code


def _train(config: Config, run: RunConfig, seed: int, folder: Path, layout: Path) -> None:
    if run.task.trained_on != run.task.id:
        from regbench.learning.borrow import borrow

        source = run_folder(config.name, run.task.trained_on, run.id, seed)
        record = borrow(source, folder, run.task.trained_on)
    else:
        from regbench.learning.train import train

        with locked(folder / ".lock-training"):
            try:
                with device(config.device) as name:
                    record = train(config, run, seed, read_layout(layout), folder, name)
            except NoDevice as problem:
                record = {"outcome": "failed", "reason": str(problem), "parameters": None}
    write_json(folder / TRAINING, record)


def run_register(options: argparse.Namespace) -> int:
    """Register the cases of a shard. Always 0: failures are in the statuses."""
    from regbench.execution.launcher import launch, write_cases
    from regbench.plan.resources import Shard

    config, run, folder, layout = _run(options)
    index, _, of = options.shard.partition("-of-")
    log = Path("logs", config.name, run.task.id, run.id, f"seed{options.seed}")
    statuses = launch(
        config,
        run,
        options.seed,
        layout,
        folder,
        Shard(int(index), int(of)),
        log / f"method-{options.shard}.txt",
    )
    write_cases(shard_file(config.name, run.task.id, run.id, options.seed, options.shard), statuses)
    return 0


def run_time(options: argparse.Namespace) -> int:
    """Time one case with nothing beside it."""
    from regbench.execution.timing import time_alone

    config, run, folder, layout = _run(options)
    time_alone(config, run, options.seed, layout, folder)
    return 0


def run_evaluate(options: argparse.Namespace) -> int:
    """Merge the shards' statuses, then measure every case."""
    from regbench.base.records import write_rows
    from regbench.measure.evaluate import evaluate
    from regbench.measure.retention import drop_fields, keep_warped

    config, run, folder, layout_path = _run(options)
    layout = read_layout(layout_path)
    order = [c.id for c in layout.directed(run.task.evaluated_split(), run.task.direction)]
    # By name: files of another number of shards may lie beside these.
    shards = [
        shard_file(config.name, run.task.id, run.id, options.seed, f"{i}-of-{options.shards}")
        for i in range(1, options.shards + 1)
    ]
    found = {item["case"]: item for path in shards for item in read_json(path)}
    missing = [case for case in order if case not in found]
    if missing:
        raise BadInput(
            f"no status of case {missing[0]}", file=folder, expected=f"{len(order)} cases"
        )
    statuses = [Status(**found[case]) for case in order]
    # Two workflows may evaluate one run: one drops fields that the other still measures.
    with locked(folder / ".lock-evaluate"):
        rows = evaluate(config, run, layout, folder, statuses)
        write_json(folder / CASES, [found[case] for case in order])
        write_rows(folder / METRICS, rows)
        keep_warped(config, run, layout, folder, statuses)
        drop_fields(config, folder, statuses)
    return 0


def run_collect(options: argparse.Namespace) -> int:
    """Collect a task's runs into one table."""
    from regbench.reports.results import collect, write_results

    config = _config(options)
    results = collect(config, config.every_task[options.task])
    write_results(task_metrics_file(config.name, options.task), results)
    return 0


def run_merge(options: argparse.Namespace) -> int:
    """Merge the tasks' tables into one."""
    from regbench.reports.results import merge, read_results, write_results

    config = _config(options)
    parts = [read_results(task_metrics_file(config.name, task)) for task in config.tasks]
    write_results(metrics_file(config.name), merge(parts))
    return 0


def run_render(options: argparse.Namespace) -> int:
    """Render a report."""
    from regbench.reports.render import render

    render(_config(options), options.report, options.results, options.outputs, options.shown)
    return 0


def _stage(stages: Any, name: str, run: Any) -> argparse.ArgumentParser:
    command: argparse.ArgumentParser = stages.add_parser(name)
    command.add_argument("--config", help="the resolved config; default: $REGBENCH_CONFIG")
    command.set_defaults(run=run)
    return command


def _config(options: argparse.Namespace) -> Config:
    end_with_workflow()
    root = find_root(options.root)
    named = options.config or os.environ.get("REGBENCH_CONFIG")
    if not named:
        raise BadInput("no config", expected="--config FILE, or REGBENCH_CONFIG")
    file = Path(named).resolve()
    os.chdir(work_folder(root))
    # Progress bars of parallel jobs would overwrite each other: their lines go to the log.
    sys.stderr.flush()
    return load_config(file, root)


def _run(options: argparse.Namespace) -> tuple[Config, Any, Path, Path]:
    config = _config(options)
    run = config.run(options.task, options.run_id)
    folder = run_folder(config.name, run.task.id, run.id, options.seed)
    return config, run, folder, layout_file(config.name, run.task.dataset.id)
