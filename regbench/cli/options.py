"""How commands are declared, the options that several of them share, and what those stand for."""

import argparse
import contextlib
import os
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

from regbench.base.errors import BadInput
from regbench.base.project import CONFIG_FOLDER, find_root, plugin_roots, work_folder

if TYPE_CHECKING:
    from regbench.plan.config import Config
    from regbench.plugins.catalog import Catalog
    from regbench.plugins.kinds import DatasetPlugin, MethodPlugin

DEFAULT_CONFIG = "default"

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


def number(kind: type, least: float, most: float, *words: str) -> Callable[[str], Any]:
    """The type of an option that takes a number in these bounds, or one of the words."""

    def value(text: str) -> Any:
        with contextlib.suppress(ValueError):
            if text in words or least <= kind(text) <= most:
                return text if text in words else kind(text)
        takes = f"{'whole ' * (kind is int)}number from {least} to {most}"
        raise argparse.ArgumentTypeError(
            f"expected {', or '.join([*words, takes])}; found {text[:80]}"
        )

    return value


class Command:
    """A function that runs and returns an exit code (None: 0), and the options that it gets.

    `help` is for a command below another one. The table in `main` has the help of the others.
    """

    def __init__(
        self, run: Callable[[argparse.Namespace], int | None], *options: Option, help: str = ""
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
#: Of commands on a workflow or its results; see `config_of`.
CONFIG = option(
    "--config", f"a file, or the name of a config of the project or in the box: {DEFAULT_CONFIG}"
)
JSON = flag("--json", "print JSON")
SEED = option("--seed", "default: 0", type=number(int, 0, 2**31), default=0)
CORES = option(
    "--cores",
    "of the workflow; default: all",
    type=number(int, 1, 2**31, "all"),
    default="all",
    metavar="N",
)
_CHANGES = "change a setting; the value is YAML; may be repeated"
#: See `changes_of`.
CHANGES = option(
    "--set", _CHANGES, action="append", default=[], metavar="KEY=VALUE", dest="changes"
)


def config_file(named: str | None, root: Path) -> Path:
    """The file that `--config` names: a path, or the name of a config of the project or in the box.

    Raises:
        BadInput: there is none.
    """
    if named and Path(named).is_file():
        return Path(named).resolve()
    name = (named or DEFAULT_CONFIG).removesuffix(".yaml")
    files = [file for at in plugin_roots(root) for file in sorted((at / "config").glob("*.yaml"))]
    # A project's own config comes before the box's.
    known = {file.stem: file for file in files}
    if name in known:
        return known[name]
    from regbench.base.schemas import did_you_mean

    file = Path(named or DEFAULT_CONFIG).resolve()
    beside = [other.name for other in file.parent.glob("*.yaml")]
    meant = did_you_mean([file.name], beside) or did_you_mean([name], list(known))
    expected = f"a file, or one of {', '.join(known)}"
    raise BadInput(f"no such config{meant}", file=file, expected=expected)


def catalog_of(options: argparse.Namespace) -> "Catalog":
    """The plugins of the project, and of the config where one is named."""
    from regbench.plugins.catalog import discover

    root, paths = find_root(options.root), None
    if options.config is not None:
        from regbench.base.models import check
        from regbench.base.schemas import read_yaml
        from regbench.plan.models import PluginsOfConfig
        from regbench.plan.places import Places

        file = config_file(options.config, root)
        data = read_yaml(file)
        if isinstance(data, dict):
            data = {name: value for name, value in data.items() if name == "plugins"}
        given = check(PluginsOfConfig, data, options.config).plugins.model_dump()
        paths = Places(file.parent, root).plugins(given)
    return discover(root, paths, tolerant=True)


def config_of(options: argparse.Namespace) -> "Config":
    """The config that `--config` names, or the default one; the current folder becomes that of the
    results.

    Paths of other options must be resolved before.

    Raises:
        BadInput: there is no such file, or it is wrong.
    """
    from regbench.plan.config import load_config

    root = find_root(options.root)
    file = config_file(options.config, root)
    os.chdir(work_folder(root))
    # The config that a workflow stored has the paths that its file had.
    stored = options.config is not None and options.config == os.environ.get("REGBENCH_CONFIG")
    folder = os.environ.get(CONFIG_FOLDER) if stored else None
    return load_config(file, root, Path(folder) if folder else None)


def changes_of(
    options: argparse.Namespace, plugin: "MethodPlugin | DatasetPlugin"
) -> dict[str, Any]:
    """The settings that `--set` changes; keys must be those of the plugin."""
    import yaml

    from regbench.base.schemas import did_you_mean, parse_yaml

    changes = {}
    for change in options.changes:
        key, separator, text = change.partition("=")
        if not separator or key not in plugin.settings:
            meant = did_you_mean([key], list(plugin.settings))
            raise BadInput(
                f"--set {change}: unknown setting of {plugin.id}{meant}",
                expected=f"KEY=VALUE with KEY one of {', '.join(sorted(plugin.settings)) or '-'}",
            )
        try:
            changes[key] = parse_yaml(text)
        except (ValueError, RecursionError, yaml.YAMLError) as error:
            raise BadInput(f"--set {change[:80]}: not a value", found=str(error)) from error
    return changes
