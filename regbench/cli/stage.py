"""`regbench stage ...`: the jobs of the workflow. The Snakefile calls these; people need not."""

import argparse
import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from regbench.base.errors import BadInput
from regbench.base.files import check_seal
from regbench.base.paths import environment_file, layout_file, metrics_file, task_metrics_file
from regbench.cli.options import Command, config_of, option, path
from regbench.execution.process import end_with_workflow
from regbench.execution.sandbox import die_with_parent
from regbench.plan.config import Config
from regbench.plan.jobs import Job, Plan
from regbench.plan.resources import Shard
from regbench.plugins.catalog import lookup


def run_prepare(options: argparse.Namespace) -> None:
    """Prepare a data set."""
    from regbench.execution.prepare import prepare

    config = _config(options)
    file = layout_file(config.name, options.dataset)
    prepare(config.datasets[options.dataset], file, options.threads)


def run_environment(options: argparse.Namespace) -> None:
    """Build a method's own environment. Always 0: the record says where this failed."""
    from regbench.execution.environment import build_recorded

    config = _config(options)
    own = Plan(config).environments[options.environment]
    build_recorded(own, environment_file(config.name, own.id))


def run_train(options: argparse.Namespace) -> int:
    """Train a learned method. Its code is 0, except for bad input that is not a plugin's: 2."""
    from regbench.learning.job import run_training

    return run_training(_job(options))


def run_study_point(options: argparse.Namespace) -> None:
    """Train one point of a study. `regbench study` calls this."""
    from regbench.study.protocol import Point
    from regbench.study.run import train_point

    die_with_parent()
    config = config_of(options)
    run = config.run(options.task, options.run_id)
    point = Point(options.weight, options.steps, options.seed)
    train_point(config, run, point, options.device)


def run_register(options: argparse.Namespace) -> int:
    """Register the cases of a shard. 0 where methods fail: that is in the statuses."""
    from regbench.execution.register import register_apart

    return register_apart(_job(options), Shard.parse(options.shard))


def run_time(options: argparse.Namespace) -> None:
    """Time one case with nothing beside it."""
    from regbench.execution.register import time_alone

    time_alone(_job(options))


def run_evaluate(options: argparse.Namespace) -> None:
    """Merge the shards' statuses, then measure every case."""
    from regbench.measure.evaluate import evaluate

    evaluate(_job(options), options.shards)


def run_collect(options: argparse.Namespace) -> None:
    """Collect a task's runs into one table."""
    from regbench.reports.results import collect, write_results

    config = _config(options)
    results = collect(config, config.every_task[options.task])
    write_results(task_metrics_file(config.name, options.task), results)


def run_merge(options: argparse.Namespace) -> None:
    """Merge the tasks' tables into one."""
    from regbench.reports.results import merge, read_results, write_results

    config = _config(options)
    files = [task_metrics_file(config.name, task) for task in config.tasks]
    with _removing(*files):
        write_results(metrics_file(config.name), merge([read_results(file) for file in files]))


def run_render(options: argparse.Namespace) -> None:
    """Render a report."""
    from regbench.reports.request import Request, render

    config = _config(options)
    report = lookup(config.catalog.reports, options.report, "report")
    with _removing(*filter(None, [options.results])):
        render(Request(config, report, options.results, options.shown), options.outputs)


@contextmanager
def _removing(*tables: Path) -> Iterator[None]:
    """Remove tables that were cut or changed, so that the next workflow makes them again."""
    try:
        yield
    except BadInput:
        for table in tables:
            try:
                check_seal(table)
            except BadInput:
                table.unlink()
        raise


def _config(options: argparse.Namespace) -> Config:
    end_with_workflow()
    options.config = options.config or os.environ.get("REGBENCH_CONFIG")
    if not options.config:
        raise BadInput("no config", expected="--config FILE, or REGBENCH_CONFIG")
    return config_of(options)


def _job(options: argparse.Namespace) -> Job:
    config = _config(options)
    return Job.of(config, config.run(options.task, options.run_id), options.seed)


_CONFIG = option("--config", "the resolved config; default: $REGBENCH_CONFIG")
_TASK = option("--task", required=True)
_RUN = option("--run", required=True, dest="run_id")
_JOB = (_CONFIG, _TASK, _RUN, option("--seed", required=True, type=int))
COMMANDS = {
    "stage": {
        "prepare": Command(
            run_prepare,
            _CONFIG,
            option("--dataset", required=True),
            option("--threads", type=int, default=1),
        ),
        "environment": Command(run_environment, _CONFIG, option("--environment", required=True)),
        "train": Command(run_train, *_JOB),
        "study-point": Command(
            run_study_point,
            *_JOB,
            option("--lambda", required=True, type=float, dest="weight"),
            option("--steps", required=True, type=int),
            option("--device", required=True),
        ),
        "register": Command(
            run_register, *_JOB, option("--shard", "<index>-of-<n>", required=True)
        ),
        "evaluate": Command(run_evaluate, *_JOB, option("--shards", required=True, type=int)),
        "time": Command(run_time, *_JOB),
        "collect": Command(run_collect, _CONFIG, _TASK),
        "merge": Command(run_merge, _CONFIG),
        "render": Command(
            run_render,
            _CONFIG,
            option("--report", required=True),
            path("--results"),
            path("--shown", action="append", default=[]),
            path("outputs", nargs="+"),
        ),
    }
}
