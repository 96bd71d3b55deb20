"""`regbench stage ...`: the jobs of the workflow. The Snakefile calls these; people need not."""

import argparse
import os
import sys
from pathlib import Path
from typing import Any

from regbench.base.errors import BadInput
from regbench.base.paths import layout_file, metrics_file, task_metrics_file
from regbench.base.project import find_root, work_folder
from regbench.execution.process import end_with_workflow
from regbench.plan.config import Config, load_config
from regbench.plan.job import Job
from regbench.plugins.catalog import lookup


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
    """Train a learned method. Its code is 0, except for bad input that is not a plugin's: 2."""
    from regbench.learning.job import run_training

    return run_training(_job(options))


def run_register(options: argparse.Namespace) -> int:
    """Register the cases of a shard. Always 0: failures are in the statuses."""
    from regbench.execution.launcher import register_shard

    register_shard(_job(options), options.shard)
    return 0


def run_time(options: argparse.Namespace) -> int:
    """Time one case with nothing beside it."""
    from regbench.execution.launcher import time_alone

    time_alone(_job(options))
    return 0


def run_evaluate(options: argparse.Namespace) -> int:
    """Merge the shards' statuses, then measure every case."""
    from regbench.measure.evaluate import evaluate

    evaluate(_job(options), options.shards)
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
    from regbench.reports.request import Request, render

    config = _config(options)
    report = lookup(config.catalog.reports, options.report, "report")
    render(Request(config, report, options.results, options.shown), options.outputs)
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


def _job(options: argparse.Namespace) -> Job:
    config = _config(options)
    return Job.of(config, config.run(options.task, options.run_id), options.seed)
