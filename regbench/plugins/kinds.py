"""The five kinds of plugin as read from their metadata. Nothing here imports a plugin's code."""

import ast
import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, TypeVar

from regbench.base.errors import BadInput
from regbench.base.models import Model, check
from regbench.base.schemas import did_you_mean, read_yaml
from regbench.plugins.environment import Environment, check_lock
from regbench.plugins.loading import installed
from regbench.plugins.models import DatasetFile, LearnedSettings, MethodFile, MetricData, Variant
from regbench.plugins.report_models import KindData, ReportFile

M = TypeVar("M", bound=Model)
ID = re.compile(r"[a-z0-9][a-z0-9-]*")
#: The file that makes a folder a kind of report. The folder's name is that of the kind.
KIND_FILE = "kind.py"
#: Where the kinds of a folder of reports lie.
KINDS_FOLDER = "kinds"


class MethodPlugin(MethodFile):
    """One method id: one variant of one plugin folder, with all defaults filled in.

    `files` are those whose change runs the method again; `environment` is its own one, if any.
    """

    id: str
    folder: Path
    files: tuple[Path, ...]
    environment: Environment | None

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
        return _learned_defaults() if self.kind == "pretrained" else {}

    def missing(self) -> list[str]:
        """Python packages the method needs that are not installed."""
        return [name for name in self.requires if not installed(name)]

    def lacks(self, missing: list[str]) -> str:
        """Why its cases are skipped, and what installs the packages that it lacks."""
        hint = self.install or f"pip install {' '.join(missing)}"
        return f"{missing[0]} is not installed: {hint}"


class DatasetPlugin(DatasetFile):
    """One data set: generated case by case from seeds, or imported from files on disk."""

    id: str
    folder: Path
    files: tuple[Path, ...]

    def split_numbers(self) -> dict[str, dict[str, int]]:
        """Its splits as a config and keys have them: split to {count, seed}."""
        return {name: split.model_dump() for name, split in self.splits.items()}


class MetricPlugin(MetricData):
    """One metric: a Python file with a function of its own name and a literal METADATA."""

    id: str
    file: Path

    @property
    def labelled(self) -> bool:
        """Whether it has a value for each label group, not one for the whole case."""
        return self.needs in ("labels", "learn2reg_labels")


class ReportKind(KindData):
    """One kind of report: a Python file with a function `build` and a literal KIND.

    `files` are those whose change renders its reports again: the file, or all of its folder.
    """

    id: str
    file: Path
    files: tuple[Path, ...]

    @property
    def in_folder(self) -> bool:
        """Whether it is a folder, whose files import each other relatively."""
        return self.file.name == KIND_FILE


@dataclass(frozen=True)
class ReportPlugin:
    """One table or figure: which task, rows and columns; the rest of its file is `content`.

    `settings` are those of its kind, with all defaults filled in.
    """

    id: str
    title: str
    kind: str
    task: str | None
    caption: str
    rows: tuple[str, ...]
    columns: tuple[dict[str, str], ...]
    file: Path
    content: dict[str, Any] = field(default_factory=dict)
    settings: dict[str, Any] = field(default_factory=dict)

    @property
    def metrics(self) -> list[str]:
        """Ids of the metrics that it names, of its columns first."""
        named = (*self.columns, self.content)
        return [item[key] for item in named for key in ("metric", "spread") if item.get(key)]


