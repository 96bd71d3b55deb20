"""Writing a data set in the Learn2Reg layout."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np

from regbench.base.errors import BadInput
from regbench.base.files import digest, read_json, sha256, write_json
from regbench.data.dataset_json import ANNOTATIONS, PREPARED_VERSION
from regbench.data.field_names import pair_id
from regbench.data.landmarks import write_landmarks
from regbench.data.layout import PAIR_LISTS, Case, Entry, true_field_path
from regbench.data.pair import Pair, Side, read_pair
from regbench.spatial.field import write_field
from regbench.spatial.nifti import write_volume

#: Kind of file to its key in the dataset JSON, its folder and its ending.
FILES = {
    "image": ("image", "imagesTr", ".nii.gz"),
    **{kind: (keys[0], f"{name}Tr", ending) for kind, (keys, name, ending) in ANNOTATIONS.items()},
    "landmarks": ("landmarks", "landmarksTr", ".csv"),
}
#: Folder that holds a record of each finished pair.
_RECORDS = "stamps"


def pair_records(folder: Path) -> list[Path]:
    """The records of the finished pairs in a data set's folder. A pair without one is made anew."""
    return sorted((folder / _RECORDS).glob("*.json"))


class Listing:
    """What a dataset JSON lists, collected pair by pair.

    Args:
        file: the dataset JSON to write.
    """

    def __init__(self, file: Path) -> None:
        self.file = file
        self.root = file.parent
        self.pairs: dict[str, list[dict[str, str]]] = {split: [] for split in PAIR_LISTS}
        #: Image to its entry.
        self.entries: dict[str, dict[str, str]] = {}
        self.problems: dict[str, str] = {}
        self.notes: dict[str, Any] = {}
        #: File that was written, not linked, to its SHA-256.
        self.files: dict[str, str] = {}

    def write_listing(self, header: dict[str, Any], extra: dict[str, Any]) -> None:
        """Write the dataset JSON: from now on the data set exists."""
        notes = {"problems": self.problems, "notes": self.notes, "layout": PREPARED_VERSION}
        content = {
            **header,
            "pairings": "paired",
            "training": list(self.entries.values()),
            "test": [],
            "numTraining": len(self.entries),
            "numTest": 0,
            "regbench": {**extra, **notes, "files": self.files},
            **{key: self.pairs[split] for split, key in PAIR_LISTS.items()},
            "numPairedTraining": len(self.pairs["training"]),
            "numRegistration_val": len(self.pairs["validation"]),
            "numRegistration_test": len(self.pairs["test"]),
        }
        write_json(self.file, content)

    def write_side(self, stem: str, side: Side, place: str = "") -> dict[str, str]:
        """Write all files of a side, and return its entry in the dataset JSON.

        `place` is a folder below that of each kind of file.
        """
        entry = {}
        for kind, content in vars(side).items():
            if content is None or (kind == "landmarks" and not len(content)):
                continue
            key, folder, ending = FILES[kind]
            entry[key] = f"./{folder}/{place}{stem}{ending}"
            if kind == "landmarks":
                write_landmarks(self.root / entry[key], np.asarray(content))
            else:
                write_volume(self.root / entry[key], content)
            self.note_written(self.root / entry[key])
        return entry

    def note_written(self, path: Path) -> None:
        """Note the hash of a file that was written, not linked."""
        self.files[path.relative_to(self.root).as_posix()] = sha256(path)


