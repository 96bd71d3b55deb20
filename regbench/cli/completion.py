"""`regbench completion`: a script that completes commands and options in a shell."""

import argparse
from pathlib import Path
from typing import Any


def add_commands(commands: Any) -> None:
    """Add the command."""
    command = commands.add_parser("completion", help="print a completion script for a shell")
    command.add_argument("shell", choices=("bash", "zsh"))
    command.set_defaults(run=run_completion)


def run_completion(options: argparse.Namespace) -> int:
    """Print the script of the whole command line."""
    import shtab

    from regbench.cli.main import parser

    top = parser()
    _complete_files(top, shtab.FILE)
    print(shtab.complete(top, options.shell))
    return 0


def _complete_files(parser: argparse.ArgumentParser, files: Any) -> None:
    """Complete file names where an option takes a path, in all subcommands."""
    for action in parser._actions:
        if action.type is Path or action.dest in ("config", "root"):
            action.complete = files  # type: ignore[attr-defined]
        if isinstance(action, argparse._SubParsersAction):
            for command in action.choices.values():
                _complete_files(command, files)
