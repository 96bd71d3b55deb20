"""What is installed: plugins found by folder, by a path in the config, and by entry point."""

import importlib.metadata
import importlib.util
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import TypeVar

from regbench.errors import BadInput
from regbench.plugins.kinds import (
    DatasetPlugin,
    MethodPlugin,
    MetricPlugin,
    ReportPlugin,
    read_dataset,
    read_methods,
    read_metric,
    read_report,
)
from regbench.schemas import did_you_mean

P = TypeVar("P", MethodPlugin, DatasetPlugin, MetricPlugin, ReportPlugin)
T = TypeVar("T")


@dataclass(frozen=True)
class Catalog:
    """Every plugin in reach, by id."""

    methods: dict[str, MethodPlugin]
    datasets: dict[str, DatasetPlugin]
    metrics: dict[str, MetricPlugin]
    reports: dict[str, ReportPlugin]


def discover(root: Path, extra: dict[str, list[str]] | None = None) -> Catalog:
    """Find all plugins; reads metadata only, so nothing heavy is imported.

    Args:
        root: project root, with the folders methods, datasets, metrics and reports.
        extra: per kind, paths from the config, relative to the root: a plugin itself, or a folder
            of plugins.

    Raises:
        BadInput: bad metadata, a path that holds no plugin, or an id that two plugins claim.
    """
    extra = extra or {}

    def places(kind: str) -> list[Path]:
        own = root / kind
        named = [root / path for path in extra.get(kind, [])]
        for path in named:
            if not path.exists():
                raise BadInput(f"no such plugin path in plugins.{kind}", file=path)
        return [*([own] if own.is_dir() else []), *named, *_entry_points(kind)]

    return Catalog(
        methods=_collect(places("methods"), _folders("method.yaml"), read_methods),
        datasets=_collect(
            places("datasets"), _folders("dataset.yaml"), lambda f: [read_dataset(f)]
        ),
        metrics=_collect(places("metrics"), _files(".py"), lambda f: [read_metric(f)]),
        reports=_collect(places("reports"), _files(".yaml"), lambda f: [read_report(f)]),
    )


def lookup(items: dict[str, T], name: str, what: str, file: Path | str | None = None) -> T:
    """`items[name]`, or one line that lists what there is."""
    if name not in items:
        known = sorted(items)
        raise BadInput(
            f"unknown {what} {name!r}{did_you_mean([name], known)}",
            file=file,
            expected=f"one of {', '.join(known)}",
        )
    return items[name]


def _collect(
    places: Iterable[Path],
    candidates: Callable[[Path], list[Path]],
    read: Callable[[Path], list[P]],
) -> dict[str, P]:
    found: dict[str, P] = {}
    origin: dict[str, Path] = {}
    for place in places:
        for path in candidates(place):
            for plugin in read(path):
                if plugin.id in found and origin[plugin.id] != path:
                    raise BadInput(
                        f"the id {plugin.id!r} is taken",
                        file=path,
                        found=f"also {origin[plugin.id]}",
                    )
                found[plugin.id] = plugin
                origin[plugin.id] = path
    return found


def _folders(metadata: str) -> Callable[[Path], list[Path]]:
    def candidates(place: Path) -> list[Path]:
        if (place / metadata).is_file():
            return [place]
        found = sorted(file.parent for file in place.glob(f"*/{metadata}"))
        if not found and place.name not in ("methods", "datasets"):
            raise BadInput("holds no plugin", file=place, expected=f"{metadata} in it or one below")
        return found

    return candidates


def _files(suffix: str) -> Callable[[Path], list[Path]]:
    def candidates(place: Path) -> list[Path]:
        if place.is_file():
            return [place]
        return sorted(p for p in place.glob(f"*{suffix}") if not p.name.startswith(("_", ".")))

    return candidates


def _entry_points(kind: str) -> list[Path]:
    """Folders of installed packages that announce plugins in the group `regbench.<kind>`."""
    places = []
    for point in importlib.metadata.entry_points(group=f"regbench.{kind}"):
        spec = importlib.util.find_spec(point.value)
        if spec is None or not (spec.submodule_search_locations or spec.origin):
            raise BadInput(
                f"entry point {point.name!r} of group regbench.{kind} names no package",
                found=point.value,
            )
        location = next(iter(spec.submodule_search_locations or [str(spec.origin)]))
        places.append(Path(location))
    return places
