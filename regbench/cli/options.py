"""How commands are declared, the options that several of them share, and what those stand for."""

import argparse
import os
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import yaml

from regbench.base.errors import BadInput
from regbench.base.project import find_root, work_folder
from regbench.base.schemas import parse_yaml, read_yaml
from regbench.plan.config import Config, load_config
from regbench.plugins.catalog import Catalog, discover
from regbench.plugins.kinds import DatasetPlugin, MethodPlugin

DEFAULT_CONFIG = "config/default.yaml"

Option = tuple[str, dict[str, Any]]


def option(name: str, text: str = "", **keywords: Any) -> Option:
    """An argument of a command, with its help; see `argparse.ArgumentParser.add_argument`."""
    return name, {"help": text, **keywords}


def flag(name: str, text: str) -> Option:
    """An option that is given or not."""
    return option(name, text, action="store_true")


def path(name: str, text: str = "", **keywords: Any) -> Option:
    """An option that takes a path, which the shell completes."""
    return option(name, text, **{"type": Path, "metavar": "FILE", **keywords})


class Command:
    """A function that runs and returns an exit code, and the options that it gets.

    `help` is for a command below another one. The table in `main` has the help of the others.
    """

    def __init__(
        self, run: Callable[[argparse.Namespace], int], *options: Option, help: str = ""
    ) -> None:
        self.run = run
        self.options = options
        self.help = help


def declare(parser: argparse.ArgumentParser, command: Command | Mapping[str, Command]) -> None:
    """Give a parser the options of a command, or the commands below it."""
    if isinstance(command, Command):
        for name, keywords in command.options:
            parser.add_argument(name, **keywords)
        parser.set_defaults(run=command.run)
        return
    actions = parser.add_subparsers(dest="action", required=True, metavar="ACTION")
    for name, action in command.items():
        declare(actions.add_parser(name, help=action.help, description=action.help), action)


#: Of commands that need plugins only; see `catalog_of`.
PLUGIN_PATHS = option("--config", "config whose `plugins` paths are searched too")
#: Of commands on the results of a workflow; see `config_of`.
CONFIG = option("--config", f"default: {DEFAULT_CONFIG}")
JSON = flag("--json", "print JSON")
SEED = option("--seed", "default: 0", type=int, default=0)
_CHANGES = "change a setting; the value is YAML; may be repeated"
#: See `changes_of`.
CHANGES = option(
    "--set", _CHANGES, action="append", default=[], metavar="KEY=VALUE", dest="changes"
)


def catalog_of(options: argparse.Namespace) -> Catalog:
    """The plugins of the project, and of the config where one is named."""
    paths = None
    if options.config is not None:
        from regbench.base.models import check
        from regbench.plan.models import PluginsOfConfig

        data = read_yaml(Path(options.config))
        if isinstance(data, dict):
            data = {name: value for name, value in data.items() if name == "plugins"}
        paths = check(PluginsOfConfig, data, options.config).plugins.model_dump()
    return discover(find_root(options.root), paths, tolerant=True)


def config_of(options: argparse.Namespace) -> Config:
    """The config that `--config` names, or the default one. The project becomes the current folder.

    Paths of other options must be resolved before.

    Raises:
        BadInput: there is no such file, or it is wrong.
    """
    root = find_root(options.root)
    file = Path(options.config).resolve() if options.config else root / DEFAULT_CONFIG
    if not file.is_file():
        raise BadInput("no such config", file=file)
    os.chdir(work_folder(root))
    return load_config(file, root)


def changes_of(options: argparse.Namespace, plugin: MethodPlugin | DatasetPlugin) -> dict[str, Any]:
    """The settings that `--set` changes; keys must be those of the plugin."""
    changes = {}
    for change in options.changes:
        key, separator, text = change.partition("=")
        if not separator or key not in plugin.settings:
            raise BadInput(
                f"--set {change}: unknown setting of {plugin.id}",
                expected=f"KEY=VALUE with KEY one of {', '.join(sorted(plugin.settings)) or '-'}",
            )
        try:
            changes[key] = parse_yaml(text)
        except yaml.YAMLError as error:
            raise BadInput(f"--set {change}: not a value", found=str(error)) from error
    return changes
