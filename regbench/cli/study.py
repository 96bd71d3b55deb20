"""The command that carries out a study: see `regbench.study`."""

import argparse

from regbench.base.errors import BadInput
from regbench.base.paths import layout_file
from regbench.cli.options import CONFIG, Command, config_of, flag, option
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


COMMANDS = {
    "study": Command(
        run_study,
        CONFIG,
        option("--processes", "trainings side by side; default: 2", type=int, default=2),
        option("--task", "only this task; may be repeated", action="append", default=[]),
        option("--minutes", "start no training that would end later", type=float),
        flag("--list", "only print what is chosen and what is left"),
    )
}
