"""The Learn2Reg layout: one dataset JSON and the files that it names, validated field by field."""

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

from regbench.base.errors import BadInput
from regbench.base.files import printable, read_json
from regbench.data.field_names import field_stems

#: Where the JSON lists the pairs of each split.
PAIR_LISTS = {
    "training": "training_paired_images",
    "validation": "registration_val",
    "test": "registration_test",
}
#: Kinds of annotation: our name, the keys an entry may use, the folder stem.
ANNOTATIONS = {
    "labels": (("label", "labels"), "labels"),
    "mask": (("mask", "masks"), "masks"),
    "landmarks": (("landmarks", "landmark"), "landmarks"),
    "keypoints": (("keypoints", "keypoint"), "keypoints"),
}


@dataclass(frozen=True)
class Entry:
    """The files of one image. Absent annotations are None."""

    image: Path
    labels: Path | None = None
    mask: Path | None = None
    landmarks: Path | None = None

    @property
    def stem(self) -> str:
        """The image's file name without `.nii.gz`."""
        return self.image.name.removesuffix(".gz").removesuffix(".nii")

    @property
    def files(self) -> list[Path]:
        """Every file of the entry."""
        return [p for p in (self.image, self.labels, self.mask, self.landmarks) if p is not None]


@dataclass(frozen=True)
class Case:
    """One pair in one direction.

    Attributes:
        fixed, moving: the two entries.
        true_field: file of the true displacement field of the fixed grid, where known.
        problem: why this case cannot be used (a broken file, say), or None.
    """

    fixed: Entry
    moving: Entry
    true_field: Path | None = None
    problem: str | None = None

    @property
    def id(self) -> str:
        """The fixed image's stem."""
        return self.fixed.stem

    @property
    def files(self) -> list[Path]:
        """Every file of the case."""
        own = [*self.fixed.files, *self.moving.files]
        return own if self.true_field is None else [*own, self.true_field]


@dataclass(frozen=True)
class Layout:
    """A data set on disk.

    Attributes:
        file: the dataset JSON, or what else lists the pairs; paths in it are relative to its
            folder. A folder whose file names alone make the pairs stands for itself.
        name: its name.
        direction: (fixed, moving) modality indices of the pairs as listed.
        labels: label value to name, background left out.
        cases: split to its cases, in the listed direction.
        extra: what this project's preparation noted beside the layout's own fields.
    """

    file: Path
    name: str
    direction: tuple[int, int]
    labels: dict[int, str]
    cases: dict[str, tuple[Case, ...]]
    extra: dict[str, Any] = field(default_factory=dict)

    @property
    def prepared(self) -> bool:
        """Whether this project's own preparation wrote it."""
        return "plugin" in self.extra

    @property
    def root(self) -> Path:
        """The folder that the paths are relative to."""
        return self.file if self.file.is_dir() else self.file.parent

    def groups(self) -> dict[str, tuple[int, ...]]:
        """Label name to its values: usually one, several where names repeat."""
        found: dict[str, tuple[int, ...]] = {}
        for value, name in sorted(self.labels.items()):
            found[name] = (*found.get(name, ()), value)
        return found

    def directed(self, split: str, direction: tuple[int, int] | None) -> tuple[Case, ...]:
        """The cases of a split in another direction: fixed and moving change places, with all
        that belongs to them."""
        cases = self.cases[split]
        if direction is None or direction == self.direction:
            return cases
        turned = tuple(
            replace(
                case,
                fixed=case.moving,
                moving=case.fixed,
                true_field=true_field_file(self.root, case.moving.image, case.fixed.image),
            )
            for case in cases
        )
        _check_ids(turned, split, self.file)
        return turned


