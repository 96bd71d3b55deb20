"""The four kinds of plugin as read from their metadata. Nothing here imports a plugin's code."""

import ast
import importlib
import re
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field, fields
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeVar, cast

from regbench.base.errors import BadInput
from regbench.base.schemas import did_you_mean, read_yaml
from regbench.plugins.environment import Environment, declared
from regbench.plugins.loading import installed

if TYPE_CHECKING:
    from regbench.base.models import Model
    from regbench.plugins.models import MethodFile, Weights

T = TypeVar("T")
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
    objective: str = ""
    uses_labels: bool = False
    meanings: Mapping[str, str] = field(default_factory=dict)
    environment: Environment | None = None
    weights: dict[str, Any] | None = None
    parameters: int | None = None

    @property
    def learned(self) -> bool:
        """Whether a training comes before registration."""
        return self.kind == "learned"

    @property
    def has_weights(self) -> bool:
        """Whether it is a network with weights, trained here or elsewhere."""
        return self.kind in ("learned", "pretrained")

    @property
    def can_use_gpu(self) -> bool:
        """Whether a GPU is of use to it: to networks, and to those that ask for one."""
        return self.has_weights or self.resources.gpu > 0

    def unlisted_settings(self) -> dict[str, Any]:
        """Of a pretrained network: settings of learned methods that its yaml may leave out."""
        if self.kind != "pretrained":
            return {}
        from regbench.plugins.learned_settings import LearnedSettings

        return LearnedSettings().model_dump(by_alias=True)

    def missing(self) -> list[str]:
        """Python packages the method needs that are not installed."""
        return [name for name in self.requires if not installed(name)]

    def lacks(self, missing: list[str]) -> str:
        """Why its cases are skipped, and what installs the packages that it lacks."""
        hint = self.install or f"pip install {' '.join(missing)}"
        return f"{missing[0]} is not installed: {hint}"


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


@dataclass(frozen=True)
class ReportKind:
    """What a kind of report states of itself; see `regbench.reports.kinds`."""

    fields: tuple[str, ...] = ()
    results: str = "tasks"
    metrics: tuple[str, ...] = ()
    drawn: bool = False
    page: bool = False
    inputs: tuple[str, ...] = ()


#: The package of the kinds of reports: a module each. Found by name, as plugins are.
REPORT_KINDS = "regbench.reports.kinds"


@cache
def report_kinds() -> dict[str, ReportKind]:
    """The kinds of reports by name. Nothing is imported: some need what may not be installed."""
    (folder,) = importlib.import_module(REPORT_KINDS).__path__
    files = sorted(Path(folder).glob("[!_]*.py"))
    return {file.stem: ReportKind(**_literal(file, "KIND")) for file in files}


def read_methods(folder: Path) -> list[MethodPlugin]:
    """The variants of a method folder (one of the folder's own name when it lists none)."""
    from regbench.base.models import check
    from regbench.plugins.learned_settings import LearnedSettings
    from regbench.plugins.models import MethodFile, Variant

    file = folder / "method.yaml"
    data = check(MethodFile, read_yaml(file), file)
    learned, network = data.kind == "learned", data.kind in ("learned", "pretrained")
    if network and data.entry is None:
        raise BadInput(
            f"a {data.kind} method needs field entry", file=file, expected="entry: MODULE:CLASS"
        )
    common: dict[str, Any] = {"checkpoint": ""} if network else {}
    if learned:
        common = LearnedSettings().model_dump(by_alias=True)
    shared = LearnedSettings.model_fields if network else {}
    about = {item.alias or name: item.description for name, item in shared.items()}
    about = {name: text for name, text in about.items() if name in common}
    own = [data.environment] if data.environment else []
    files = source_files(folder, file, data.entry, [*data.files, *own])
    environment = declared(folder, data, file)
    methods = [
        _plugin(
            MethodPlugin,
            data,
            id=name,
            title=variant.title or data.title,
            folder=folder,
            objective=data.objective or ("training" if learned else ""),
            needs=data.needs if variant.needs is None else variant.needs,
            uses_labels=data.uses_labels if variant.uses_labels is None else variant.uses_labels,
            settings={**common, **data.settings, **variant.settings},
            meanings={**about, **data.meanings},
            seeded=learned if data.seeded is None else data.seeded,
            warmup=variant.warmup or data.warmup,
            environment=environment,
            weights=_weights(variant.weights or data.weights, data, file),
            parameters=variant.parameters or data.parameters,
            resources=Resources(**data.resources.model_dump()),
            citation=data.citation.model_dump(exclude_unset=True),
            description=data.description if variant.description is None else variant.description,
            files=files,
        )
        for name, variant in (data.variants or {plugin_id(folder.name, file): Variant()}).items()
    ]
    for method in methods:
        if "precomputed_field" in method.needs and "folder" not in method.settings:
            raise BadInput(
                "a method that needs precomputed_field has no setting folder",
                file=file,
                expected='settings: {folder: ""}',
            )
        check_settings(method, method.settings, file)
        known = list(method.settings)
        for name in method.meanings:
            if name not in known:
                what = f"meanings: {method.id} has no setting {name!r}"
                raise BadInput(f"{what}{did_you_mean([name], known)}", file=file)
    return methods


