"""Writing a data set in the Learn2Reg layout: prepared pairs as files, imported ones as links."""

import os
from pathlib import Path
from typing import Any

import numpy as np

from regbench.base.errors import BadInput
from regbench.base.files import digest, read_json, write_json
from regbench.data.landmarks import write_landmarks
from regbench.data.layout import PAIR_LISTS, Case, Entry, Layout, true_field_path
from regbench.data.pair import Pair, Side
from regbench.spatial.field import write_field
from regbench.spatial.nifti import write_volume

#: Attribute of a side or entry to its folder, its key in the dataset JSON, and its ending.
_FILES = {
    "image": ("imagesTr", "image", ".nii.gz"),
    "labels": ("labelsTr", "label", ".nii.gz"),
    "mask": ("masksTr", "mask", ".nii.gz"),
    "landmarks": ("landmarksTr", "landmarks", ".csv"),
}
#: Folder of a record a finished pair.
_RECORDS = "stamps"


def pair_records(folder: Path) -> list[Path]:
    """The records of the finished pairs of a data set's folder: without its own, a pair is new."""
    return sorted((folder / _RECORDS).glob("*.json"))


class LayoutWriter:
    """Adds pairs to a folder; the dataset JSON, written last, makes them a data set.

    A pair that an interrupted preparation finished is recognised by its key, a hash of all that it
    depends on, and is not made again.

    Args:
        file: the dataset JSON to write.
        header: the JSON's descriptive fields.
    """

    def __init__(self, file: Path, header: dict[str, Any]) -> None:
        self.file = file
        self.root = file.parent
        self.header = header
        self.pairs: dict[str, list[dict[str, str]]] = {split: [] for split in PAIR_LISTS}
        self.entries: list[dict[str, str]] = []
        self.notes: dict[str, dict[str, Any]] = {}
        self.problems: dict[str, str] = {}

    def has(self, name: str, depends_on: Any) -> bool:
        """Whether the pair of a name was finished under the same key; if so it is adopted.

        Args:
            name: of the pair.
            depends_on: JSON-able; what the key is made of.
        """
        path = self._record(name)
        if not path.is_file():
            return False
        known = read_json(path)
        if known.get("key") != digest(depends_on):
            return False
        self._adopt(known)
        return True

    def add(self, name: str, depends_on: Any, split: str, number: int, pair: Pair) -> None:
        """Write all files of a pair, then its record with the key."""
        stems = self._stems(number)
        entries = [
            _write_side(self.root, stem, side) for stem, side in zip(stems, pair.sides, strict=True)
        ]
        for k, (one, other) in enumerate((stems, stems[::-1])):
            path = true_field_path(self.root, one, other)
            # A field of an earlier preparation must not stay.
            path.unlink(missing_ok=True)
            if pair.fields is not None:
                write_field(path, pair.fields[k])
        known = {
            "key": digest(depends_on),
            "split": split,
            "pair": self._pair([entry["image"] for entry in entries]),
            "entries": entries,
            "notes": {stems[self._fixed]: pair.notes},
        }
        write_json(self._record(name), known)
        self._adopt(known)

    def broken(self, name: str, split: str, number: int, problem: str) -> None:
        """A pair that cannot be made: it stays in the list, with its problem, without files."""
        # A pair of an earlier preparation must not be taken for this one.
        self._record(name).unlink(missing_ok=True)
        stems = self._stems(number)
        self.problems[stems[self._fixed]] = problem
        self.pairs[split].append(self._pair([f"./imagesTr/{stem}.nii.gz" for stem in stems]))

    def finish(self, extra: dict[str, Any]) -> None:
        """Write the dataset JSON: from now on the data set exists."""
        content = {
            **self.header,
            "pairings": "paired",
            "training": self.entries,
            "test": [],
            "numTraining": len(self.entries),
            "numTest": 0,
            "regbench": {**extra, "problems": self.problems, "notes": self.notes},
        }
        for split, key in PAIR_LISTS.items():
            content[key] = self.pairs[split]
        content["numPairedTraining"] = len(self.pairs["training"])
        content["numRegistration_val"] = len(self.pairs["validation"])
        content["numRegistration_test"] = len(self.pairs["test"])
        write_json(self.file, content)

    @property
    def _fixed(self) -> int:
        """The modality that is fixed in the data set's own direction."""
        return int(self.header["registration_direction"]["fixed"])

    def _stems(self, number: int) -> list[str]:
        return [f"{self.header['name']}_{number:04d}_{modality:04d}" for modality in (0, 1)]

    def _pair(self, images: list[str]) -> dict[str, str]:
        return {"fixed": images[self._fixed], "moving": images[1 - self._fixed]}

    def _adopt(self, known: dict[str, Any]) -> None:
        self.pairs[known["split"]].append(known["pair"])
        self.entries.extend(known["entries"])
        self.notes.update(known["notes"])

    def _record(self, name: str) -> Path:
        return self.root / _RECORDS / f"{name}.json"