def read_layout(file: Path) -> Layout:
    """Read and check a dataset JSON. Only names are checked here; files are read when used.

    Raises:
        BadInput: a missing or malformed field, a path that leaves the folder, a pair listed in two
            splits, or two pairs of a split with one fixed image.
    """
    data = read_json(file)
    if not isinstance(data, dict):
        raise BadInput("is not a dataset JSON", file=file, expected="an object")
    name = _field(data, "name", str, file)
    provided = _provided(data, file)
    entries: dict[str, dict[str, Any]] = {}
    for key in ("training", "test"):
        for position, item in enumerate(_list(data, key, file)):
            if isinstance(item, str):
                item = {"image": item}
            where = f"{key}[{position}]"
            if not isinstance(item, dict) or not isinstance(item.get("image"), str):
                raise BadInput(f"field {where}.image is missing", file=file, expected="a path")
            entries[str(Path(item["image"]))] = item
    problems = _extra(data, file).get("problems", {})
    if not isinstance(problems, dict):
        raise BadInput("field regbench.problems is not an object", file=file)
    cases = {
        split: tuple(_pairs(data, key, file, entries, provided, problems))
        for split, key in PAIR_LISTS.items()
    }
    _check_splits(cases, file)
    if not any(cases.values()):
        raise BadInput(
            "lists no pairs", file=file, expected=f"one of {', '.join(PAIR_LISTS.values())}"
        )
    return Layout(
        file, name, _direction(data, file), _labels(data, file), cases, _extra(data, file)
    )


def true_field_file(root: Path, fixed: Path, moving: Path) -> Path | None:
    """Where the true field of a direction lies, if it is there."""
    path = true_field_path(root, Entry(fixed).stem, Entry(moving).stem)
    return path if path.is_file() else None


def true_field_path(root: Path, fixed_stem: str, moving_stem: str) -> Path:
    """The name that a true field has in the layout."""
    return root / "fieldsTr" / f"{field_stems(fixed_stem, moving_stem)[0]}.nii.gz"


def _pairs(
    data: dict[str, Any],
    key: str,
    file: Path,
    entries: dict[str, dict[str, Any]],
    provided: dict[str, set[str]],
    problems: dict[str, str],
) -> list[Case]:
    result = []
    for position, item in enumerate(_list(data, key, file)):
        sides = []
        for role in ("fixed", "moving"):
            if not isinstance(item, dict) or not isinstance(item.get(role), str):
                raise BadInput(
                    f"field {key}[{position}].{role} is missing", file=file, expected="a path"
                )
            sides.append(_entry(item[role], entries, provided, file, f"{key}[{position}].{role}"))
        fixed, moving = sides
        result.append(
            Case(
                fixed,
                moving,
                true_field_file(file.parent, fixed.image, moving.image),
                problems.get(fixed.stem),
            )
        )
    return result


def _entry(
    image: str,
    entries: dict[str, dict[str, Any]],
    provided: dict[str, set[str]],
    file: Path,
    where: str,
) -> Entry:
    path = inside_folder(image, file, where)
    own = entries.get(str(Path(image)), {})
    entry = Entry(path)
    modality = entry.stem.rsplit("_", 1)[-1]
    kinds = provided.get(str(int(modality)) if _is_number(modality) else "", set())
    found: dict[str, Path] = {}
    for kind, (keys, folder) in ANNOTATIONS.items():
        listed = next((own[k] for k in keys if own.get(k) is not None), None)
        if listed is not None and not isinstance(listed, str):
            raise BadInput(
                f"the {kind} of {entry.stem} are no path", file=file, found=type(listed).__name__
            )
        if listed is not None:
            found[kind] = inside_folder(listed, file, f"{kind} of {entry.stem}")
        elif kinds & {*keys, folder}:
            suffix = "Ts" if path.parent.name.endswith("Ts") else "Tr"
            ending = ".csv" if kind in ("landmarks", "keypoints") else ".nii.gz"
            found[kind] = file.parent / f"{folder}{suffix}" / f"{entry.stem}{ending}"
    # Expert landmarks where there are any; automatic keypoints else.
    landmarks = found.get("landmarks") or found.get("keypoints")
    return Entry(path, found.get("labels"), found.get("mask"), landmarks)


def inside_folder(text: str, file: Path, where: str) -> Path:
    """A path that a listing names, relative to the listing's folder.

    Raises:
        BadInput: absolute, or with `..` in it.
    """
    path = Path(text)
    if not path.name or "\0" in text or printable(text) != text:
        raise BadInput(f"field {where} is no path of a file", file=file, found=repr(text))
    if path.is_absolute() or ".." in path.parts:
        raise BadInput(f"field {where} leaves the data set's folder", file=file, found=text)
    return file.parent / path


def _provided(data: dict[str, Any], file: Path) -> dict[str, set[str]]:
    value = data.get("provided_data", {})
    if not isinstance(value, dict) or not all(isinstance(v, list) for v in value.values()):
        raise BadInput(
            "field provided_data is malformed", file=file, expected='{"0": ["image", ...]}'
        )
    return {str(key): {str(item) for item in kinds} for key, kinds in value.items()}


