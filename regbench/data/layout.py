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
#: Kind of annotation: the keys that an entry may use (the first is written), folder, file ending.
ANNOTATIONS = {
    "labels": (("label", "labels"), "labels", ".nii.gz"),
    "mask": (("mask", "masks"), "masks", ".nii.gz"),
    "landmarks": (("landmarks", "landmark"), "landmarks", ".csv"),
    "keypoints": (("keypoints", "keypoint"), "keypoints", ".csv"),
}
#: What landmarks may be in: indices of voxels, or world millimetres.
FRAMES = ("voxel", "ras", "lps")
#: Endings of files of points; `regbench.data.point_files` reads them.
POINT_ENDINGS = (".csv", ".fcsv", ".mrk.json", ".vtk", ".txt", ".pts")


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
    def by_kind(self) -> dict[str, Path]:
        """Every file of the entry under the name of its attribute."""
        return {kind: path for kind, path in vars(self).items() if path is not None}


@dataclass(frozen=True)
class Case:
    """One pair in one direction.

    Attributes:
        fixed, moving: the two entries.
        true_field: file of the true displacement field of the fixed grid, where known.
        problem: why this case cannot be used (a broken file, say), or None.
        landmarks_frame: of landmarks whose files do not state it: voxel, ras or lps.
    """

    fixed: Entry
    moving: Entry
    true_field: Path | None = None
    problem: str | None = None
    landmarks_frame: str | None = None

    @property
    def id(self) -> str:
        """The fixed image's stem."""
        return self.fixed.stem

    @property
    def files(self) -> list[Path]:
        """Every file of the case."""
        files = [*self.fixed.by_kind.values(), *self.moving.by_kind.values()]
        return files if self.true_field is None else [*files, self.true_field]


