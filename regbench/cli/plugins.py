"""Commands on plugins: listing, writing, checking and fetching them."""

import argparse
import json
import re
import sys
import traceback
from collections import Counter
from collections.abc import Iterator
from dataclasses import asdict
from pathlib import Path
from textwrap import fill
from typing import Any

from regbench.base.errors import BadInput
from regbench.base.project import box, find_root, work_folder
from regbench.check import FAIL, NOTE, OK, WARNING, Finding
from regbench.check.scaffold import DATASET, KINDS, new_plugin
from regbench.cli.options import (
    CHANGES,
    JSON,
    PLUGIN_PATHS,
    SEED,
    Command,
    catalog_of,
    changes_of,
    flag,
    option,
    path,
)
from regbench.plugins.catalog import lookup
from regbench.plugins.kinds import (
    DatasetPlugin,
    MethodPlugin,
    MetricPlugin,
    read_dataset,
    read_methods,
)
from regbench.plugins.loading import load_entry
from regbench.plugins.weights import download_folder


def run_listing(options: argparse.Namespace) -> None:
    """Print every plugin of the kind, available or not."""
    catalog = catalog_of(options)
    for broken in catalog.broken:
        sys.stderr.write(f"regbench: warning: left out: {broken.problem}\n")
    plugins = getattr(catalog, options.command)
    if options.name:
        what = options.command.removesuffix("s")
        plugins = {"": lookup(plugins, options.name, what, broken=catalog.broken)}
    records = [_record(plugin) for plugin in sorted(plugins.values(), key=lambda p: p.id)]
    if options.json:
        print(json.dumps(records, indent=1))
        return
    for item in records:
        state = "" if item["available"] else f"  [not available: {item['reason']}]"
        print(f"{item['name']:<18} {item['kind']:<12} {item['title']}{state}")
        if item["description"]:
            print(f"{'':<18} {item['description'].strip()}")
        for name, about in item.get("settings", {}).items() if options.name else ():
            print(f"\n  {name}: {json.dumps(about['default'])}")
            if about["meaning"]:
                print(fill(about["meaning"], 88, initial_indent="    ", subsequent_indent="    "))


def _record(plugin: MethodPlugin | DatasetPlugin | MetricPlugin) -> dict[str, Any]:
    """What a listing tells about a plugin."""
    common = {"name": plugin.id, "title": plugin.title, "available": True, "parameters": None}
    if isinstance(plugin, MetricPlugin):
        return common | {
            "kind": plugin.needs,
            "plugin": plugin.file.name,
            "unit": plugin.unit,
            "direction": plugin.direction,
            "version": plugin.version,
            "description": plugin.definition,
        }
    common |= {"plugin": plugin.folder.name, "description": plugin.description}
    meanings = plugin.meanings if isinstance(plugin, MethodPlugin) else {}
    common["settings"] = {
        name: {"default": default, "meaning": meanings.get(name, "")}
        for name, default in plugin.settings.items()
    }
    if isinstance(plugin, DatasetPlugin):
        kind = "generated" if plugin.generate else "imported"
        return common | {"kind": kind, "version": plugin.version}
    missing = ", ".join(plugin.missing())
    return common | {
        "kind": plugin.kind,
        "available": not missing,
        "parameters": _parameters(plugin),
        "reason": f"{missing} not installed" if missing else "",
        "install": plugin.install,
        "citation": plugin.citation.model_dump(exclude_unset=True),
    }


def _parameters(method: MethodPlugin) -> int | None:
    """Parameters of a learned method's network; of another one those that it declares."""
    if not method.learned or method.missing():
        return method.parameters
    from regbench.learning.method import parameter_count

    try:
        return parameter_count(load_entry(method.folder, str(method.entry)), method.settings)
    except Exception:
        # A broken plugin must not take the listing of the others down.
        traceback.print_exc()
        return None