def _direction(data: dict[str, Any], file: Path) -> tuple[int, int]:
    value = data.get("registration_direction", {"fixed": 0, "moving": 1})
    sides = (
        tuple(value.get(role) for role in ("fixed", "moving")) if isinstance(value, dict) else ()
    )
    # The numbers may be text; a bool or a fraction is no modality.
    texts = tuple(str(side) for side in sides if type(side) in (int, str))
    if texts not in (("0", "1"), ("1", "0")):
        raise BadInput(
            "field registration_direction is malformed",
            file=file,
            expected='{"fixed": 0, "moving": 1}',
            found=value,
        )
    return int(texts[0]), int(texts[1])


def _labels(data: dict[str, Any], file: Path) -> dict[int, str]:
    """`{}`, `{"1": name}`, or the same nested by modality."""
    value = data.get("labels", {})
    if not isinstance(value, dict):
        raise BadInput("field labels is not an object", file=file, found=type(value).__name__)
    groups = [v for v in value.values() if isinstance(v, dict)]
    if groups and len(groups) < len(value):
        raise BadInput(
            "field labels is malformed",
            file=file,
            expected="names, or an object of names for each modality",
            found="both",
        )
    flat: dict[int, str] = {}
    for group in groups or [value]:
        for key, name in group.items():
            label, name = _label(key, name, file)
            # 0 is the background, whatever it is called.
            if label and flat.setdefault(label, name) != name:
                raise BadInput(
                    f"field labels: label {label} has two names",
                    file=file,
                    found=f"{flat[label]} and {name}",
                )
    return flat


def _label(key: Any, name: Any, file: Path) -> tuple[int, str]:
    if not _is_number(key):
        raise BadInput("field labels: a label is a whole number", file=file, found=repr(key))
    if not isinstance(name, str):
        raise BadInput(f"field labels: the name of {key} is not text", file=file, found=repr(name))
    return int(key), name


def _is_number(text: str) -> bool:
    """Whether it is a whole number of a size that a label or modality has."""
    return text.isascii() and text.isdigit() and len(text) < 10


def _extra(data: dict[str, Any], file: Path) -> dict[str, Any]:
    value = data.get("regbench", {})
    if not isinstance(value, dict):
        raise BadInput("field regbench is not an object", file=file, found=type(value).__name__)
    return value


def _list(data: dict[str, Any], key: str, file: Path) -> list[Any]:
    value = data.get(key, [])
    if not isinstance(value, list):
        raise BadInput(f"field {key} is not a list", file=file, found=type(value).__name__)
    return value


def _field(data: dict[str, Any], key: str, kind: type, file: Path) -> Any:
    if not isinstance(data.get(key), kind):
        raise BadInput(f"field {key} is missing", file=file, expected=kind.__name__)
    return data[key]


def _check_splits(cases: dict[str, tuple[Case, ...]], file: Path) -> None:
    seen: dict[str, str] = {}
    for split, members in cases.items():
        for case in members:
            for stem in (case.fixed.stem, case.moving.stem):
                where = seen.setdefault(stem, split)
                if where != split:
                    raise BadInput(
                        f"image {stem} is in two splits", file=file, found=f"{where} and {split}"
                    )
        _check_ids(members, split, file)
        for case in members:
            if case.fixed.image == case.moving.image:
                raise BadInput(f"pair {case.id}: fixed and moving are one image", file=file)


def _check_ids(cases: tuple[Case, ...], split: str, file: Path) -> None:
    seen: set[str] = set()
    for case in cases:
        if case.id in seen:
            raise BadInput(
                f"two pairs of {split} have the fixed image {case.id}",
                file=file,
                expected="a fixed image of its own for every pair",
            )
        seen.add(case.id)


def named_path(settings: Mapping[str, Any], expected: str, of: str = "the data set") -> Path:
    """`settings["path"]` as a path.

    Args:
        settings: of a data set.
        expected: what the path must be the path of.
        of: what to call the data set in the error.

    Raises:
        BadInput: it is missing, empty or no text.
    """
    path = settings.get("path")
    if not isinstance(path, str) or not path:
        raise BadInput(f"{of} has no settings.path", expected=f"the path of {expected}")
    return Path(path)