def _weights(weights: "Weights | None", data: "MethodFile", file: Path) -> dict[str, Any] | None:
    if weights is not None and data.kind != "pretrained":
        raise BadInput("field weights goes with kind: pretrained", file=file, found=data.kind)
    return None if weights is None else weights.model_dump()


def check_settings(method: MethodPlugin, settings: Mapping[str, Any], file: Path | str) -> None:
    """Check the types of the settings that learned methods have; others are the plugin's own.

    Raises:
        BadInput: a setting of another type.
    """
    from regbench.base.models import check
    from regbench.plugins.learned_settings import LearnedSettings

    if method.has_weights:
        known = LearnedSettings().model_dump(by_alias=True)
        given = {name: value for name, value in settings.items() if name in known}
        check(LearnedSettings, given, file, noun=f"{method.id}: setting")


def read_dataset(folder: Path) -> DatasetPlugin:
    """A data set folder's metadata."""
    from regbench.base.models import check
    from regbench.plugins.models import DatasetFile

    file = folder / "dataset.yaml"
    data = check(DatasetFile, read_yaml(file), file)
    if data.pairs is not None:
        if data.importer is None:
            raise BadInput(
                "field pairs goes with import", file=file, expected="import: MODULE:NAME"
            )
        source_files(folder, file, data.pairs, ())
    for item in data.download:
        if not item.checksum and not item.url.startswith("doi:"):
            raise BadInput(
                f"field download: {item.url} has no checksum",
                file=file,
                expected="checksum: sha256:...; only the record of a doi: states its own",
            )
    return _plugin(
        DatasetPlugin,
        data,
        id=folder.name,
        folder=folder,
        download=tuple(item.model_dump() for item in data.download),
        splits={name: split.model_dump() for name, split in data.splits.items()},
        direction=data.direction.model_dump(),
        citation=data.citation.model_dump(exclude_unset=True),
        files=source_files(folder, file, data.generate or data.importer, ()),
    )


def read_metric(file: Path) -> MetricPlugin:
    """A metric file's METADATA, read as a literal: the file is parsed, not run."""
    from regbench.base.models import check
    from regbench.plugins.models import MetricData

    content = _literal(file, "METADATA")
    return _plugin(MetricPlugin, check(MetricData, content, file), id=file.stem, file=file)


def _literal(file: Path, name: str) -> Any:
    """The value of a constant of a Python file, which is parsed and not run."""
    try:
        tree = ast.parse(file.read_text(encoding="utf-8"))
    except (OSError, SyntaxError, UnicodeDecodeError, ValueError) as error:
        raise BadInput("is not a readable Python file", file=file, found=str(error)) from error
    for node in tree.body:
        if isinstance(node, ast.Assign) and any(
            isinstance(target, ast.Name) and target.id == name for target in node.targets
        ):
            try:
                return ast.literal_eval(node.value)
            except (ValueError, TypeError) as error:
                raise BadInput(f"{name} must be a literal", file=file, found=str(error)) from error
    raise BadInput(f"has no {name}", file=file, expected=f"{name} = {{...}}")


def read_report(file: Path) -> ReportPlugin:
    """A report file's definition."""
    from regbench.base.models import check
    from regbench.plugins.models import ReportFile

    content = read_yaml(file)
    data = check(ReportFile, content, file)
    kinds = report_kinds()
    if data.kind not in kinds:
        raise BadInput(
            f"unknown kind {data.kind!r}{did_you_mean([data.kind], list(kinds))}",
            file=file,
            expected=f"one of {', '.join(kinds)}",
        )
    for name in kinds[data.kind].fields:
        if name not in content:
            raise BadInput(f"field {name} is missing", file=file, expected=f"kind {data.kind}")
    return _plugin(
        ReportPlugin,
        data,
        id=plugin_id(file.stem, file),
        columns=tuple(column.model_dump(exclude_unset=True) for column in data.columns),
        file=file,
        content=content,
    )


def _plugin(kind: Callable[..., T], data: "Model", **more: Any) -> T:
    """A plugin of the fields that it shares with the model of its file, and of more."""
    names = {item.name for item in fields(cast(Any, kind))} & set(type(data).model_fields)
    return kind(**{**{name: getattr(data, name) for name in names}, **more})


def plugin_id(name: str, file: Path) -> str:
    """`name` where it is a valid id; underscores of folder names become hyphens."""
    candidate = name.replace("_", "-")
    if not ID.fullmatch(candidate):
        raise BadInput("bad id", file=file, expected="[a-z0-9][a-z0-9-]*", found=repr(name))
    return candidate


def source_files(
    folder: Path, metadata: Path, entry: str | None, extra: Iterable[str]
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
