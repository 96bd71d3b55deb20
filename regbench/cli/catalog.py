"""`regbench methods | datasets | metrics`: what is discovered, available or not."""

import argparse
import json
import os
import sys
import traceback
from collections.abc import Callable
from pathlib import Path
from typing import Any

from regbench.base.errors import BadInput
from regbench.base.project import find_root, work_folder
from regbench.base.schemas import read_yaml
from regbench.plan.config import Config, load_config
from regbench.plugins.catalog import Catalog, discover
from regbench.plugins.kinds import MethodPlugin
from regbench.plugins.loading import load_entry

DEFAULT_CONFIG = "config/default.yaml"


def add_commands(commands: Any) -> None:
    """Add the three listings."""
    for name, rows in (("methods", methods), ("datasets", datasets), ("metrics", metrics)):
        command = commands.add_parser(name, help=f"list the {name} that are discovered")
        command.add_argument("--json", action="store_true", help="print a JSON list")
        add_config(command)
        command.set_defaults(run=_listing(rows))


def add_config(command: argparse.ArgumentParser) -> None:
    """The option that brings a config's own plugins in."""
    command.add_argument("--config", help="config whose `plugins` paths are searched too")


def catalog_of(options: argparse.Namespace) -> Catalog:
    """The plugins of the project, and of the config where one is named."""
    return discover(find_root(options.root), _plugin_paths(options.config), tolerant=True)


def warn_of_broken(catalog: Catalog) -> None:
    """A line on standard error for each plugin that is left out."""
    for plugin in catalog.broken:
        sys.stderr.write(f"regbench: warning: left out: {plugin.problem}\n")


def config_of(options: argparse.Namespace) -> Config:
    """The config that `--config` names, or the default one; the project root is the folder then.

    Raises:
        BadInput: no such file, or it is wrong.
    """
    root = find_root(options.root)
    file = Path(options.config).resolve() if options.config else root / DEFAULT_CONFIG
    if not file.is_file():
        raise BadInput("no such config", file=file)
    os.chdir(work_folder(root))
    return load_config(file, root)


def methods(catalog: Catalog) -> list[dict[str, Any]]:
    """A dictionary a method id."""
    return [
        {
            "name": m.id,
            "title": m.title,
            "kind": m.kind,
            "plugin": m.folder.name,
            "available": not m.missing(),
            "parameters": _parameters(m),
            "reason": f"{', '.join(m.missing())} not installed" if m.missing() else "",
            "install": m.install,
            "citation": m.citation,
            "description": m.description,
        }
        for m in sorted(catalog.methods.values(), key=lambda m: m.id)
    ]


def _parameters(method: MethodPlugin) -> int | None:
    """Trained parameters of a learned method's network; None for others."""
    if not method.learned or method.missing():
        return None
    from regbench.learning.method import parameter_count

    try:
        return parameter_count(load_entry(method.folder, str(method.entry)), method.settings)
    except Exception:
        # A broken plugin must not take the listing of the others down.
        traceback.print_exc()
        return None


def datasets(catalog: Catalog) -> list[dict[str, Any]]:
    """A dictionary a data set."""
    return [
        {
            "name": d.id,
            "title": d.title,
            "kind": "generated" if d.generate else "imported",
            "plugin": d.folder.name,
            "available": True,
            "parameters": None,
            "version": d.version,
            "description": d.description,
        }
        for d in sorted(catalog.datasets.values(), key=lambda d: d.id)
    ]


def metrics(catalog: Catalog) -> list[dict[str, Any]]:
    """A dictionary a metric."""
    return [
        {
            "name": m.id,
            "title": m.title,
            "kind": m.needs,
            "plugin": m.file.name,
            "available": True,
            "parameters": None,
            "unit": m.unit,
            "direction": m.direction,
            "version": m.version,
            "description": m.definition,
        }
        for m in sorted(catalog.metrics.values(), key=lambda m: m.id)
    ]


def _plugin_paths(config: str | None) -> dict[str, list[str]] | None:
    if config is None:
        return None
    from regbench.base.models import check
    from regbench.plan.models import PluginsOfConfig

    data = read_yaml(Path(config))
    if isinstance(data, dict):
        data = {name: value for name, value in data.items() if name == "plugins"}
    return check(PluginsOfConfig, data, config).plugins.model_dump()


def _listing(
    rows: Callable[[Catalog], list[dict[str, Any]]],
) -> Callable[[argparse.Namespace], int]:
    def run(options: argparse.Namespace) -> int:
        catalog = catalog_of(options)
        warn_of_broken(catalog)
        found = rows(catalog)
        if options.json:
            print(json.dumps(found, indent=1))
            return 0
        for item in found:
            state = "" if item["available"] else f"  [not available: {item['reason']}]"
            print(f"{item['name']:<18} {item['kind']:<12} {item['title']}{state}")
            if item["description"]:
                print(f"{'':<18} {item['description'].strip()}")
        return 0

    return run