def read_methods(folder: Path) -> list[MethodPlugin]:
    """The variants of a method folder (one of the folder's own name when it lists none)."""
    file = folder / "method.yaml"
    data = check(MethodFile, read_yaml(file), file)
    _check_fields(data, file)
    learned, known = data.kind == "learned", _learned_defaults()
    common = known if learned else {"checkpoint": ""} if data.kind == "pretrained" else {}
    meanings = {i.alias or name: i.description for name, i in LearnedSettings.model_fields.items()}
    more_files = [*data.more_files, *filter(None, [data.lock])]
    files = source_files(folder, file, data.entry, more_files)
    environment = Environment(folder / data.lock, data.python) if data.lock else None
    if environment is not None:
        # A command's program need not be Python; its worker is the engine's.
        check_lock(environment.lock, for_worker=data.entry is not None)
    shared = {
        "folder": folder,
        "objective": data.objective or ("training" if learned else None),
        "meanings": {**{k: v for k, v in meanings.items() if k in common}, **data.meanings},
        "seeded": learned if data.seeded is None else data.seeded,
        "environment": environment,
        "files": files,
    }
    methods = []
    for name, variant in (data.variants or {plugin_id(folder.name, file): Variant()}).items():
        changes = {key: value for key, value in vars(variant).items() if value is not None}
        changes["settings"] = {**common, **data.settings, **variant.settings}
        methods.append(_plugin(MethodPlugin, data, **{**shared, **changes, "id": name}))
    for method in methods:
        if "precomputed_field" in method.needs and "folder" not in method.settings:
            raise BadInput(
                "a method that needs precomputed_field has no setting folder",
                file=file,
                expected='settings: {folder: ""}',
            )
        check_settings(method, method.settings, file)
        names = list(method.settings)
        for name in (meant for meant in method.meanings if meant not in names):
            what = f"meanings: {method.id} has no setting {name!r}"
            raise BadInput(f"{what}{did_you_mean([name], names)}", file=file)
    return methods


def _check_fields(data: MethodFile, file: Path) -> None:
    """Refuse fields of a method's yaml that do not go together."""
    if data.kind in ("learned", "pretrained") and data.entry is None:
        raise BadInput(
            f"a {data.kind} method needs field entry", file=file, expected="entry: MODULE:CLASS"
        )
    given = [data.weights, *(variant.weights for variant in data.variants.values())]
    if data.kind != "pretrained" and any(given):
        raise BadInput("field weights goes with kind: pretrained", file=file, found=data.kind)
    if data.python and not data.lock:
        raise BadInput("field python goes with environment", file=file)
    what = "field environment does not go with it"
    if data.lock and data.kind == "learned":
        expected = "trained in the engine's environment"
        raise BadInput(what, file=file, expected=expected, found="kind: learned")
    if data.lock and data.requires:
        raise BadInput(what, file=file, expected="its lock says it", found="requires")


def _learned_defaults() -> dict[str, Any]:
    return LearnedSettings().model_dump(by_alias=True)


def check_known(
    own: Mapping[str, Any], known: Mapping[str, Any], field: str, where: Path | str
) -> None:
    """Refuse settings that a plugin does not have."""
    for key in own:
        if key not in known:
            raise BadInput(
                f"unknown setting {key!r} in {field}{did_you_mean([key], list(known))}",
                file=where,
                expected=f"one of {', '.join(sorted(known)) or '(it has none)'}",
            )


def check_settings(method: MethodPlugin, settings: Mapping[str, Any], file: Path | str) -> None:
    """Check the types of the settings that learned methods have; others are the plugin's own.

    Raises:
        BadInput: a setting of another type.
    """
    if method.has_weights:
        known = _learned_defaults()
        given = {name: value for name, value in settings.items() if name in known}
        check(LearnedSettings, given, file, noun=f"{method.id}: setting")


def read_dataset(folder: Path) -> DatasetPlugin:
    """A data set folder's metadata."""
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
    files = source_files(folder, file, data.generate or data.importer, ())
    return _plugin(DatasetPlugin, data, id=folder.name, folder=folder, files=files)


def read_metric(file: Path) -> MetricPlugin:
    """A metric file's METADATA, read as a literal: the file is parsed, not run."""
    data = check(MetricData, _literal(file, "METADATA"), file)
    return _plugin(MetricPlugin, data, id=file.stem, file=file)


