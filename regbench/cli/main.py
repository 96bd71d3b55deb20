"""`regbench`: the table of commands, and errors as one line and an exit code."""

import argparse
import sys
from collections.abc import Sequence
from importlib import import_module
from pathlib import Path
from typing import Any

from regbench import __version__
from regbench.base.errors import BadInput
from regbench.base.schemas import did_you_mean

#: Groups of commands by what they are for: the name of each, its module, and its help. The
#: module's `COMMANDS` maps the name to the function that adds its arguments.
GROUPS = {
    "plugins": {
        "methods": ("plugins", "list the methods that are discovered"),
        "datasets": ("plugins", "list the data sets that are discovered"),
        "metrics": ("plugins", "list the metrics that are discovered"),
        "new-method": ("plugins", "write a new method that works, and its test"),
        "new-dataset": ("plugins", "write a new data set that works, and its test"),
        "check": ("plugins", "run a method or a data set on toy data"),
        "download": ("plugins", "fetch the files of a data set, with checksums"),
    },
    "without a workflow": {
        "register": ("standalone", "register one pair with one method"),
        "warp": ("standalone", "warp a moving image or label map by a field"),
        "evaluate": ("standalone", "score a folder of disp_*.nii.gz or .npz"),
    },
    "after a workflow": {
        "verdict": ("results", "list failed cases; exit code 3 when there are any"),
        "retry": ("results", "repeat failed cases, and what depends on them"),
        "export": ("results", "write a run's fields as a Learn2Reg submission zip"),
        "baseline": ("results", "compare a run's metrics with golden values"),
    },
    "called by programs": {
        "completion": ("main", "print a completion script for a shell"),
        "stage": ("stage", "run one job of the workflow (called by the Snakefile)"),
    },
}


class Parser(argparse.ArgumentParser):
    """A parser that suggests the nearest choice for a mistyped one."""

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


def parser(words: Sequence[str] | None = None) -> argparse.ArgumentParser:
    """The whole command line.

    Args:
        words: of one call. Commands that are not among them get no arguments, and their modules
            are not imported: a workflow starts a process for each job.
    """
    top = Parser(
        prog="regbench",
        description="Benchmark of deformable image registration",
        formatter_class=GroupedHelp,
    )
    top.add_argument("--version", action="version", version=f"regbench {__version__}")
    top.add_argument(
        "--root", metavar="FOLDER", help="project folder; default: $REGBENCH_ROOT, else the nearest"
    )
    top.add_argument("--debug", action="store_true", help="show the traceback of an error")
    commands = top.add_subparsers(dest="command", required=True, metavar="COMMAND")
    for group in GROUPS.values():
        for name, (module, text) in group.items():
            command = commands.add_parser(name, help=text, description=text)
            if words is None or name in words:
                import_module(f"regbench.cli.{module}").COMMANDS[name](command)
    return top


def main(arguments: Sequence[str] | None = None) -> int:
    """Run a command; 0, 1 or 3 by what it found, 2 for bad input, 130 for Ctrl-C."""
    words = sys.argv[1:] if arguments is None else list(arguments)
    options = parser(words).parse_args(words)
    try:
        return int(options.run(options))
    except KeyboardInterrupt:
        print("regbench: interrupted; finished cases are kept", file=sys.stderr)
        return 130
    except BrokenPipeError:
        # A listing piped into `head` is no error; in a job it is.
        return 1 if options.command == "stage" else 0
    except (BadInput, OSError) as error:
        if options.debug:
            raise
        print(f"regbench: {error}", file=sys.stderr)
        return 2


def add_completion(command: argparse.ArgumentParser) -> None:
    """The arguments of `regbench completion`."""
    command.add_argument("shell", choices=("bash", "zsh"))
    command.set_defaults(run=run_completion)


def run_completion(options: argparse.Namespace) -> int:
    """Print the script that completes commands and options in a shell."""
    import shtab

    top = parser()
    _complete_files(top, shtab.FILE)
    print(shtab.complete(top, options.shell))
    return 0


def _complete_files(command: argparse.ArgumentParser, files: Any) -> None:
    """Complete file names where an option takes a path, in all subcommands."""
    for action in command._actions:
        if action.type is Path or action.dest in ("config", "root"):
            action.complete = files  # type: ignore[attr-defined]
        if isinstance(action, argparse._SubParsersAction):
            for subcommand in action.choices.values():
                _complete_files(subcommand, files)


COMMANDS = {"completion": add_completion}


if __name__ == "__main__":
    sys.exit(main())
