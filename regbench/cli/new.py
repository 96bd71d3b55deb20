"""`regbench new-method` and `regbench new-dataset`: a plugin that works, to start from."""

import argparse
from pathlib import Path
from typing import Any

from regbench.base.project import find_root
from regbench.check.scaffold import KINDS, NewPlugin, new_dataset, new_method
from regbench.cli.catalog import add_config, catalog_of


def add_commands(commands: Any) -> None:
    """Add the two commands."""
    method = commands.add_parser("new-method", help="write a new method that works, and its test")
    method.add_argument("--kind", choices=KINDS, default="python", help="default: python")
    dataset = commands.add_parser(
        "new-dataset", help="write a new data set that works, and its test"
    )
    for command, run in ((method, run_new_method), (dataset, run_new_dataset)):
        command.add_argument("name", metavar="NAME", help="the id, such as my-method")
        command.add_argument("--title", help="title in tables; default: made of the name")
        command.add_argument(
            "--folder",
            type=Path,
            help="put the plugin's folder and its test here, outside the project",
        )
        add_config(command)
        command.set_defaults(run=run)


def run_new_method(options: argparse.Namespace) -> int:
    """Write a method and say what comes next."""
    made = new_method(
        options.name,
        options.kind,
        find_root(options.root),
        catalog_of(options),
        place=options.folder,
        title=_title(options),
    )
    return _say(made, "methods", options)


def run_new_dataset(options: argparse.Namespace) -> int:
    """Write a data set and say what comes next."""
    made = new_dataset(
        options.name,
        find_root(options.root),
        catalog_of(options),
        place=options.folder,
        title=_title(options),
    )
    return _say(made, "datasets", options)


def _title(options: argparse.Namespace) -> str:
    words = options.name.replace("-", " ").replace("_", " ")
    title: str = (options.title or "").strip() or words[:1].upper() + words[1:]
    return title


def _say(made: NewPlugin, kind: str, options: argparse.Namespace) -> int:
    print(f"{made.folder}: the plugin")
    print(f"{made.test}: its test")
    if options.folder is not None:
        print(f"a config finds it by plugins: {{{kind}: [{made.folder.parent}]}}")
    print(f"next: regbench check {made.id if options.folder is None else made.folder}")
    return 0
