"""Writing an imported data set: its files as links, its dataset JSON last."""

import os
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from regbench.base.errors import BadInput
from regbench.data.landmarks import write_landmarks
from regbench.data.layout import Case, Entry, Layout, true_field_path
from regbench.data.pair import Side, names_of_labels
from regbench.data.point_files import read_points
from regbench.data.writer import FILES, Listing


class LayoutImporter(Listing):
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
        entry = self.write_side(case.moving.stem, moving, f"on-{case.fixed.stem}/")
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
            "provided_data": {str(m): ["image"] for m in known if m is not None},
            "registration_direction": {"fixed": fixed, "moving": moving},
            "labels": {str(label): name for label, name in sorted(labels.items())},
        }
        kept = {k: v for k, v in self.source.extra.items() if k in ("prealigned", "remarks")}
        self.write_listing(header, {**kept, "plugin": "learn2reg"})

    def _pair(self, split: str, fixed: str, moving: str) -> None:
        self.pairs[split].append({"fixed": fixed, "moving": moving})

    def _link(self, entry: Entry, side: Side | None = None) -> str:
        """Link all files of an entry, and return the image's path in the dataset JSON.

        Landmarks in another frame or order than the pair's are written as csv.
        """
        links = {}
        for kind, path in entry.by_kind.items():
            key, folder, ending = FILES[kind]
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