class LayoutWriter(Listing):
    """Adds pairs to a folder; the dataset JSON, written last, makes them a data set.

    A pair that an interrupted preparation finished is recognised by its key, a hash of all that it
    depends on, and is not made again.

    Args:
        file: the dataset JSON to write.
        header: the JSON's descriptive fields.
    """

    def __init__(self, file: Path, header: dict[str, Any]) -> None:
        super().__init__(file)
        self.header = header
        #: The modality that is fixed in the data set's own direction.
        self._fixed = int(header["registration_direction"]["fixed"])

    def add(self, number: int, split: str, depends_on: Any, make: Callable[[], Pair]) -> None:
        """List a pair. It is made and written unless it was finished under the same key.

        Args:
            number: of the pair in the data set, from 1.
            split: to which it belongs.
            depends_on: JSON-able; what the key is made of.
            make: makes the pair.
        """
        file = self._record(number)
        key = digest(depends_on)
        record = self._known(file, key)
        if record is None:
            others, self.files = self.files, {}
            record = {"key": key, "split": split, **self._write_pair(number, make())}
            record["files"], self.files = self.files, others
            # Written last: a record says that all files of its pair are whole.
            write_json(file, record | {"digest": digest(record)})
        self.files |= record["files"]
        self.pairs[record["split"]].append(record["pair"])
        self.entries |= {entry["image"]: entry for entry in record["entries"]}
        self.notes |= record["notes"]
        self.problems |= record["problems"]

    def _known(self, file: Path, key: str) -> dict[str, Any] | None:
        """The record of a pair finished under a key, if it and the files are as they were."""
        try:
            record: dict[str, Any] = read_json(file)
            whole = record.pop("digest") == digest(record)
            same = (
                whole
                and record["key"] == key
                and all(sha256(self.root / name) == f for name, f in record["files"].items())
            )
        except (BadInput, KeyError, TypeError, AttributeError):
            return None
        return record if same else None

    def broken(self, number: int, split: str, problem: str) -> None:
        """List a pair that cannot be made, with its problem and without files."""
        # The pair of an earlier preparation must not be taken for this one.
        self._record(number).unlink(missing_ok=True)
        stems = self._stems(number)
        self.problems[self._id(stems)] = problem
        self.pairs[split].append(self._pair([f"./imagesTr/{stem}.nii.gz" for stem in stems]))

    def finish(self, extra: dict[str, Any]) -> None:
        """Write the dataset JSON, with `extra` in its field `regbench`."""
        self.write_listing(self.header, extra)

    def _stems(self, number: int) -> list[str]:
        return [f"{self.header['name']}_{number:04d}_{modality:04d}" for modality in (0, 1)]

    def _id(self, stems: list[str]) -> str:
        return pair_id(stems[self._fixed], stems[1 - self._fixed])

    def _pair(self, images: list[str]) -> dict[str, str]:
        return {"fixed": images[self._fixed], "moving": images[1 - self._fixed]}

    def _record(self, number: int) -> Path:
        return self.root / _RECORDS / f"{number:04d}.json"

    def _write_pair(self, number: int, pair: Pair) -> dict[str, Any]:
        """Write all files of a pair, and return what its record says of them."""
        stems = self._stems(number)
        entries = [self.write_side(*named) for named in zip(stems, pair.sides, strict=True)]
        for k, direction in enumerate((stems, stems[::-1])):
            path = true_field_path(self.root, *direction)
            # A field of an earlier preparation must not stay.
            path.unlink(missing_ok=True)
            if pair.fields is not None:
                write_field(path, pair.fields[k])
                self.note_written(path)
        return {
            "pair": self._pair([entry["image"] for entry in entries]),
            "entries": entries,
            "notes": {self._id(stems): pair.notes},
            "problems": self._problems(stems, entries),
        }

    def _problems(self, stems: list[str], entries: list[dict[str, str]]) -> dict[str, str]:
        """What is wrong with a pair as it was written, under its name: a plugin may err."""

        def files(side: int) -> Any:
            there = {kind: entries[side].get(key) for kind, (key, *_) in FILES.items()}
            return {kind: self.root / name for kind, name in there.items() if name}

        try:
            read_pair(Case(Entry(**files(self._fixed)), Entry(**files(1 - self._fixed))))
        except BadInput as problem:
            return {self._id(stems): str(problem)}
        return {}
