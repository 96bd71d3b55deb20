"""What a Learn2Reg dataset JSON says, in any of the forms in which such files are published."""

import os
import re
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from regbench.base.errors import BadInput
from regbench.base.files import printable, read_json
from regbench.data.field_names import numbers

#: Kind of annotation: the keys that an entry may use (the first is written), folder, file ending.
ANNOTATIONS = {
    "labels": (("label", "labels"), "labels", ".nii.gz"),
    "mask": (("mask", "masks"), "masks", ".nii.gz"),
}
#: The keys of sets of landmarks: `landmarks`, `keypoints`, `keypoints01`.
_LANDMARKS = re.compile(r"(landmark|keypoint)s?([0-9]*)")
#: How a data set that this project prepared is noted. Version 1, without a number, called a pair by
#: its fixed image.
PREPARED_VERSION = 2
#: Endings of volumes, and of files of points, which `regbench.data.point_files` reads.
VOLUME_ENDINGS: tuple[str, ...] = (".nii.gz", ".nii")
POINT_ENDINGS: tuple[str, ...] = (".csv", ".fcsv", ".mrk.json", ".vtk", ".txt", ".pts")


def without_ending(text: str) -> str:
    """A path without `./` and ending, as it stands for an image whatever its listed ending is."""
    text = str(Path(text))
    endings = (end for end in VOLUME_ENDINGS + POINT_ENDINGS if text.endswith(end))
    return text.removesuffix(next(endings, ""))


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


@dataclass(frozen=True)
class ListedImage:
    """An image, the number of its modality if known, and its annotations by kind.

    A kind is `labels`, `mask` or the name of a set of landmarks.
    """

    path: Path
    modality: int | None
    files: dict[str, Path]