@dataclass(frozen=True)
class Layout:
    """A data set on disk.

    Attributes:
        file: the dataset JSON, or whatever else lists the pairs; paths in it are relative to its
            folder. It is a folder where file names alone make the pairs.
        name: its name.
        direction: (fixed, moving) modality indices of the pairs as listed.
        labels: label value to name, without the background.
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
        groups: dict[str, tuple[int, ...]] = {}
        for value, name in sorted(self.labels.items()):
            groups[name] = (*groups.get(name, ()), value)
        return groups

    def with_frame(self, frame: str | None) -> "Layout":
        """The same with a frame for landmarks whose files state none; None: the one that fits."""
        if frame not in (*FRAMES, None):
            raise BadInput("landmarks_frame", expected=f"one of {', '.join(FRAMES)}", found=frame)
        cases = {
            split: tuple(replace(case, landmarks_frame=frame) for case in members)
            for split, members in self.cases.items()
        }
        return replace(self, cases=cases)

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
                true_field=_true_field(self.root, case.moving, case.fixed),
            )
            for case in cases
        )
        _check_ids(turned, split, self.file)
        return turned


def true_field_path(root: Path, fixed_stem: str, moving_stem: str) -> Path:
    """The name that a true field has in the layout."""
    return root / "fieldsTr" / f"{field_stems(fixed_stem, moving_stem)[0]}.nii.gz"


def _true_field(root: Path, fixed: Entry, moving: Entry) -> Path | None:
    """The true field of a direction, if its file exists."""
    path = true_field_path(root, fixed.stem, moving.stem)
    return path if path.is_file() else None


def named_path(settings: Mapping[str, Any], expected: str, of: str = "the data set") -> Path:
    """`settings["path"]` as a path.

    Raises:
        BadInput: it is missing, empty or not text. `of` is the data set's name in the error, and
            `expected` what the path must lead to.
    """
    path = settings.get("path")
    if not isinstance(path, str) or not path:
        raise BadInput(f"{of} has no settings.path", expected=f"the path of {expected}")
    return Path(path)


def inside_folder(text: str, file: Path, where: str) -> Path:
    """A path that a listing names, relative to the listing's folder.

    Raises:
        BadInput: it is not the path of a file, is absolute, or has `..` in it.
    """
    path = Path(text)
    if not path.name or "\0" in text or printable(text) != text:
        raise BadInput(f"field {where} is not a file path", file=file, found=repr(text))
    if path.is_absolute() or ".." in path.parts:
        raise BadInput(f"field {where} leaves the data set's folder", file=file, found=text)
    return file.parent / path


def read_layout(file: Path) -> Layout:
    """Read and check a dataset JSON. It checks names only; files are read when used.

    Raises:
        BadInput: a missing or malformed field, a path that leaves the folder, a pair listed in two
            splits, or two pairs of a split with one fixed image.
    """
    content = _DatasetJson(file)
    cases = {split: content.cases(key) for split, key in PAIR_LISTS.items()}
    _check_splits(cases, file)
    if not any(cases.values()):
        raise content.error("lists no pairs", f"one of {', '.join(PAIR_LISTS.values())}")
    return Layout(file, content.name, content.direction(), content.labels(), cases, content.extra)


class _DatasetJson:
    """The content of a dataset JSON. Each field is checked when it is read."""

    def __init__(self, file: Path) -> None:
        self.file = file
        self.data = read_json(file)
        if not isinstance(self.data, dict):
            raise self.error("is not a dataset JSON", "an object")
        name = self.data.get("name")
        if not isinstance(name, str):
            raise self.error("field name is missing", "text")
        self.name = name
        self.extra = self._field("regbench", dict)
        self.problems = self.extra.get("problems", {})
        if not isinstance(self.problems, dict):
            raise self.error("field regbench.problems is not an object")
        self.provided = self._provided()
        self.entries = self._entries()

    def error(self, what: str, expected: Any = None, found: Any = None) -> BadInput:
        """An error in this file."""
        return BadInput(what, file=self.file, expected=expected, found=found)

    def cases(self, key: str) -> tuple[Case, ...]:
        """The pairs that a field lists."""
        cases = []
        for position, pair in enumerate(self._field(key, list)):
            fixed, moving = (
                self._entry(pair, role, f"{key}[{position}].{role}") for role in ("fixed", "moving")
            )
            true_field = _true_field(self.file.parent, fixed, moving)
            cases.append(Case(fixed, moving, true_field, self.problems.get(fixed.stem)))
        return tuple(cases)

    def direction(self) -> tuple[int, int]:
        """(fixed, moving) modality indices."""
        value = self.data.get("registration_direction", {"fixed": 0, "moving": 1})
        roles = value if isinstance(value, dict) else {}
        # The numbers may be text; a bool or a fraction is not a modality.
        texts = tuple(
            str(roles[role]) for role in ("fixed", "moving") if type(roles.get(role)) in (int, str)
        )
        if texts not in (("0", "1"), ("1", "0")):
            raise self.error(
                "field registration_direction is malformed", '{"fixed": 0, "moving": 1}', value
            )
        return int(texts[0]), int(texts[1])

    def labels(self) -> dict[int, str]:
        """Label value to name, of `{}`, `{"1": name}`, or the same nested by modality."""
        value = self._field("labels", dict)
        groups = [v for v in value.values() if isinstance(v, dict)]
        if groups and len(groups) < len(value):
            expected = "names, or an object of names for each modality"
            raise self.error("field labels is malformed", expected, "both")
        names: dict[int, str] = {}
        for key, name in (pair for group in groups or [value] for pair in group.items()):
            if not _is_number(key):
                raise self.error("field labels: a label is a whole number", found=repr(key))
            if not isinstance(name, str):
                raise self.error(f"field labels: the name of {key} is not text", found=repr(name))
            # 0 is the background, whatever it is called.
            if int(key) and names.setdefault(int(key), name) != name:
                both = f"{names[int(key)]} and {name}"
                raise self.error(f"field labels: label {int(key)} has two names", found=both)
        return names

    def _field(self, key: str, kind: type) -> Any:
        """A field that is a list or an object, empty where it is absent."""
        value = self.data.get(key, kind())
        if not isinstance(value, kind):
            name = "a list" if kind is list else "an object"
            raise self.error(f"field {key} is not {name}", found=type(value).__name__)
        return value

    def _provided(self) -> dict[str, set[str]]:
        """Modality to the kinds of annotation that all its images have."""
        value = self.data.get("provided_data", {})
        if not isinstance(value, dict) or not all(isinstance(v, list) for v in value.values()):
            raise self.error("field provided_data is malformed", '{"0": ["image", ...]}')
        return {str(modality): set(map(str, kinds)) for modality, kinds in value.items()}

    def _entries(self) -> dict[str, dict[str, Any]]:
        """Path of an image to its entry as listed."""
        entries: dict[str, dict[str, Any]] = {}
        for key in ("training", "test"):
            for position, item in enumerate(self._field(key, list)):
                entry = {"image": item} if isinstance(item, str) else item
                if not isinstance(entry, dict) or not isinstance(entry.get("image"), str):
                    raise self.error(f"field {key}[{position}].image is missing", "a path")
                entries[str(Path(entry["image"]))] = entry
        return entries

    def _entry(self, pair: Any, role: str, where: str) -> Entry:
        """The image of a pair with its annotations: listed ones first, then provided ones."""
        if not isinstance(pair, dict) or not isinstance(pair.get(role), str):
            raise self.error(f"field {where} is missing", "a path")
        image = inside_folder(pair[role], self.file, where)
        listed = self.entries.get(str(Path(pair[role])), {})
        stem = Entry(image).stem
        modality = stem.rsplit("_", 1)[-1]
        provided = self.provided.get(str(int(modality)) if _is_number(modality) else "", set())
        suffix = "Ts" if image.parent.name.endswith("Ts") else "Tr"
        files: dict[str, Path] = {}
        for kind, (keys, folder, ending) in ANNOTATIONS.items():
            path = next((listed[key] for key in keys if listed.get(key) is not None), None)
            if isinstance(path, str):
                files[kind] = inside_folder(path, self.file, f"{kind} of {stem}")
            elif path is not None:
                raise self.error(f"the {kind} of {stem} are not a path", found=type(path).__name__)
            elif provided & {*keys, folder}:
                place = self.file.parent / f"{folder}{suffix}"
                endings = POINT_ENDINGS if ending == ".csv" else (ending,)
                paths = [place / f"{stem}{end}" for end in endings]
                files[kind] = next((path for path in paths if path.is_file()), paths[0])
        # Expert landmarks where there are any, automatic keypoints otherwise.
        landmarks = files.get("landmarks") or files.get("keypoints")
        return Entry(image, files.get("labels"), files.get("mask"), landmarks)


def _is_number(text: str) -> bool:
    """Whether a text is a whole number of a size that a label or modality has."""
    return text.isascii() and text.isdigit() and len(text) < 10


def _check_splits(cases: dict[str, tuple[Case, ...]], file: Path) -> None:
    split_of: dict[str, str] = {}
    for split, members in cases.items():
        for case in members:
            for stem in (case.fixed.stem, case.moving.stem):
                first = split_of.setdefault(stem, split)
                if first != split:
                    raise BadInput(
                        f"image {stem} is in two splits", file=file, found=f"{first} and {split}"
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
                expected="a different fixed image for every pair",
            )
        seen.add(case.id)