def _literal(file: Path, name: str) -> Any:
    """The value of a constant of a Python file, which is parsed and not run."""
    try:
        tree = ast.parse(file.read_text(encoding="utf-8"))
    except SyntaxError as error:
        found = f"{error.msg} in line {error.lineno or 1}"
        raise BadInput("is not a readable Python file", file=file, found=found) from error
    except (OSError, UnicodeDecodeError, ValueError) as error:
        raise BadInput("is not a readable Python file", file=file, found=str(error)) from error
    for node in tree.body:
        if isinstance(node, ast.Assign) and any(
            isinstance(target, ast.Name) and target.id == name for target in node.targets
        ):
            try:
                return ast.literal_eval(node.value)
            except (ValueError, TypeError) as error:
                found = _computed(node.value)
                raise BadInput(f"{name} must be a literal", file=file, found=found) from error
    raise BadInput(f"has no {name}", file=file, expected=f"{name} = {{...}}")


def _computed(value: ast.expr) -> str:
    """The part of an expression that is no literal; Python's words hold its address instead."""
    plain = (ast.Constant, ast.Dict, ast.List, ast.Tuple, ast.Set)
    parts = (part for part in ast.walk(value) if isinstance(part, ast.expr))
    part = next((part for part in parts if not isinstance(part, plain)), value)
    return f"{ast.unparse(part)[:60]} in line {part.lineno}"


def read_kind(file: Path) -> ReportKind:
    """A kind of report's KIND, read as a literal: the file is parsed, not run."""
    data = check(KindData, _literal(file, "KIND"), file)
    known = list(ReportFile.model_fields)
    for name in (name for name in data.fields if name not in known):
        raise BadInput(
            f"KIND: reports have no field {name!r}{did_you_mean([name], known)}",
            file=file,
            expected=f"one of {', '.join(known)}; fields of its own go into settings",
        )
    # What the engine itself reads of such a report.
    needed = ("task", "setting", "grids") if data.results == "own" else ()
    for name in (*needed, *(("task",) if "layout" in data.inputs else ())):
        if name not in data.fields:
            why = "results: own" if needed else "inputs: layout"
            raise BadInput(f"KIND: {why} goes with the field {name}", file=file)
    if file.name != KIND_FILE:
        return _plugin(ReportKind, data, id=file.stem, file=file, files=(file,))
    folder = file.parent
    if folder.name == KINDS_FOLDER:
        raise BadInput(
            f"{KIND_FILE} makes its folder a kind",
            file=file,
            expected=f"another name, or a folder {KINDS_FOLDER}/NAME for it",
        )
    return _plugin(ReportKind, data, id=folder.name, file=file, files=_every_file(folder))


def _every_file(folder: Path) -> tuple[Path, ...]:
    """The files of a folder at any depth, but for hidden ones and those that Python caches."""
    files = sorted(path for path in folder.rglob("*") if path.is_file())
    return tuple(
        path
        for path in files
        if not any(part.startswith((".", "__pycache__")) for part in path.relative_to(folder).parts)
    )


def read_report(file: Path, kinds: Mapping[str, ReportKind]) -> ReportPlugin:
    """A report file's definition, of one of the kinds that are known."""
    content = read_yaml(file)
    data = check(ReportFile, content, file)
    if data.kind not in kinds:
        raise BadInput(
            f"unknown kind {data.kind!r}{did_you_mean([data.kind], list(kinds))}",
            file=file,
            expected=f"one of {', '.join(kinds) or '(reports/kinds has none)'}",
        )
    for name in kinds[data.kind].fields:
        if name not in content:
            raise BadInput(f"field {name} is missing", file=file, expected=f"kind {data.kind}")
    known = kinds[data.kind].settings
    check_known(data.settings, known, f"settings of kind {data.kind}", file)
    return ReportPlugin(
        id=plugin_id(file.stem, file),
        title=data.title,
        kind=data.kind,
        task=data.task,
        caption=data.caption,
        rows=data.rows,
        columns=tuple(column.model_dump(exclude_unset=True) for column in data.columns),
        file=file,
        content=content,
        settings={**known, **data.settings},
    )


def _plugin(kind: type[M], data: Model, **more: Any) -> M:
    """A plugin of the fields of its file, which the file's own model has checked, and of more."""
    made = kind.model_construct()
    # By name: pydantic goes by the keys of the file, and a plugin's `files` are not the yaml's.
    vars(made).update(vars(data) | more)
    return made


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