class DatasetJson:
    """The content of a dataset JSON, and the files that it names as they are called on disk.

    No file but the JSON is opened.

    Args:
        file: the JSON.
        landmark_set: the one set of landmarks to use; empty: all.

    Attributes:
        name, direction, labels: as in `Layout`.
        extra: the field `regbench`.
        problems: case to why it cannot be used.
        landmark_sets: the sets of landmarks that any image has: experts' first, then by name.
        remarks: what is listed and not there.

    Raises:
        BadInput: a missing or malformed field, an earlier version prepared the data set, or no
            image has that set of landmarks.
    """

    def __init__(self, file: Path, landmark_set: str = "") -> None:
        self.file = file
        self.data = read_json(file)
        if not isinstance(self.data, dict):
            raise self.error("is not a dataset JSON", "an object")
        name = self.data.get("name")
        if not isinstance(name, str):
            raise self.error("field name is missing", "text")
        self.name = name
        self.extra: dict[str, Any] = self._field("regbench", dict)
        self.problems = self.extra.get("problems", {})
        if not isinstance(self.problems, dict):
            raise self.error("field regbench.problems is not an object")
        if self.extra and self.extra.get("layout") != PREPARED_VERSION:
            raise self.error("was prepared by an earlier version", "a preparation by snakemake")
        self.direction = self._direction()
        self.labels = self._labels()
        self._provided = self._kinds_by_modality()
        #: Path of an image without its ending to its entry, and to the modality it is listed under.
        self._entries: dict[str, dict[str, Any]] = {}
        self._modalities: dict[str, int] = {}
        self._training = self._read_entries("training")
        self._read_entries("test")
        self.landmark_sets = self._landmark_sets()
        if landmark_set:
            if landmark_set not in self.landmark_sets:
                expected = f"one of {', '.join(self.landmark_sets) or '(it has none)'}"
                raise self.error(f"no image has the landmarks {landmark_set}", expected)
            self.landmark_sets = [landmark_set]
        self.remarks: list[str] = []
        self._names: dict[Path, frozenset[str]] = {}
        self._images: dict[str, ListedImage] = {}

    def error(self, what: str, expected: Any = None, found: Any = None) -> BadInput:
        """An error in this file."""
        return BadInput(what, file=self.file, expected=expected, found=found)

    def pairs(self, key: str) -> list[tuple[ListedImage, ListedImage]]:
        """Fixed and moving image of each pair that a field lists.

        A pair has `fixed` and `moving`, or the numbers of modalities. With three of them it is a
        pair of the fixed image with each other one.
        """
        pairs = []
        for position, pair in enumerate(self._field(key, list)):
            where = f"{key}[{position}]"
            roles = [("fixed", "moving")]
            if isinstance(pair, dict) and pair and all(map(_is_number, pair)):
                by_number = {int(number): number for number in pair}
                fixed, moving = self.direction
                others = sorted(set(by_number) - {fixed}, key=lambda n: (n != moving, n))
                roles = [
                    (by_number.get(fixed, str(fixed)), by_number[other]) for other in others
                ] or [(str(fixed), str(moving))]
            for both in roles:
                for role in both:
                    if not isinstance(pair, dict) or not isinstance(pair.get(role), str):
                        raise self.error(f"field {where}.{role} is missing", "a path")
                one, two = (self._image(pair[role], f"{where}.{role}") for role in both)
                pairs.append((one, two))
        return pairs

    def unpaired(self) -> list[ListedImage]:
        """The training images where training pairs are any two of them, else none."""
        if self.data.get("pairings") not in ("unpaired", "hybrid"):
            return []
        return [self._image(text, f"training: {text}") for text in self._training]

    def exists(self, path: Path) -> bool:
        """Whether the folder holds the file. Every folder is listed once."""
        folder = path.parent
        if folder not in self._names:
            try:
                self._names[folder] = frozenset(os.listdir(folder))  # noqa: PTH208
            except OSError:
                self._names[folder] = frozenset()
        return path.name in self._names[folder]

    def published(self, images: Iterable[ListedImage], split: str) -> set[str]:
        """The kinds of annotation of which these images have any file."""
        files = {item for image in images for item in image.files.items()}
        there = {kind for kind, path in files if self.exists(path)}
        for kind in sorted({kind for kind, _ in files} - there):
            self.remarks.append(f"{split} pairs without {kind}: none of the listed files is there")
        return there

    def common_landmarks(
        self, fixed: ListedImage, moving: ListedImage, there: set[str]
    ) -> str | None:
        """The first set of which both files are there, else the first that both images list."""
        pair = fixed.files, moving.files
        common = [
            name for name in self.landmark_sets if name in there and all(name in f for f in pair)
        ]
        whole = [name for name in common if all(self.exists(files[name]) for files in pair)]
        return next(iter([*whole, *common]), None)

    def _landmark_sets(self) -> list[str]:
        keys = {key for entry in self._entries.values() for key in entry}
        keys |= {kind for kinds in self._provided.values() for kind in kinds}
        sets = {f"{m[1]}s{m[2]}" for m in map(_LANDMARKS.fullmatch, keys) if m}
        return sorted(sets, key=lambda name: (not name.startswith("landmarks"), name))

    def _image(self, text: str, where: str) -> ListedImage:
        path = self._file(text, where, VOLUME_ENDINGS)
        place = without_ending(text)
        if place not in self._images:
            files = self._annotations(place, path)
            modality = self._modality(place, Path(place).name)
            self._images[place] = ListedImage(path, modality, files)
        return self._images[place]

    def _annotations(self, place: str, image: Path) -> dict[str, Path]:
        """Kind of annotation of an image to its file: listed ones first, then provided ones.

        Args:
            place: the image's path without ending. `provided_data` goes by the modality number at
                the end of its name.
            image: its file.
        """
        stem = Path(place).name
        listed = self._entries.get(place, {})
        modality = stem.rsplit("_", 1)[-1]
        provided = self._provided.get(str(int(modality)) if _is_number(modality) else "", set())
        suffix = "Ts" if image.parent.name.endswith("Ts") else "Tr"
        kinds = {
            kind: ({*keys, folder}, folder, ending, VOLUME_ENDINGS)
            for kind, (keys, folder, ending) in ANNOTATIONS.items()
        }
        kinds |= {
            name: ({name, name.replace("s", "", 1)}, name, ".csv", POINT_ENDINGS)
            for name in self.landmark_sets
        }
        files = {}
        for kind, (keys, folder, ending, endings) in kinds.items():
            path = next((listed[k] for k in sorted(keys) if listed.get(k) is not None), None)
            if path is not None and not isinstance(path, str):
                raise self.error(f"the {kind} of {stem} are not a path", found=type(path).__name__)
            if path is not None or provided & keys:
                # Without a path, the rule of the kind names the file.
                name = path or f"{folder}{suffix}/{stem}{ending}"
                files[kind] = self._file(name, f"{kind} of {stem}", endings)
        return files

    def _file(self, text: str, where: str, endings: tuple[str, ...]) -> Path:
        """A named file; where it is not there, one of that name with the ending of its kind."""
        path = inside_folder(text, self.file, where)
        base = without_ending(path.name)
        # Published files name one kind by the ending of the other.
        wrong = POINT_ENDINGS if endings == VOLUME_ENDINGS else VOLUME_ENDINGS
        named = [path, *(path.with_name(base + ending) for ending in endings)]
        fit = [option for option in named if not option.name.endswith(wrong)]
        return next(filter(self.exists, fit), fit[0])

    def _modality(self, place: str, stem: str) -> int | None:
        """The number of an image's modality, by its list or its name; None where it is not known.

        A number at the end of a name counts only where the file speaks of such a modality.
        """
        named = numbers(stem)
        known = {*map(str, self.direction), *self._provided, *self._field("modality", dict)}
        if place in self._modalities:
            return self._modalities[place]
        return int(named[1]) if named and str(int(named[1])) in known else None

    def _direction(self) -> tuple[int, int]:
        value = self.data.get("registration_direction", {"fixed": 0, "moving": 1})
        roles = value if isinstance(value, dict) else {}
        # The numbers may be text; a bool or a fraction is not a modality.
        texts = [
            str(roles[role]) for role in ("fixed", "moving") if type(roles.get(role)) in (int, str)
        ]
        if len(texts) != 2 or not all(map(_is_number, texts)):
            raise self.error(
                "field registration_direction is malformed", '{"fixed": 0, "moving": 1}', value
            )
        return int(texts[0]), int(texts[1])

    def _labels(self) -> dict[int, str]:
        """Number to name, of `{}`, `{"1": name}`, `{name: 1}`, or the same nested by modality."""
        value = self._field("labels", dict)
        groups = [v for v in value.values() if isinstance(v, dict)]
        if groups and len(groups) < len(value):
            expected = "names, or an object of names for each modality"
            raise self.error("field labels is malformed", expected, "both")
        names: dict[int, str] = {}
        for key, name in (pair for group in groups or [value] for pair in group.items()):
            swapped = not _is_number(key) and type(name) in (int, str) and _is_number(str(name))
            label, text = (str(name), key) if swapped else (key, name)
            if not _is_number(label):
                raise self.error("field labels: a label is a whole number", found=repr(label))
            if not isinstance(text, str):
                raise self.error(f"field labels: the name of {label} is not text", found=repr(text))
            # 0 is the background, whatever it is called.
            if int(label) and names.setdefault(int(label), text) != text:
                both = f"{names[int(label)]} and {text}"
                raise self.error(f"field labels: label {int(label)} has two names", found=both)
        return names

    def _field(self, key: str, kind: type) -> Any:
        """A field that is a list or an object, empty where it is absent."""
        value = self.data.get(key, kind())
        if not isinstance(value, kind):
            name = "a list" if kind is list else "an object"
            raise self.error(f"field {key} is not {name}", found=type(value).__name__)
        return value

    def _kinds_by_modality(self) -> dict[str, set[str]]:
        """Modality to the kinds of annotation that all its images have."""
        value = self.data.get("provided_data", {})
        if not isinstance(value, dict) or not all(isinstance(v, list) for v in value.values()):
            raise self.error("field provided_data is malformed", '{"0": ["image", ...]}')
        return {str(modality): set(map(str, kinds)) for modality, kinds in value.items()}

    def _read_entries(self, key: str) -> list[str]:
        """Keep the entries of a list, or of an object of lists by modality. Returns their paths."""
        paths = []
        value = self.data.get(key, [])
        lists = value if isinstance(value, dict) else {"": value}
        for modality, items in lists.items():
            where = f"{key}.{modality}" if modality else key
            if not isinstance(items, list) or (modality and not _is_number(modality)):
                expected = "a list, or an object of lists by modality"
                raise self.error(f"field {where} is not a list of entries", expected)
            for position, item in enumerate(items):
                entry = {"image": item} if isinstance(item, str) else item
                if not isinstance(entry, dict) or not isinstance(entry.get("image"), str):
                    raise self.error(f"field {where}[{position}].image is missing", "a path")
                place = without_ending(entry["image"])
                self._entries[place] = entry
                if modality:
                    self._modalities[place] = int(modality)
                paths.append(entry["image"])
        return paths


def _is_number(text: str) -> bool:
    """Whether a text is a whole number of a size that a label or modality has."""
    return text.isascii() and text.isdigit() and len(text) < 10
