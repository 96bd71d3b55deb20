"""What is installed: plugins found by folder, by a path in the config, and by entry point."""

import importlib.metadata
import importlib.util
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any, TypeVar

from regbench.base.errors import BadInput
from regbench.base.project import plugin_roots
from regbench.base.schemas import did_you_mean
from regbench.plugins.kinds import (
    KIND_FILE,
    KINDS_FOLDER,
    DatasetPlugin,
    MethodPlugin,
    MetricPlugin,
    ReportKind,
    ReportPlugin,
    read_dataset,
    read_kind,
    read_methods,
    read_metric,
    read_report,
)
from regbench.plugins.loading import installed

#: Kind to what its plugins are: folders with a file of that name, or files.
KINDS = {
    **{"methods": ("method.yaml",), "datasets": ("dataset.yaml",), "metrics": ("*.py",)},
    # The kinds of reports lie beside the reports; a kind is a file, or a folder with a file.
    "reports": (f"{KINDS_FOLDER}/*.py", f"{KINDS_FOLDER}/*/{KIND_FILE}", "*.yaml"),
}
P = TypeVar("P", MethodPlugin, DatasetPlugin, MetricPlugin, ReportKind, ReportPlugin)
T = TypeVar("T")


@dataclass(frozen=True)
class BrokenPlugin:
    """A folder or file that would be a plugin: where, and the one line on what is wrong with it."""

    place: Path
    problem: str

    @property
    def name(self) -> str:
        """The id that it would have, at a guess."""
        return self.place.stem.replace("_", "-")


@dataclass(frozen=True)
class Catalog:
    """Every plugin in reach, by id; and what is wrong with those that could not be read."""

    methods: dict[str, MethodPlugin]
    datasets: dict[str, DatasetPlugin]
    metrics: dict[str, MetricPlugin]
    report_kinds: dict[str, ReportKind]
    reports: dict[str, ReportPlugin]
    broken: tuple[BrokenPlugin, ...] = ()


def discover(
    root: Path, extra: dict[str, list[str]] | None = None, *, tolerant: bool = False
) -> Catalog:
    """Find all plugins; reads metadata only, so nothing heavy is imported.

    Args:
        root: of the project; see `regbench.base.project.plugin_roots`.
        extra: per kind, paths from the config: a plugin itself, or a folder of plugins.
        tolerant: a method or data set with bad metadata goes to `broken`, and the others are found.
            They matter where a config names them; a metric, report or kind is used unnamed.

    Raises:
        BadInput: bad metadata, a path that holds no plugin, or an id that two plugins claim.
    """
    broken: list[BrokenPlugin] | None = [] if tolerant else None
    extra = extra or {}

    roots = plugin_roots(root)
    own = {kind: [at / kind for at in roots if (at / kind).is_dir()] for kind in KINDS}
    named = {kind: [root / path for path in extra.get(kind, [])] for kind in KINDS}
    for kind, places in named.items():
        for place in places:
            if not place.exists() or not _plugins_at(kind, place):
                raise BadInput(f"no plugin at this path of plugins.{kind}", file=place)

    # All at once: each call reads what every installed package says of itself.
    points = importlib.metadata.entry_points()

    def found(kind: str) -> Iterator[Path]:
        for place in (*own[kind], *named[kind], *_entry_points(points, kind)):
            yield from _plugins_at(kind, place.resolve())

    beside = list(found("reports"))
    files = (place for place in beside if place.suffix == ".py")
    kinds = _collect(files, lambda place: [read_kind(place)], None)
    reports = (place for place in beside if place.suffix != ".py")
    return Catalog(
        methods=_collect(found("methods"), read_methods, broken),
        datasets=_collect(found("datasets"), lambda place: [read_dataset(place)], broken),
        metrics=_collect(found("metrics"), lambda place: [read_metric(place)], None),
        report_kinds=kinds,
        reports=_collect(reports, lambda place: [read_report(place, kinds)], None),
        broken=tuple(broken or ()),
    )


def lookup(
    items: dict[str, T],
    name: str,
    what: str,
    file: Path | str | None = None,
    broken: Iterable[BrokenPlugin] = (),
) -> T:
    """`items[name]`, or one line that lists what there is (or what is wrong with a broken one)."""
    if name not in items:
        for plugin in broken:
            if plugin.name == name.replace("_", "-"):
                raise BadInput(plugin.problem)
        known = sorted(items)
        raise BadInput(
            f"unknown {what} {name!r}{did_you_mean([name], known)}",
            file=file,
            expected=f"one of {', '.join(known)}",
        )
    return items[name]


def _collect(
    places: Iterable[Path],
    read: Callable[[Path], list[P]],
    broken: list[BrokenPlugin] | None,
) -> dict[str, P]:
    found: dict[str, P] = {}
    origin: dict[str, Path] = {}
    for place in places:
        try:
            plugins = read(place)
        except BadInput as problem:
            if broken is None:
                raise
            if all(known.place != place for known in broken):
                broken.append(BrokenPlugin(place, str(problem)))
            continue
        for plugin in plugins:
            if plugin.id in found and origin[plugin.id] != place:
                raise BadInput(
                    f"the id {plugin.id!r} is taken",
                    file=place,
                    found=f"also {origin[plugin.id]}",
                )
            found[plugin.id] = plugin
            origin[plugin.id] = place
    return found


def _plugins_at(kind: str, place: Path) -> list[Path]:
    """The plugins of a kind: the place itself, or those in it."""
    patterns = KINDS[kind]
    if "*" not in (name := patterns[0]):
        found = [place / name] if (place / name).is_file() else sorted(place.glob(f"*/{name}"))
        return [file.parent for file in found]
    if place.is_file():
        return [place]
    if kind == "reports" and (place / KIND_FILE).is_file():
        return [place / KIND_FILE]
    files = (path for pattern in patterns for path in sorted(place.glob(pattern)))
    return [
        path
        for path in files
        if not any(part.startswith(("_", ".")) for part in path.relative_to(place).parts)
    ]


def _entry_points(points: Any, kind: str) -> list[Path]:
    """Folders of installed packages that announce plugins in the group `regbench.<kind>`."""
    places = []
    for point in points.select(group=f"regbench.{kind}"):
        spec = importlib.util.find_spec(point.value) if installed(point.value) else None
        if spec is None or not (spec.submodule_search_locations or spec.origin):
            raise BadInput(
                f"entry point {point.name!r} of group regbench.{kind} names no package",
                found=point.value,
            )
        location = next(iter(spec.submodule_search_locations or [str(spec.origin)]))
        places.append(Path(location))
    return places
