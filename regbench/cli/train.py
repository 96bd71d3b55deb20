"""`regbench train`: a learned method trained as a workflow would, and in the same place."""

import argparse
from dataclasses import replace

from regbench.base.devices import REQUESTS
from regbench.base.errors import BadInput
from regbench.base.files import read_json
from regbench.base.paths import TRAINING, layout_file
from regbench.cli.options import CHANGES, CONFIG, SEED, Command, changes_of, config_of, option
from regbench.execution.process import run_apart
from regbench.plan.config import Config, RunConfig, make_runs
from regbench.plan.jobs import Job
from regbench.plan.models import MethodEntry
from regbench.plugins.catalog import lookup


def run_train(options: argparse.Namespace) -> int:
    """Prepare the data, train or go on with a training, and say where the checkpoint is."""
    from regbench.execution.prepare import prepare
    from regbench.learning.job import run_training

    config = config_of(options)
    if options.device:
        config = replace(config, device=options.device)
    run = _run(config, options)
    data = run.task.dataset
    # In a process of its own: the training's must not be forked from one that has imported torch.
    if run_apart(lambda: prepare(data, layout_file(config.name, data.id))):
        raise BadInput(f"data set {data.id} cannot be prepared")
    job = Job.of(config, run, options.seed)
    if run_training(job):
        return 2
    record = read_json(job.folder / TRAINING)
    if record["outcome"] != "ok":
        raise BadInput(f"the training of {run.id} {record['outcome']}: {record['reason']}")
    steps = f"{record['steps']} steps, {record['seconds']:.1f} s on {record['device']}"
    print(f"{record['checkpoint']}: {run.id} on {run.task.id}, seed {options.seed}, {steps}")
    return 0


def _run(config: Config, options: argparse.Namespace) -> RunConfig:
    """The run to train: the config's, or one of a method that it does not list; with `--set`."""
    name = options.task or next(iter(config.tasks))
    task = lookup(config.tasks, name, "task", config.file)
    task = config.tasks[task.trained_on]
    runs = [r for r in config.runs if r.task.id == task.id and r.method.learned]
    listed = {r.id: r for r in runs if options.method in (r.id, r.method.id)}
    if len(listed) > 1:
        what = f"method {options.method} is listed several times on task {task.id}"
        raise BadInput(what, expected=f"one of {', '.join(listed)}")
    run = next(iter(listed.values()), None)
    catalog, where = config.catalog, config.file or "config"
    known = {**catalog.methods, **{r.id: r.method for r in runs}}
    plugin = lookup(known, options.method, "method", broken=catalog.broken)
    if not plugin.learned:
        raise BadInput(f"method {plugin.id} is not trained", expected="a method of kind learned")
    settings = {**(run.overrides if run else {}), **changes_of(options, plugin)}
    settings.pop("checkpoint", None)
    entry = MethodEntry.model_construct(method=plugin.id, settings=settings)
    return make_runs([entry], {task.id: task}, catalog, where, config.root)[0]


COMMANDS = {
    "train": Command(
        run_train,
        option("method", "a learned method, or a run of the config", metavar="METHOD"),
        CONFIG,
        option("--task", "of the config; default: its first"),
        CHANGES,
        SEED,
        option("--device", "default: the config's", choices=REQUESTS),
    )
}
