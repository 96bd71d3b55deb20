"""The four kinds of plugin as read from their metadata. Nothing here imports a plugin's code."""

import ast
import importlib
import importlib.util
import pkgutil
import re
from dataclasses import dataclass, field
from functools import cache
from pathlib import Path
from typing import Any

from regbench.base.errors import BadInput
from regbench.base.schemas import did_you_mean, read_yaml, validate
from regbench.plugins.learned import LEARNED_SETTINGS

ID = re.compile(r"[a-z0-9][a-z0-9-]*")


@dataclass(frozen=True)
class Resources:
    """What a method asks of the machine, per case.

    `seconds_per_megavoxel` None means: as methods of its kind. `cases_per_job` None means: as many
    as take the minutes of a job.
    """

    threads: int = 1
    memory_gb: float = 4.0
    gpu: int = 0
    time_limit_s: float = 600.0
    seconds_per_megavoxel: float | None = None
    cases_per_job: int | None = None


@dataclass(frozen=True)
class MethodPlugin:
    """One method id: one variant of one plugin folder."""

    id: str
    title: str
    kind: str
    folder: Path
    entry: str | None
    command: tuple[str, ...]
    settings: dict[str, Any]
    seeded: bool
    needs: tuple[str, ...]
    requires: tuple[str, ...]
    install: str
    warmup: str
    resources: Resources
    citation: dict[str, str]
    description: str
    files: tuple[Path, ...]
    confined: bool = True

    @property
    def learned(self) -> bool:
        """Whether a training comes before registration."""
        return self.kind == "learned"

    @property
    def can_use_gpu(self) -> bool:
        """Whether a GPU is of use to it: to learned methods, and to those that ask for one."""
        return self.learned or self.resources.gpu > 0

    def missing(self) -> list[str]:
        """Python packages the method needs that are not installed."""
        return [name for name in self.requires if not installed(name)]

    def lacks(self, missing: list[str]) -> str:
        """Why its cases are skipped, and what installs the packages that it lacks."""
        hint = self.install or f"pip install {' '.join(missing)}"
        return f"{missing[0]} is not installed: {hint}"


def installed(module: str) -> bool:
    """Whether a module can be imported, found out without importing it."""
    if not module:
        return False
    try:
        return importlib.util.find_spec(module) is not None
    except ModuleNotFoundError:
        # Its parent package is not there.
        return False


def missing_package(error: ModuleNotFoundError) -> str:
    """The package that is not installed; empty where a part of an installed one is missing."""
    name = (error.name or "").partition(".")[0]
    own = name.startswith(("regbench_plugin_", "regbench"))
    return "" if not name or own or installed(name) else name


@dataclass(frozen=True)
class DatasetPlugin:
    """One data set: generated case by case from seeds, or imported from files on disk."""

    id: str
    title: str
    folder: Path
    version: int
    generate: str | None
    importer: str | None
    pairs: str | None
    download: tuple[dict[str, Any], ...]
    settings: dict[str, Any]
    splits: dict[str, dict[str, int]]
    modalities: dict[str, str]
    labels: dict[str, str]
    direction: dict[str, int]
    prealigned: bool
    description: str
    citation: dict[str, str]
    files: tuple[Path, ...]


@dataclass(frozen=True)
class MetricPlugin:
    """One metric: a Python file with a function of its own name and a literal METADATA.

    `default`: whether it is among the metrics of a config that says `all`, or nothing.
    """

    id: str
    title: str
    unit: str
    direction: str
    range: tuple[float | None, float | None]
    needs: str
    empty: str
    version: int
    precision: int
    definition: str
    file: Path
    default: bool = True

    @property
    def labelled(self) -> bool:
        """Whether it has a value for each label group, not one for the whole case."""
        return self.needs in ("labels", "learn2reg_labels")


@dataclass(frozen=True)
class ReportPlugin:
    """One table or figure: which task, rows and columns; the rest of its file is `content`."""

    id: str
    title: str
    kind: str
    task: str | None
    caption: str
    rows: tuple[str, ...]
    columns: tuple[dict[str, str], ...]
    file: Path
    content: dict[str, Any] = field(default_factory=dict)


#: The package of the kinds of reports: a module each. Found by name, as plugins are: what is
#: installed decides, and nothing here is imported from it.
REPORT_KINDS = "regbench.reports.kinds"


@cache
def report_kinds() -> tuple[str, ...]:
    """The names of the kinds of reports."""
    package = importlib.import_module(REPORT_KINDS)
    return tuple(sorted(module.name for module in pkgutil.iter_modules(package.__path__)))


def report_kind(name: str) -> Any:
    """The module of a kind of report; see `regbench.reports.kinds`."""
    return importlib.import_module(f"{REPORT_KINDS}.{name}")


def read_methods(folder: Path) -> list[MethodPlugin]:
    """The variants of a method folder (one of the folder's own name when it lists none)."""
    file = folder / "method.yaml"
    data = read_yaml(file)
    validate(data, "method", file)
    if data["kind"] == "learned" and "entry" not in data:
        raise BadInput(
            "a learned method needs field entry", file=file, expected="entry: MODULE:CLASS"
        )
    if "precomputed_field" in data.get("needs", ()) and "folder" not in data.get("settings", {}):
        raise BadInput(
            "a method that needs precomputed_field has no setting folder",
            file=file,
            expected='settings: {folder: ""}',
        )
    variants = data.get("variants") or {plugin_id(folder.name, file): {}}
    files = source_files(folder, file, data.get("entry"), data.get("files", []))
    common = LEARNED_SETTINGS if data["kind"] == "learned" else {}
    return [
        MethodPlugin(
            id=name,
            title=variant.get("title", data["title"]),
            kind=data["kind"],
            folder=folder,
            entry=data.get("entry"),
            command=tuple(data.get("command", ())),
            settings={**common, **data.get("settings", {}), **variant.get("settings", {})},
            seeded=data.get("seeded", data["kind"] == "learned"),
            needs=tuple(data.get("needs", ())),
            requires=tuple(data.get("requires", ())),
            install=data.get("install", ""),
            warmup=variant.get("warmup", data.get("warmup", "toy")),
            resources=Resources(**data.get("resources", {})),
            citation=data.get("citation", {}),
            description=variant.get("description", data.get("description", "")),
            files=files,
            confined=data.get("confined", True),
        )
        for name, variant in variants.items()
    ]