class LayoutImporter:
    """Collects the pairs of an imported data set and writes the dataset JSON last.

    Args:
        source: the layout that is imported.
        file: the dataset JSON to write.
    """

    def __init__(self, source: Layout, file: Path) -> None:
        self.source = source
        self.file = file
        self.root = file.parent
        self.pairs: dict[str, list[dict[str, str]]] = {split: [] for split in PAIR_LISTS}
        self.entries: dict[str, dict[str, str]] = {}
        self.problems: dict[str, str] = {}
        self.notes: dict[str, str] = {}
        self.targets: dict[str, Path] = {}

    def linked(self, split: str, case: Case) -> None:
        """A pair used as it is."""
        self._pair(split, self._link(case.fixed), self._link(case.moving))
        self._link_fields(case, wanted=True)

    def resampled(self, split: str, case: Case, moving: Side) -> None:
        """A pair whose moving side was resampled onto the fixed grid."""
        fixed = self._link(case.fixed)
        # The true field of the native grids does not fit the resampled pair.
        self._link_fields(case, wanted=False)
        stem = f"{case.moving.stem}-on-{case.fixed.stem}"
        entry = _write_side(self.root, stem, moving)
        image = entry["image"]
        self.entries[image] = entry
        self.notes[case.id] = "moving image resampled onto the fixed grid by the headers"
        self._pair(split, fixed, image)

    def broken(self, split: str, case: Case, problem: str) -> None:
        """A pair that cannot be used: it stays in the list, with its problem."""
        self.problems[case.id] = problem
        self._link_fields(case, wanted=False)
        self._pair(split, self._link(case.fixed), self._link(case.moving))

    def finish(self) -> None:
        """Write the dataset JSON."""
        fixed, moving = self.source.direction
        content: dict[str, Any] = {
            "name": self.source.name,
            "description": f"imported from {self.source.file.name}",
            "pairings": "paired",
            "provided_data": {},
            "registration_direction": {"fixed": fixed, "moving": moving},
            "labels": {str(label): name for label, name in self.source.labels.items()},
            "training": list(self.entries.values()),
            "test": [],
            "regbench": {
                **{k: v for k, v in self.source.extra.items() if k in ("prealigned", "remarks")},
                "plugin": "learn2reg",
                "problems": self.problems,
                "notes": self.notes,
            },
        }
        for split, key in PAIR_LISTS.items():
            content[key] = self.pairs[split]
        write_json(self.file, content)

    def _pair(self, split: str, fixed: str, moving: str) -> None:
        self.pairs[split].append({"fixed": fixed, "moving": moving})

    def _link(self, entry: Entry) -> str:
        image = ""
        written = {}
        for kind, (folder, key, _) in _FILES.items():
            path = getattr(entry, kind)
            if path is None:
                continue
            name = f"./{folder}/{path.name}"
            target = path.resolve()
            if self.targets.setdefault(name, target) != target:
                raise BadInput(
                    "two files have one name",
                    file=path,
                    expected="a name of its own for every file",
                    found=f"also {self.targets[name]}",
                )
            _symlink(self.root / name, path)
            written[key] = name
            image = image or name
        self.entries[image] = written
        return image

    def _link_fields(self, case: Case, *, wanted: bool) -> None:
        for one, other in ((case.fixed, case.moving), (case.moving, case.fixed)):
            known = true_field_path(self.source.root, one.stem, other.stem)
            link = true_field_path(self.root, one.stem, other.stem)
            # A field of an earlier preparation must not stay.
            link.unlink(missing_ok=True)
            if wanted and known.is_file():
                _symlink(link, known)


def _write_side(root: Path, stem: str, side: Side) -> dict[str, str]:
    """Write all files of a side; its entry in the dataset JSON."""
    entry = {}
    for kind, (folder, key, ending) in _FILES.items():
        content = getattr(side, kind)
        if content is None or (kind == "landmarks" and not len(content)):
            continue
        entry[key] = f"./{folder}/{stem}{ending}"
        if kind == "landmarks":
            write_landmarks(root / entry[key], np.asarray(content))
        else:
            write_volume(root / entry[key], content)
    return entry


def _symlink(link: Path, target: Path) -> None:
    link.parent.mkdir(parents=True, exist_ok=True)
    temporary = link.with_name(f".{link.name}.{os.getpid()}.tmp")
    temporary.unlink(missing_ok=True)
    temporary.symlink_to(target.resolve())
    temporary.replace(link)
