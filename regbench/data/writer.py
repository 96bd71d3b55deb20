"""Writing a prepared data set in the Learn2Reg layout, case by case, resumably."""

from pathlib import Path
from typing import Any

import numpy as np

from regbench.base.files import digest, read_json, write_json
from regbench.data.landmarks import write_landmarks
from regbench.data.layout import PAIR_LISTS, true_field_path
from regbench.data.pair import Pair, Side
from regbench.spatial.field import write_field
from regbench.spatial.nifti import write_volume

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
            self._write_side(stem, side) for stem, side in zip(stems, pair.sides, strict=True)
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

    def _write_side(self, stem: str, side: Side) -> dict[str, str]:
        entry = {"image": f"./imagesTr/{stem}.nii.gz"}
        write_volume(self.root / entry["image"], side.image)
        if side.labels is not None:
            entry["label"] = f"./labelsTr/{stem}.nii.gz"
            write_volume(self.root / entry["label"], side.labels)
        if side.mask is not None:
            entry["mask"] = f"./masksTr/{stem}.nii.gz"
            write_volume(self.root / entry["mask"], side.mask)
        if side.landmarks is not None and len(side.landmarks):
            entry["landmarks"] = f"./landmarksTr/{stem}.csv"
            write_landmarks(self.root / entry["landmarks"], np.asarray(side.landmarks))
        return entry

    def _record(self, name: str) -> Path:
        return self.root / _RECORDS / f"{name}.json"