def read_dataset(folder: Path) -> DatasetPlugin:
    """A data set folder's metadata."""
    file = folder / "dataset.yaml"
    data = read_yaml(file)
    validate(data, "dataset", file)
    if "pairs" in data:
        if "import" not in data:
            raise BadInput(
                "field pairs goes with import", file=file, expected="import: MODULE:NAME"
            )
        source_files(folder, file, data["pairs"], [])
    for item in data.get("download", []):
        if "checksum" not in item and not item["url"].startswith("doi:"):
            raise BadInput(
                f"field download: {item['url']} has no checksum",
                file=file,
                expected="checksum: sha256:...; only the record of a doi: states its own",
            )
    return DatasetPlugin(
        id=folder.name,
        title=data["title"],
        folder=folder,
        version=data["version"],
        generate=data.get("generate"),
        importer=data.get("import"),
        pairs=data.get("pairs"),
        download=tuple(data.get("download", ())),
        settings=data.get("settings", {}),
        splits=data.get("splits", {}),
        modalities=data.get("modalities", {}),
        labels=data.get("labels", {}),
        direction=data.get("direction", {"fixed": 0, "moving": 1}),
        prealigned=data.get("prealigned", False),
        description=data.get("description", ""),
        citation=data.get("citation", {}),
        files=source_files(folder, file, data.get("generate") or data.get("import"), []),
    )


def read_metric(file: Path) -> MetricPlugin:
    """A metric file's METADATA, read as a literal: the file is parsed, not run."""
    try:
        tree = ast.parse(file.read_text(encoding="utf-8"))
    except (OSError, SyntaxError, UnicodeDecodeError, ValueError) as error:
        raise BadInput("is not a readable Python file", file=file, found=str(error)) from error
    for node in tree.body:
        if isinstance(node, ast.Assign) and any(
            isinstance(target, ast.Name) and target.id == "METADATA" for target in node.targets
        ):
            try:
                data = ast.literal_eval(node.value)
            except (ValueError, TypeError) as error:
                raise BadInput("METADATA must be a literal", file=file, found=str(error)) from error
            break
    else:
        raise BadInput("has no METADATA", file=file, expected="METADATA = {...}")
    validate(_lists(data), "metric", file)
    return MetricPlugin(
        id=file.stem,
        title=data["title"],
        unit=data["unit"],
        direction=data["direction"],
        range=tuple(data["range"]),
        needs=data["needs"],
        empty=data["empty"],
        version=data["version"],
        precision=data.get("precision", 2),
        definition=data["definition"],
        file=file,
        default=data.get("default", True),
    )


def read_report(file: Path) -> ReportPlugin:
    """A report file's definition."""
    data = read_yaml(file)
    validate(data, "report", file)
    if data["kind"] not in report_kinds():
        raise BadInput(
            f"unknown kind {data['kind']!r}{did_you_mean([data['kind']], list(report_kinds()))}",
            file=file,
            expected=f"one of {', '.join(report_kinds())}",
        )
    for name in report_kind(data["kind"]).FIELDS:
        if name not in data:
            raise BadInput(f"field {name} is missing", file=file, expected=f"kind {data['kind']}")
    return ReportPlugin(
        id=plugin_id(file.stem, file),
        title=data["title"],
        kind=data["kind"],
        task=data.get("task"),
        caption=data.get("caption", ""),
        rows=tuple(data.get("rows", ())),
        columns=tuple(data.get("columns", ())),
        file=file,
        content=data,
    )


def plugin_id(name: str, file: Path) -> str:
    """`name` where it is a valid id; underscores of folder names become hyphens."""
    candidate = name.replace("_", "-")
    if not ID.fullmatch(candidate):
        raise BadInput("bad id", file=file, expected="[a-z0-9][a-z0-9-]*", found=repr(name))
    return candidate


def source_files(
    folder: Path, metadata: Path, entry: str | None, extra: list[str]
) -> tuple[Path, ...]:
    """The files whose change reruns the plugin's jobs: metadata, Python sources, and those named.

    Raises:
        BadInput: the entry's module or a named file is not there, or lies outside the folder.
    """
    if entry is not None and not (folder / f"{entry.split(':')[0]}.py").is_file():
        raise BadInput(
            f"its entry {entry!r} names no file",
            file=metadata,
            expected=f"{entry.split(':')[0]}.py beside it",
        )
    files = {metadata, *(p for p in folder.rglob("*.py") if "__pycache__" not in p.parts)}
    for name in extra:
        path = folder / name
        if not path.is_file() or not path.resolve().is_relative_to(folder.resolve()):
            raise BadInput(f"field files: {name!r} is not a file in its folder", file=metadata)
        files.add(path)
    return tuple(sorted(files))


def _lists(value: Any) -> Any:
    if isinstance(value, dict):
        return {key: _lists(item) for key, item in value.items()}
    return [_lists(item) for item in value] if isinstance(value, tuple | list) else value
