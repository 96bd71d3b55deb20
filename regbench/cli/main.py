"""`regbench`: the table of commands, and errors as one line and an exit code."""

import argparse
import gc
import sys
from collections.abc import Callable, Sequence
from functools import partial
from importlib import import_module
from itertools import chain
from pathlib import Path
from typing import Any

from regbench import __version__
from regbench.base.errors import BadInput, in_words
from regbench.base.schemas import did_you_mean
from regbench.cli.options import Command, declare, option

#: Groups of commands by what they are for: the name of each, its module, and its help. The
#: module's `COMMANDS` declares it.
GROUPS = {
    "plugins": {
        "methods": ("plugins", "list the methods, or one with its settings"),
        "datasets": ("plugins", "list the data sets, or one with its settings"),
        "metrics": ("plugins", "list the metrics that are discovered"),
        "new-method": ("plugins", "write a new method that works, and its test"),
        "new-dataset": ("plugins", "write a new data set that works, and its test"),
        "new-data": ("plugins", "write a config for a folder of your images"),
        "check": ("plugins", "run a method or a data set on toy data"),
        "download": ("plugins", "fetch the files of a data set, with checksums"),
    },
    "without a workflow": {
        "train": ("workflow", "train one learned method on the data of a config"),
        "register": ("standalone", "register one pair with one method"),
        "warp": ("standalone", "warp a moving image or label map by a field"),
        "convert": ("standalone", "convert other tools' transforms to fields, and back"),
        "evaluate": ("standalone", "score a folder of disp_*.nii.gz or .npz"),
    },
    "a workflow": {
        "init": ("workflow", "make this folder a project: configs and a place for plugins"),
        "run": ("workflow", "run the workflow; targets and flags as for Snakemake"),
        "study": ("workflow", "train every learned method by one protocol"),
    },
    "after a workflow": {
        "verdict": ("results", "list failed cases; exit code 3 when there are any"),
        "retry": ("results", "repeat failed cases, and what depends on them"),
        "export": ("results", "write a run's fields as a zip, for Learn2Reg or ITK"),
        "baseline": ("results", "compare a run's metrics with golden values"),
    },
    "other": {
        "completion": ("main", "print a completion script for a shell"),
        "stage": ("stage", "run one job of the workflow; the Snakefile calls this"),
    },
}


class Parser(argparse.ArgumentParser):
    """A parser that suggests the nearest choice for a mistyped one.

    `load`, where it is set, declares the parser's command, once, when the command is called.
    """

    load: Callable[[], None] | None = None

    def parse_known_args(self, *arguments: Any, **keywords: Any) -> Any:
        if self.load is not None:
            self.load()
        return super().parse_known_args(*arguments, **keywords)

    def _check_value(self, action: argparse.Action, value: Any) -> None:
        try:
            super()._check_value(action, value)
        except argparse.ArgumentError as error:
            error.message += did_you_mean([value], list(action.choices or ()))
            raise


class GroupedHelp(argparse.HelpFormatter):
    """Help with a title above each group of commands."""

    def _format_action(self, action: argparse.Action) -> str:
        titles = {next(iter(commands)): title for title, commands in GROUPS.items()}
        text = super()._format_action(action)
        return f"\n  {titles[action.dest]}:\n{text}" if action.dest in titles else text


def parser(*, lazy: bool = False) -> argparse.ArgumentParser:
    """The command line.

    Args:
        lazy: import the module of the command that is called, and no other. A workflow starts a
            process for each job.
    """
    top = Parser(
        prog="regbench",
        description="Benchmark of deformable image registration",
        formatter_class=GroupedHelp,
    )
    top.add_argument("--version", action="version", version=f"regbench {__version__}")
    top.add_argument(
        "--root", metavar="FOLDER", help="project; default: $REGBENCH_ROOT, else the nearest"
    )
    top.add_argument("--debug", action="store_true", help="show the traceback of an error")
    commands = top.add_subparsers(dest="command", required=True, metavar="COMMAND")
    for name, (module, text) in chain(*(group.items() for group in GROUPS.values())):
        command = commands.add_parser(name, help=text, description=text)
        load = partial(_load, command, module, name)
        if lazy:
            command.load = load
        else:
            load()
    return top


def _load(command: argparse.ArgumentParser, module: str, name: str) -> None:
    declare(command, import_module(f"regbench.cli.{module}").COMMANDS[name])


def main(arguments: Sequence[str] | None = None) -> int:
    """Run a command; 0, 1 or 3 by what it found, 2 for bad input, 130 for Ctrl-C."""
    options = argparse.Namespace(command="", debug=False)
    try:
        # Parsing imports what the command needs: most of a short job's time.
        top = parser(lazy=True)
        options, options.rest = top.parse_known_args(arguments, options)
        # What `run` does not know is for Snakemake.
        if options.rest and options.command != "run":
            top.error(f"unrecognized arguments: {' '.join(options.rest)}")
        return int(options.run(options) or 0)
    except KeyboardInterrupt:
        print("regbench: interrupted; finished cases are kept", file=sys.stderr)
        return 130
    except BrokenPipeError:
        # A listing piped into `head` is no error; in a job it is.
        return 1 if options.command == "stage" else 0
    except (BadInput, OSError) as error:
        if options.debug:
            raise
        print(f"regbench: {in_words(error)}", file=sys.stderr)
        return 2


def run_completion(options: argparse.Namespace) -> None:
    """Print the script that completes commands and options in a shell."""
    import shtab

    top = parser()
    _complete_files(top, shtab.FILE)
    print(shtab.complete(top, options.shell))


def _complete_files(command: argparse.ArgumentParser, files: Any) -> None:
    """Complete file names where an option takes a path, in all subcommands."""
    for action in command._actions:
        if action.type is Path or action.dest in ("config", "root"):
            action.complete = files  # type: ignore[attr-defined]
        if isinstance(action, argparse._SubParsersAction):
            for subcommand in action.choices.values():
                _complete_files(subcommand, files)


COMMANDS = {"completion": Command(run_completion, option("shell", choices=("bash", "zsh")))}


if __name__ == "__main__":
    # A job's process is short. At the default thresholds, looking for cycles among what its imports
    # made takes a fifth of the time of a figure.
    gc.set_threshold(20_000, 20, 20)
    sys.exit(main())
