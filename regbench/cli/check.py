"""`regbench check`: whether a method or a data set does what it must, and what to mend."""

import argparse
import json
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from regbench.base.errors import BadInput
from regbench.check.dataset import check_dataset
from regbench.check.finding import FAIL, NOTE, OK, WARNING, Finding, as_record
from regbench.check.method import check_method
from regbench.cli.catalog import add_config, catalog_of
from regbench.cli.single import parse_changes
from regbench.plugins.catalog import lookup
from regbench.plugins.kinds import DatasetPlugin, MethodPlugin, read_dataset, read_methods


@dataclass(frozen=True)
class Broken:
    """A plugin whose metadata cannot be read, and why."""

    id: str
    kind: str
    folder: Path
    problem: BadInput


def add_commands(commands: Any) -> None:
    """Add the command."""
    command = commands.add_parser("check", help="run a method or a data set on toy data")
    command.add_argument("name", metavar="NAME", help="an id, or the path of a plugin's folder")
    command.add_argument(
        "--dataset", action="store_true", help="the data set of that id, not the method"
    )
    command.add_argument("--json", action="store_true", help="print JSON: an object a plugin")
    command.add_argument("--seed", type=int, default=0)
    command.add_argument("--set", action="append", default=[], metavar="KEY=VALUE", dest="changes")
    command.add_argument(
        "--time-limit", type=float, metavar="SECONDS", help="of one toy registration or preparation"
    )
    command.add_argument("--log", type=Path, metavar="FILE", help="keep what the plugin prints")
    add_config(command)
    command.set_defaults(run=run_check)


def run_check(options: argparse.Namespace) -> int:
    """Print a line a check, as soon as it is known; 1 when something is to be mended."""
    if options.time_limit is not None and not options.time_limit > 0:
        raise BadInput("--time-limit", expected="seconds > 0", found=options.time_limit)
    records = []
    for plugin in _plugins(options):
        found = []
        for finding in _findings(plugin, options):
            found.append(finding)
            if not options.json:
                print(finding.lines(), flush=True)
        if not options.json:
            print(_summary(plugin.id, found))
        kind = "method" if isinstance(plugin, MethodPlugin) else "dataset"
        kind = plugin.kind if isinstance(plugin, Broken) else kind
        records.append(as_record(plugin.id, kind, str(plugin.folder), found))
    if options.json:
        print(json.dumps(records[0] if len(records) == 1 else records, indent=1))
    return 0 if all(record["ok"] for record in records) else 1


def _findings(
    plugin: MethodPlugin | DatasetPlugin | Broken, options: argparse.Namespace
) -> Iterator[Finding]:
    if isinstance(plugin, Broken):
        fix = "docs/add-a-method.md and docs/add-a-dataset.md have every key"
        return iter([Finding("metadata", FAIL, str(plugin.problem), fix)])
    changes = parse_changes(options.changes, plugin)
    more = {"settings": changes, "time_limit_s": options.time_limit, "log": options.log}
    if isinstance(plugin, MethodPlugin):
        return check_method(plugin, seed=options.seed, **more)
    return check_dataset(plugin, **more)


def _plugins(options: argparse.Namespace) -> list[MethodPlugin | DatasetPlugin | Broken]:
    """The plugins that a name means: an id is one, a folder may hold several variants."""
    folder = Path(options.name)
    if "/" in options.name and folder.is_dir():
        return _of_folder(folder, options.dataset)
    catalog = catalog_of(options)
    for broken in catalog.broken:
        # A variant's id is unknown then: by the folder's name.
        if broken.name == options.name:
            return _of_folder(broken.place, options.dataset)
    if options.dataset:
        return [lookup(catalog.datasets, options.name, "data set")]
    known: dict[str, MethodPlugin | DatasetPlugin] = {**catalog.datasets, **catalog.methods}
    return [lookup(known, options.name, "method or data set")]


def _of_folder(folder: Path, dataset: bool) -> list[MethodPlugin | DatasetPlugin | Broken]:
    dataset = dataset or (folder / "dataset.yaml").exists()
    try:
        return [read_dataset(folder)] if dataset else list(read_methods(folder))
    except BadInput as problem:
        return [Broken(folder.name, "dataset" if dataset else "method", folder, problem)]


def _summary(name: str, found: list[Finding]) -> str:
    counts = {kind: sum(f.outcome == kind for f in found) for kind in (OK, WARNING, FAIL, NOTE)}
    numbers = ", ".join(f"{count} {kind}" for kind, count in counts.items() if count)
    return f"{name}: {numbers}"
