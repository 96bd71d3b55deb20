"""Commands on a config: making its project, running its workflow, training its methods."""

import argparse
import math
import os
import re
import sys
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING

from regbench.base.devices import REQUESTS
from regbench.base.errors import BadInput
from regbench.base.files import check_writable, read_json, write_text
from regbench.base.paths import TRAINING, layout_file
from regbench.base.project import MARK, box, find_root, nearest_project, plugin_roots, work_folder
from regbench.cli.options import (
    CHANGES,
    CONFIG,
    CORES,
    SEED,
    Command,
    changes_of,
    config_file,
    config_of,
    flag,
    number,
    option,
    path,
)

if TYPE_CHECKING:
    from regbench.plan.config import Config, RunConfig

_MARK = """\
# A project of regbench. Plugins in methods/, datasets/, metrics/ and reports/ of this folder are
# added to those in the box. Data, results and reports lie here.
"""
_IGNORED = (
    *("/.snakemake/", "/data/", "/results/", "/logs/", "/benchmarks/", "/reports/*"),
    *("!/reports/*.yaml", "!/reports/kinds/", "__pycache__/"),
)


def run_init(options: argparse.Namespace) -> None:
    """Write the files of a project; nothing that is there is replaced."""
    folder = options.folder.resolve()
    if around := nearest_project(folder):
        what = "is a project already" if around == folder else "is inside another project"
        raise BadInput(what, file=folder, found=around)
    sources = [config_file(name, box()) for name in {"default", "smoke", *options.config}]
    # Their first line has a path to the schema, which holds in the box only.
    texts = {
        folder / "config" / file.name: re.sub(r"\A# yaml-lang.*\n", "", file.read_text("utf-8"))
        for file in sources
    }
    for file in texts:
        if file.exists():
            raise BadInput("is there already", file=file, expected="regbench init NEW_FOLDER")
    folder.mkdir(parents=True, exist_ok=True)
    check_writable(folder)
    if options.method:
        from regbench.check.scaffold import KINDS, new_plugin
        from regbench.plugins.catalog import discover

        title = options.method.replace("-", " ").capitalize()
        known = discover(box(), tolerant=True)
        made = new_plugin(KINDS[0], options.method, folder, known, place=None, title=title)
        print(f"{made.folder}: a method; next: regbench check {made.id}")
    for file, text in texts.items():
        write_text(file, text)
    ignore = folder / ".gitignore"
    lines = ignore.read_text(encoding="utf-8").splitlines() if ignore.is_file() else []
    lines += [line for line in _IGNORED if line not in lines]
    write_text(ignore, "\n".join([*lines, ""]))
    # The mark last: it makes the folder a project.
    write_text(folder / MARK, _MARK)
    print(f"{folder}: a project; next: regbench run reports/table2.csv --config smoke")


def run_workflow(options: argparse.Namespace) -> int:
    """Become Snakemake, with the workflow in the box; does not return."""
    from regbench.base.schemas import read_yaml

    root = find_root(options.root)
    file = config_file(options.config, root)
    if not isinstance(given := read_yaml(file), dict):
        raise BadInput("is no config", file=file, expected="keys", found=repr(given)[:80])
    os.chdir(work_folder(root))
    words = snakemake_command(root, file, options.cores, options.rest, options.profile)
    sys.stdout.flush()
    # Snakemake's own process: signals and exit codes are its own.
    os.execve(words[0], words, {**os.environ, "REGBENCH_ROOT": str(root)})  # noqa: S606


def snakemake_command(
    root: Path, config: Path, cores: str | int, more: Sequence[str] = (), profile: str | None = None
) -> list[str]:
    """The command that runs the workflow of a project in the current folder.

    Raises:
        BadInput: Snakemake is not installed, or the folder cannot be written.
    """
    from regbench.plugins.loading import installed

    if not installed("snakemake"):
        raise BadInput(
            "Snakemake is not installed", expected="pip install 'regbench-mir[workflow]'"
        )
    check_writable(Path.cwd())
    roots = plugin_roots(root)
    words = [sys.executable, "-m", "snakemake", "--snakefile", str(roots[0] / "Snakefile")]
    words += ["--cores", str(cores), "--configfile", str(config)]
    for name, word_of in (("default", "--workflow-profile"), (profile, "--profile")):
        if name is None or any(word.partition("=")[0] == word_of for word in more):
            continue
        known = [folder / "profiles" / name for folder in reversed(roots)]
        words += [word_of, next((str(folder) for folder in known if folder.is_dir()), name)]
    return [*words, *more]


def run_study(options: argparse.Namespace) -> int:
    """Train what the study of a config asks for; 1 when something is left to train or to choose."""
    from regbench.execution.prepare import prepare
    from regbench.plugins.catalog import lookup
    from regbench.study.run import Study, progress

    if options.processes < 1:
        raise BadInput("--processes", expected="at least 1", found=options.processes)
    config = config_of(options)
    for name in options.task:
        lookup(config.tasks, name, "task", config.file)
    study = Study(config, options.processes, options.task, options.minutes)
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
    from regbench.execution.process import run_apart
    from regbench.learning.job import run_training
    from regbench.plan.jobs import Job

    config = config_of(options)
    run = _trained_run(config, options)
    data = run.task.dataset
    # In a process of its own: the training's must not be forked from one that has imported torch.
    if code := run_apart(lambda: prepare(data, layout_file(config.name, data.id))):
        if code == 2:
            return code
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


def _trained_run(config: "Config", options: argparse.Namespace) -> "RunConfig":
    """The config's run, or one of a method that it does not list; with `--set`."""
    from regbench.plan.models import MethodEntry
    from regbench.plan.places import Places
    from regbench.plan.runs import make_runs
    from regbench.plugins.catalog import lookup

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
    "init": Command(
        run_init,
        path("folder", "default: the current one", nargs="?", default=Path(), metavar="FOLDER"),
        option(
            "--config",
            "copy this config of the box, too; may be repeated",
            action="append",
            default=[],
            metavar="NAME",
        ),
        option("--method", "write a first method that works", metavar="NAME"),
    ),
    "run": Command(
        run_workflow,
        CONFIG,
        CORES,
        option("--profile", "of Snakemake: a folder, or slurm", metavar="P"),
    ),
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
        option(
            "--minutes", "start no training that would end later", type=number(float, 0, math.inf)
        ),
        flag("--list", "only print what is chosen and what is left"),
    ),
}