def run_new(options: argparse.Namespace) -> None:
    """Write a plugin and say what comes next."""
    words = options.name.replace("-", " ").replace("_", " ")
    title = (options.title or "").strip() or words[:1].upper() + words[1:]
    root, catalog = find_root(options.root), catalog_of(options)
    if options.folder is None and not options.root and work_folder(root) != root == box():
        expected = "`regbench init` before it, or --folder"
        raise BadInput("no project here or above", file=Path.cwd(), expected=expected)
    kind = options.command.removeprefix("new-")
    template = DATASET if kind == "dataset" else options.kind
    made = new_plugin(template, options.name, root, catalog, place=options.folder, title=title)
    print(f"{made.folder}: the plugin")
    print(f"{made.test}: its test")
    if options.folder is not None:
        print(f"a config finds it by plugins: {{{kind}s: [{made.folder.parent}]}}")
    print(f"next: regbench check {made.id if options.folder is None else made.folder}")


def run_new_data(options: argparse.Namespace) -> None:
    """Print what was assumed of a folder, and what comes next."""
    from regbench.data.intake import new_data

    words = re.split("[^a-z0-9]+", options.images.resolve().name.lower())
    name = options.name or "-".join(filter(None, words)) or "own-data"
    target = options.output or work_folder(find_root(options.root)) / "own-data" / name
    globs = {kind: getattr(options, kind) for kind in ("fixed", "moving", "labels", "landmarks")}
    for line in new_data(options.images, target, name, globs):
        print(line)
    print(f"next: regbench run --config {target / name}.yaml")


def run_check(options: argparse.Namespace) -> int:
    """Print a line for each check as soon as it is known; 1 when something must be mended."""
    if options.time_limit is not None and not options.time_limit > 0:
        raise BadInput("--time-limit", expected="seconds > 0", found=options.time_limit)
    records = []
    for record, checks in _checks(options):
        findings = []
        for finding in checks:
            findings.append(finding)
            if not options.json:
                print(finding.lines(), flush=True)
        counts = Counter(finding.outcome for finding in findings)
        if not options.json:
            numbers = [f"{counts[x]} {x}" for x in (OK, WARNING, FAIL, NOTE) if counts[x]]
            print(f"{record['name']}: {', '.join(numbers)}")
        checked = [asdict(finding) for finding in findings]
        records.append({**record, "ok": not counts[FAIL], "checks": checked})
    if options.json:
        print(json.dumps(records[0] if len(records) == 1 else records, indent=1))
    return 0 if all(record["ok"] for record in records) else 1


#: What JSON tells of a plugin that is checked, and its findings as they come.
_Check = tuple[dict[str, Any], Iterator[Finding]]


def _checks(options: argparse.Namespace) -> list[_Check]:
    """One for an id; one for each variant in a folder."""
    folder = Path(options.name)
    if "/" not in options.name or not folder.is_dir():
        catalog = catalog_of(options)
        # The ids of a broken plugin's variants are unknown, so its folder's name counts.
        broken = [plugin.place for plugin in catalog.broken if plugin.name == options.name]
        if not broken:
            methods = {} if options.dataset else catalog.methods
            what = "data set" if options.dataset else "method or data set"
            known: dict[str, MethodPlugin | DatasetPlugin] = {**catalog.datasets, **methods}
            return [_check_of(lookup(known, options.name, what), options)]
        folder = broken[0]
    dataset = options.dataset or (folder / "dataset.yaml").exists()
    try:
        plugins = [read_dataset(folder)] if dataset else read_methods(folder)
    except BadInput as problem:
        fix = "docs/add-a-method.md and docs/add-a-dataset.md have every key"
        findings = iter([Finding("metadata", FAIL, str(problem), fix)])
        kind = "dataset" if dataset else "method"
        return [({"name": folder.name, "kind": kind, "plugin": str(folder)}, findings)]
    return [_check_of(plugin, options) for plugin in plugins]


