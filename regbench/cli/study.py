"""Commands that train: one method as a workflow would, or a study: see `regbench.study`."""

import argparse
from dataclasses import replace

from regbench.base.devices import REQUESTS
from regbench.base.errors import BadInput
from regbench.base.files import read_json
from regbench.base.paths import TRAINING, layout_file
from regbench.cli.options import CHANGES, CONFIG, SEED, Command, changes_of, config_of, flag, option
from regbench.execution.process import run_apart
from regbench.plan.config import Config, RunConfig, make_runs
from regbench.plan.jobs import Job
from regbench.plugins.catalog import lookup


def run_study(options: argparse.Namespace) -> int:
    """Train what the study of a config asks for; 1 when something is left to train or to choose."""
    from regbench.execution.prepare import prepare
    from regbench.study.run import Study, progress

    if options.processes < 1:
        raise BadInput("--processes", expected="at least 1", found=options.processes)
    config = config_of(options)
    if config.file is None:
        raise BadInput("a study needs a config file")
    for name in options.task:
        lookup(config.tasks, name, "task", config.file)
    study = Study(config, config.file, options.processes, options.task, options.minutes)
    if options.list:
        print("\n".join(progress(study)))
        return 0
    for name in {run.task.dataset.id: None for run in study.runs}:
        if not layout_file(config.name, name).is_file():
            prepare(config.datasets[name], layout_file(config.name, name))
    finished = study.carry_out()
    for line in (problems := study.choose()):
        print(line)
    return 0 if finished and not problems else 1


def run_train(options: argparse.Namespace) -> int:
    """Prepare the data, train or go on with a training, and say where the checkpoint is."""
    from regbench.execution.prepare import prepare
    from regbench.learning.job import run_training

    config = config_of(options)
    run = _trained_run(config, options)
    data = run.task.dataset
    # In a process of its own: the training's must not be forked from one that has imported torch.
    if run_apart(lambda: prepare(data, layout_file(config.name, data.id))):
        raise BadInput(f"data set {data.id} cannot be prepared")
    job = Job.of(replace(config, device=options.device or config.device), run, options.seed)
    if run_training(job):
        return 2
    record = read_json(job.folder / TRAINING)
    if record["outcome"] != "ok":
        raise BadInput(f"the training of {run.id} {record['outcome']}: {record['reason']}")
    steps = f"{record['steps']} steps, {record['seconds']:.1f} s on {record['device']}"
    print(f"{record['checkpoint']}: {run.id} on {run.task.id}, seed {options.seed}, {steps}")
    return 0


def _trained_run(config: Config, options: argparse.Namespace) -> RunConfig:
    """The config's run, or one of a method that it does not list; with `--set`."""
    from regbench.plan.models import MethodEntry
    from regbench.plan.places import Places

    name, where, catalog = options.method, config.file or "config", config.catalog
    task = lookup(config.tasks, options.task or next(iter(config.tasks)), "task", where)
    task = config.tasks[task.trained_on]
    listed = {r.id: r for r in config.runs if r.task.id == task.id and name in (r.id, r.method.id)}
    if len(listed) > 1:
        what = f"method {name} is listed several times on task {task.id}"
        raise BadInput(what, file=where, expected=f"one of {', '.join(listed)}")
    known = next((run.method for run in listed.values()), None)
    plugin = known or lookup(catalog.methods, name, "method", broken=catalog.broken)
    if not plugin.learned:
        raise BadInput(f"method {plugin.id} is not trained", expected="a method of kind learned")
    given = {key: value for run in listed.values() for key, value in run.overrides.items()}
    settings = {**given, **changes_of(options, plugin)}
    settings.pop("checkpoint", None)
    entry = MethodEntry.model_construct(method=plugin.id, settings=settings)
    places = Places(config.file and config.file.parent, config.root)
    (run,) = make_runs([entry], {task.id: task}, catalog, where, places)
    return run


COMMANDS = {
    "train": Command(
        run_train,
        option("method", "a learned method, or a run of the config", metavar="METHOD"),
        CONFIG,
        option("--task", "of the config; default: its first"),
        CHANGES,
        SEED,
        option("--device", "default: the config's", choices=REQUESTS),
    ),
    "study": Command(
        run_study,
        CONFIG,
        option("--processes", "trainings side by side; default: 2", type=int, default=2),
        option("--task", "only this task; may be repeated", action="append", default=[]),
        option("--minutes", "start no training that would end later", type=float),
        flag("--list", "only print what is chosen and what is left"),
    ),
}
