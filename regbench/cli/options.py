"""Options that several commands share, and what they stand for."""

import argparse
import os
from pathlib import Path
from typing import Any

import yaml

from regbench.base.errors import BadInput
from regbench.base.project import find_root, work_folder
from regbench.base.schemas import read_yaml, validate
from regbench.plan.config import Config, load_config
from regbench.plugins.catalog import Catalog, discover
from regbench.plugins.kinds import DatasetPlugin, MethodPlugin

DEFAULT_CONFIG = "config/default.yaml"


def add_plugin_paths(command: argparse.ArgumentParser) -> None:
    """`--config` of a command that only needs plugins; see `catalog_of`."""
    command.add_argument("--config", help="config whose `plugins` paths are searched too")


def catalog_of(options: argparse.Namespace) -> Catalog:
    """The plugins of the project, and of the config where one is named."""
    paths = None
    if options.config is not None:
        data = read_yaml(Path(options.config))
        if not isinstance(data, dict):
            raise BadInput("is not a config", file=options.config, expected="a mapping")
        paths = data.get("plugins")
        validate({"plugins": data.get("plugins", {})}, "plugins", options.config)
    return discover(find_root(options.root), paths, tolerant=True)


def add_config(command: argparse.ArgumentParser) -> None:
    """`--config` of a command on the results of a workflow; see `config_of`."""
    command.add_argument("--config", help=f"default: {DEFAULT_CONFIG}")


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


def add_json(command: argparse.ArgumentParser, text: str) -> None:
    """`--json`."""
    command.add_argument("--json", action="store_true", help=f"print JSON: {text}")


def add_run_settings(command: argparse.ArgumentParser) -> None:
    """`--set` and `--seed`; see `changes_of`."""
    command.add_argument(
        "--set",
        action="append",
        default=[],
        metavar="KEY=VALUE",
        dest="changes",
        help="change a setting; the value is YAML; may be repeated",
    )
    command.add_argument("--seed", type=int, default=0, help="default: 0")


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
            changes[key] = yaml.safe_load(text)
        except yaml.YAMLError as error:
            raise BadInput(f"--set {change}: not a value", found=str(error)) from error
    return changes
