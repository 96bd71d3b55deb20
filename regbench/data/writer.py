"""Writing a data set in the Learn2Reg layout: prepared pairs as files, imported ones as links."""

import os
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from regbench.base.errors import BadInput
from regbench.base.files import digest, read_json, sha256, write_json
from regbench.data.dataset_json import ANNOTATIONS, PREPARED_VERSION
from regbench.data.field_names import pair_id
from regbench.data.landmarks import write_landmarks
from regbench.data.layout import PAIR_LISTS, Case, Entry, Layout, true_field_path
from regbench.data.pair import Pair, Side, names_of_labels
from regbench.data.point_files import read_points
from regbench.spatial.field import write_field
from regbench.spatial.nifti import write_volume

#: Kind of file to its key in the dataset JSON, its folder and its ending.
_FILES = {
    "image": ("image", "imagesTr", ".nii.gz"),
    **{kind: (keys[0], f"{name}Tr", ending) for kind, (keys, name, ending) in ANNOTATIONS.items()},
    "landmarks": ("landmarks", "landmarksTr", ".csv"),
}
#: Folder that holds a record of each finished pair.
_RECORDS = "stamps"


def pair_records(folder: Path) -> list[Path]:
    """The records of the finished pairs in a data set's folder. A pair without one is made anew."""
    return sorted((folder / _RECORDS).glob("*.json"))


class _Listing:
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

    def _write_json(self, header: dict[str, Any], extra: dict[str, Any], *, counts: bool) -> None:
        """Write the dataset JSON: from now on the data set exists."""
        content = {**header, "training": list(self.entries.values()), "test": []}
        if counts:
            content |= {"numTraining": len(self.entries), "numTest": 0}
        notes = {"problems": self.problems, "notes": self.notes, "layout": PREPARED_VERSION}
        notes |= {"files": self.files}
        content["regbench"] = {**extra, **notes}
        content |= {key: self.pairs[split] for split, key in PAIR_LISTS.items()}
        if counts:
            content["numPairedTraining"] = len(self.pairs["training"])
            content["numRegistration_val"] = len(self.pairs["validation"])
            content["numRegistration_test"] = len(self.pairs["test"])
        write_json(self.file, content)

    def _write_side(self, stem: str, side: Side, place: str = "") -> dict[str, str]:
        """Write all files of a side, and return its entry in the dataset JSON.

        `place` is a folder below that of each kind of file.
        """
        entry = {}
        for kind, content in vars(side).items():
            if content is None or (kind == "landmarks" and not len(content)):
                continue
            key, folder, ending = _FILES[kind]
            entry[key] = f"./{folder}/{place}{stem}{ending}"
            if kind == "landmarks":
                write_landmarks(self.root / entry[key], np.asarray(content))
            else:
                write_volume(self.root / entry[key], content)
            self._written(self.root / entry[key])
        return entry

    def _written(self, path: Path) -> None:
        self.files[path.relative_to(self.root).as_posix()] = sha256(path)