def _check_of(plugin: MethodPlugin | DatasetPlugin, options: argparse.Namespace) -> _Check:
    # Here, not above: the other commands need not wait for numpy and its like.
    from regbench.check.dataset import check_dataset
    from regbench.check.method import check_method

    more = {
        "settings": changes_of(options, plugin),
        "time_limit_s": options.time_limit,
        "log": options.log,
    }
    record = {"name": plugin.id, "plugin": str(plugin.folder)}
    if isinstance(plugin, DatasetPlugin):
        return {**record, "kind": "dataset"}, check_dataset(plugin, **more)
    return {**record, "kind": "method"}, check_method(plugin, seed=options.seed, **more)


def run_download(options: argparse.Namespace) -> None:
    """Fetch the files and say where they lie."""
    from regbench.data.download import Remote, download

    catalog = catalog_of(options)
    known: dict[str, MethodPlugin | DatasetPlugin] = {**catalog.methods, **catalog.datasets}
    plugin = lookup(known, options.name, "data set or method", broken=catalog.broken)
    if not (items := _fetched(plugin)):
        able = sorted(item.id for item in known.values() if _fetched(item))
        raise BadInput(
            f"{plugin.id} names nothing to fetch",
            expected=f"one of {', '.join(able) or '(no data set or method does)'}",
        )
    folder = options.to or download_folder(plugin)
    files = download([Remote(**item) for item in items], folder, timeout=options.timeout)
    for file in files:
        print(f"fetched {file}")
    weights = isinstance(plugin, MethodPlugin)
    if options.to or not weights:
        print(f"settings: {{{f'checkpoint: {files[0]}' if weights else f'path: {folder}'}}}")


def _fetched(plugin: MethodPlugin | DatasetPlugin) -> list[dict[str, Any]]:
    """What `regbench download` can fetch for a plugin."""
    if isinstance(plugin, DatasetPlugin):
        return [item.model_dump() for item in plugin.download]
    return [] if plugin.weights is None else [plugin.weights.model_dump()]


_NAME = option("name", "only this one, with its settings", nargs="?", metavar="NAME")
_LISTING = Command(run_listing, _NAME, JSON, PLUGIN_PATHS)
_NEW = (
    option("name", "the id, such as my-method", metavar="NAME"),
    option("--title", "title in tables; default: made of the name"),
    path(
        "--folder",
        "put the plugin's folder and its test here, outside the project",
        metavar="FOLDER",
    ),
    PLUGIN_PATHS,
)
_KIND = option("--kind", f"default: {KINDS[0]}", choices=KINDS, default=KINDS[0])
COMMANDS = {
    "methods": _LISTING,
    "datasets": _LISTING,
    "metrics": _LISTING,
    "new-method": Command(run_new, _KIND, *_NEW),
    "new-dataset": Command(run_new, *_NEW),
    "new-data": Command(
        run_new_data,
        path("images", "folder of NIfTI files or DICOM series", metavar="FOLDER"),
        option("--fixed", "names of the fixed images", metavar="GLOB"),
        option("--moving", "names of the moving images", metavar="GLOB"),
        option("--labels", "names of the label maps", metavar="GLOB"),
        option("--landmarks", "names of the files of landmarks", metavar="GLOB"),
        option("--name", "of the config; default: made of the folder's name"),
        path("--output", "folder to write; default: own-data/<name>", metavar="FOLDER"),
    ),
    "check": Command(
        run_check,
        option("name", "an id, or the path of a plugin's folder", metavar="NAME"),
        flag("--dataset", "the data set of that id, not the method"),
        JSON,
        SEED,
        CHANGES,
        option("--time-limit", "of one registration or preparation", type=float, metavar="SECONDS"),
        path("--log", "keep what the plugin prints"),
        PLUGIN_PATHS,
    ),
    "download": Command(
        run_download,
        option("name", "a data set, or a method with published weights", metavar="NAME"),
        path("--to", "default: data/downloads/<its folder>", metavar="FOLDER"),
        option("--timeout", "seconds of silence before giving up", type=float, default=60.0),
        PLUGIN_PATHS,
    ),
}