class LayoutWriter(_Listing):
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
            write_json(file, record)
        self.files |= record["files"]
        self.pairs[record["split"]].append(record["pair"])
        self.entries |= {entry["image"]: entry for entry in record["entries"]}
        self.notes |= record["notes"]

    def _known(self, file: Path, key: str) -> dict[str, Any] | None:
        """The record of a pair that was finished under a key and whose files are as they were."""
        try:
            record: dict[str, Any] = read_json(file)
            same = record["key"] == key and all(
                sha256(self.root / name) == known for name, known in record["files"].items()
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
        self._write_json({**self.header, "pairings": "paired"}, extra, counts=True)

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
        entries = [self._write_side(*named) for named in zip(stems, pair.sides, strict=True)]
        for k, direction in enumerate((stems, stems[::-1])):
            path = true_field_path(self.root, *direction)
            # A field of an earlier preparation must not stay.
            path.unlink(missing_ok=True)
            if pair.fields is not None:
                write_field(path, pair.fields[k])
                self._written(path)
        return {
            "pair": self._pair([entry["image"] for entry in entries]),
            "entries": entries,
            "notes": {self._id(stems): pair.notes},
        }


class LayoutImporter(_Listing):
    """Collects the pairs of an imported data set and writes the dataset JSON last.

    Args:
        source: the layout that is imported.
        file: the dataset JSON to write.
    """

    def __init__(self, source: Layout, file: Path) -> None:
        super().__init__(file)
        self.source = source
        #: Name of a link to the file that it leads to.
        self.targets: dict[str, Path] = {}
        #: Labels that were found in the files.
        self.labels: dict[int, str] = {}
        self._fields: set[Path] = set()
        #: File of landmarks to its points: all pairs of the image share them.
        self.landmarks: dict[Path, NDArray[np.float64]] = {}

    def found(self, *sides: Side) -> None:
        """Name the labels of a pair by their numbers, where the source names none."""
        if not self.source.labels:
            self.labels |= names_of_labels(side.labels for side in sides)

    def linked(self, split: str, case: Case, fixed: Side, moving: Side) -> None:
        """List a pair whose images are used as they are."""
        self._pair(split, self._link(case.fixed, fixed), self._link(case.moving, moving))
        self._link_fields(case, wanted=True)

    def resampled(self, split: str, case: Case, fixed_side: Side, moving: Side) -> None:
        """List a pair whose moving side was resampled onto the fixed grid."""
        fixed = self._link(case.fixed, fixed_side)
        # The true field of the native grids does not fit the resampled pair.
        self._link_fields(case, wanted=False)
        # In a folder of its own: the image keeps its name, and with it the pair.
        entry = self._write_side(case.moving.stem, moving, f"on-{case.fixed.stem}/")
        if "landmarks" in entry and case.moving.landmark_set is not None:
            entry[case.moving.landmark_set] = entry.pop("landmarks")
        self.entries[entry["image"]] = entry
        self.notes[case.id] = "moving image resampled onto the fixed grid by the headers"
        self._pair(split, fixed, entry["image"])

    def broken(self, split: str, case: Case, problem: str) -> None:
        """List a pair that cannot be used, with its problem."""
        self.problems[case.id] = problem
        self._link_fields(case, wanted=False)
        known = {image: dict(entry) for image, entry in self.entries.items()}
        self._pair(split, self._link(case.fixed), self._link(case.moving))
        # An image may have a good pair, too, whose landmarks were written.
        self.entries |= known

    def finish(self) -> None:
        """Write the dataset JSON."""
        fixed, moving = self.source.direction
        cases = [case for members in self.source.cases.values() for case in members]
        known = {side.modality for case in cases for side in (case.fixed, case.moving)}
        labels = self.source.labels or self.labels
        header = {
            "name": self.source.name,
            "description": f"imported from {self.source.file.name}",
            "pairings": "paired",
            "provided_data": {str(m): ["image"] for m in known if m is not None},
            "registration_direction": {"fixed": fixed, "moving": moving},
            "labels": {str(label): name for label, name in sorted(labels.items())},
        }
        kept = {k: v for k, v in self.source.extra.items() if k in ("prealigned", "remarks")}
        self._write_json(header, {**kept, "plugin": "learn2reg"}, counts=False)

    def _pair(self, split: str, fixed: str, moving: str) -> None:
        self.pairs[split].append({"fixed": fixed, "moving": moving})

    def _link(self, entry: Entry, side: Side | None = None) -> str:
        """Link all files of an entry, and return the image's path in the dataset JSON.

        Landmarks in another frame or order than the pair's are written as csv.
        """
        links = {}
        for kind, path in entry.by_kind.items():
            key, folder, ending = _FILES[kind]
            if kind == "landmarks" and entry.landmark_set is not None:
                key, folder = entry.landmark_set, f"{entry.landmark_set}Tr"
            links[key] = name = f"./{folder}/{path.name}"
            if kind == "landmarks" and side is not None and side.landmarks is not None:
                known = self.landmarks.setdefault(path, side.landmarks)
                if not np.array_equal(known, side.landmarks):
                    raise BadInput("landmarks of one image are in two orders", file=path)
                file = read_points(path)
                if file.frames != ("voxel",) or not np.array_equal(file.values, known):
                    links[key] = name = f"./{folder}/{entry.stem}{ending}"
                    write_landmarks(self.root / name, known)
                    continue
            target = Path(os.path.realpath(path))
            if self.targets.setdefault(name, target) != target:
                raise BadInput(
                    "two files have one name",
                    file=path,
                    expected="a different name for every file",
                    found=f"also {self.targets[name]}",
                )
            _symlink(self.root / name, path)
        # In another pair the image may have another set of landmarks.
        self.entries.setdefault(links["image"], {}).update(links)
        return links["image"]

    def _link_fields(self, case: Case, *, wanted: bool) -> None:
        for stems in ((case.fixed.stem, case.moving.stem), (case.moving.stem, case.fixed.stem)):
            field = true_field_path(self.source.root, *stems)
            link = true_field_path(self.root, *stems)
            if link in self._fields:
                # The same pair is listed the other way round, too.
                continue
            # A field of an earlier preparation must not stay.
            link.unlink(missing_ok=True)
            if wanted and field.is_file():
                _symlink(link, field)
                self._fields.add(link)


def _symlink(link: Path, target: Path) -> None:
    link.parent.mkdir(parents=True, exist_ok=True)
    temporary = link.with_name(f".{link.name}.{os.getpid()}.tmp")
    temporary.unlink(missing_ok=True)
    # Not Path.resolve: it raises for links in a circle, which fail their own case.
    temporary.symlink_to(os.path.realpath(target))
    temporary.replace(link)
