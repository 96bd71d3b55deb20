"""The Learn2Reg layout: one dataset JSON and the files that it names."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field, replace
from functools import cached_property
from pathlib import Path
from typing import Any

from regbench.base.errors import BadInput
from regbench.base.files import sha256
from regbench.data.dataset_json import ANNOTATIONS, DatasetJson, ListedImage
from regbench.data.field_names import field_stems, pair_id

#: Where the JSON lists the pairs of each split.
PAIR_LISTS = {
    "training": "training_paired_images",
    "validation": "registration_val",
    "test": "registration_test",
}
#: The settings `alignment` of a preparation after which pairs are affinely aligned.
PREALIGNED = ("affine", "given")
#: Bytes of a pair's name. It names folders and files, which may have 255.
LONGEST_NAME = 240
#: What landmarks may be in: indices of voxels, or world millimetres.
FRAMES = ("voxel", "ras", "lps")


@dataclass(frozen=True)
class Entry:
    """The files of one image. Absent annotations are None.

    Attributes:
        landmark_set: which of its sets `landmarks` is, `keypoints01` say.
        modality: the number of its modality, where it is known.
    """

    image: Path
    labels: Path | None = None
    mask: Path | None = None
    landmarks: Path | None = None
    landmark_set: str | None = None
    modality: int | None = None

    @property
    def stem(self) -> str:
        """The image's file name without `.nii.gz`."""
        return self.image.name.removesuffix(".gz").removesuffix(".nii")

    @property
    def by_kind(self) -> dict[str, Path]:
        """Every file of the entry under the name of its attribute."""
        return {kind: path for kind, path in vars(self).items() if isinstance(path, Path)}


@dataclass(frozen=True)
class Case:
    """One pair in one direction.

    Attributes:
        fixed, moving: the two entries.
        true_field: file of the true displacement field of the fixed grid, where known.
        problem: why this case cannot be used (a broken file, say), or None.
        landmarks_frame: of landmarks whose files do not state it: voxel, ras or lps.
        trusted: labels and masks are the image's, voxel by voxel, whatever their headers say.
    """

    fixed: Entry
    moving: Entry
    true_field: Path | None = None
    problem: str | None = None
    landmarks_frame: str | None = None
    trusted: bool = False

    @property
    def id(self) -> str:
        """`<fixed stem>_<moving stem>`: names its folders and rows."""
        return pair_id(self.fixed.stem, self.moving.stem)

    @property
    def direction(self) -> tuple[int, int] | None:
        """(fixed, moving) modality; None where one is not known, or both are the same."""
        one, two = self.fixed.modality, self.moving.modality
        return None if one is None or two is None or one == two else (one, two)

    @property
    def measurable(self) -> bool:
        """Whether both images have labels or landmarks, or the true field is known."""
        sides = self.fixed, self.moving
        return (
            self.true_field is not None
            or all(side.labels is not None for side in sides)
            or all(side.landmarks is not None for side in sides)
        )

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
        unpaired: images that training pairs can be drawn from; none where pairs are listed.
    """

    file: Path
    name: str
    direction: tuple[int, int]
    labels: dict[int, str]
    cases: dict[str, tuple[Case, ...]]
    extra: dict[str, Any] = field(default_factory=dict)
    unpaired: tuple[Entry, ...] = ()

    @property
    def prepared(self) -> bool:
        """Whether this project's own preparation wrote it."""
        return "plugin" in self.extra

    @property
    def root(self) -> Path:
        """The folder that the paths are relative to."""
        return self.file if self.file.is_dir() else self.file.parent

    def hash_of(self, path: Path) -> str:
        """SHA-256 of a file as its preparation wrote it, else of what it holds now."""
        return str(self.written.get(path) or sha256(path))

    def damaged(self, case: Case) -> str:
        """What is wrong where a file is not as its preparation wrote it; empty where none is."""
        field = true_field_path(self.root, case.fixed.stem, case.moving.stem)
        for path in {*case.files, field} & self.written.keys():
            if not path.is_file() or sha256(path) != self.written[path]:
                return f"{path}: was cut, changed or deleted after it was prepared"
        return ""

    @cached_property
    def written(self) -> dict[Path, str]:
        """File to its SHA-256, of those that this project's preparation wrote."""
        files = self.extra.get("files", {})
        return {self.root / name: known for name, known in files.items()} if self.prepared else {}

    def wrote(self, case: Case) -> bool:
        """Whether this project's preparation wrote all files of a case, and read them back."""
        return self.written.keys() >= {*case.files}

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
        return self._each(landmarks_frame=frame)

    def with_geometry(self, geometry: str = "check") -> "Layout":
        """The same with headers that are compared (`check`), or not (`trust`: a remark says so)."""
        if geometry not in ("check", "trust"):
            raise BadInput("geometry", expected="check or trust", found=geometry)
        if geometry == "check":
            return self
        return self._each(trusted=True).remarked(
            "geometry: trust: headers of labels and masks are not compared with their images'"
        )

    def _each(self, **changes: Any) -> "Layout":
        """The same with attributes of every case changed."""
        cases = {
            split: tuple(replace(case, **changes) for case in members)
            for split, members in self.cases.items()
        }
        return replace(self, cases=cases)

    def remarked(self, *remarks: str) -> "Layout":
        """The same with further remarks, which every table of these data repeats."""
        known = self.extra.get("remarks", [])
        known = known if isinstance(known, list) else []
        new = [remark for remark in remarks if remark not in known]
        return replace(self, extra={**self.extra, "remarks": [*known, *new]}) if new else self

    def evaluation_split(self) -> str:
        """The test pairs, or the validation pairs where there are no test pairs, or where only the
        validation pairs have something to measure accuracy by."""
        splits = [split for split in ("test", "validation") if self.cases.get(split)]
        measured = [s for s in splits if any(case.measurable for case in self.cases[s])]
        return next(iter([*measured, *splits]), "validation")

    def unmeasured(self, split: str) -> str:
        """Why the accuracy on a split cannot be measured; empty where it can, or without pairs."""
        if not self.cases[split] or any(case.measurable for case in self.cases[split]):
            return ""
        return (
            f"nothing measures accuracy: no {split} pair has labels or landmarks of both images, "
            "or a true field"
        )

    def directed(self, split: str, direction: tuple[int, int] | None) -> tuple[Case, ...]:
        """The cases of a split that have this direction or its reverse.

        Where a case is turned, fixed and moving change places, with all that belongs to them.

        Raises:
            BadInput: none of the split's cases has these modalities.
        """
        if direction is None:
            return self.cases[split]
        found: dict[str, Case] = {}
        for case in self.cases[split]:
            own = case.direction or self.direction
            if own == direction:
                found[case.id] = case
            elif own == direction[::-1]:
                field = _true_field(self.root, case.moving, case.fixed, self.extra)
                turned = replace(case, fixed=case.moving, moving=case.fixed, true_field=field)
                found.setdefault(turned.id, turned)
        if self.cases[split] and not found:
            there = sorted({case.direction or self.direction for case in self.cases[split]})
            raise BadInput(
                f"no {split} pair has fixed modality {direction[0]} and moving {direction[1]}",
                file=self.file,
                expected=" or ".join(f"{one} and {two}" for one, two in there),
            )
        return tuple(found.values())


def true_field_path(root: Path, fixed_stem: str, moving_stem: str) -> Path:
    """The name that a true field has in the layout."""
    return root / "fieldsTr" / f"{field_stems(fixed_stem, moving_stem)[0]}.nii.gz"


def _true_field(root: Path, fixed: Entry, moving: Entry, extra: Mapping[str, Any]) -> Path | None:
    """The true field of a direction, if its file exists, or was written and is gone."""
    path = true_field_path(root, fixed.stem, moving.stem)
    written = path.relative_to(root).as_posix() in extra.get("files", ())
    return path if written or path.is_file() else None


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


def read_layout(file: Path, landmark_set: str = "") -> Layout:
    """Read and check a dataset JSON. It checks names only; files are read when used.

    Annotations of a split of which no listed file is there are taken as not published. Training
    pairs with an image of a validation or test pair are left out. Remarks
    in `extra` say both.

    Args:
        file: the dataset JSON.
        landmark_set: the set of landmarks to use, `keypoints02` say; by default the first one that
            both images of a pair have.

    Raises:
        BadInput: a missing or malformed field, a path that leaves the folder, a pair listed twice
            or in two splits, two pairs of one name, or no image has the set of landmarks.
    """
    content = DatasetJson(file, landmark_set)
    cases = {split: _cases(content, split, key) for split, key in PAIR_LISTS.items()}
    listed = cases["training"]
    evaluated = _check_splits(cases, file)
    cases["training"] = tuple(c for c in listed if evaluated.isdisjoint(_stems([c])))
    remarks = content.remarks
    if lost := len(listed) - len(cases["training"]):
        remarks.append(
            f"{lost} of {len(listed)} listed training pairs are left out: their images are in "
            "validation or test pairs"
        )
    if shared := _stems(cases["validation"]) & _stems(cases["test"]):
        remarks.append(f"warning: {len(shared)} images are in validation and in test pairs")
    unpaired = () if listed else _unpaired(content, evaluated)
    if not any(cases.values()):
        raise content.error("lists no pairs", f"one of {', '.join(PAIR_LISTS.values())}")
    about = content.name, content.direction, content.labels
    return Layout(file, *about, cases, content.extra, unpaired).remarked(*remarks)


def check_seeds(splits: dict[str, dict[str, int]], name: str, where: Path | str) -> None:
    """Refuse splits of a generated data set that would share a case: a case is its seed.

    Args:
        splits: split to {count, seed}: case i of a split has seed + i.
        name: of the data set.
        where: the file that states them.

    Raises:
        BadInput: two splits share a seed.
    """
    taken: dict[int, str] = {}
    for split, numbers in splits.items():
        for seed in range(numbers["seed"], numbers["seed"] + numbers["count"]):
            if seed in taken:
                raise BadInput(
                    f"splits {taken[seed]} and {split} of data set {name} share seed {seed}",
                    file=where,
                    expected="disjoint seeds",
                )
            taken[seed] = split


def _cases(content: DatasetJson, split: str, key: str) -> tuple[Case, ...]:
    """The pairs that a field lists."""
    pairs = content.pairs(key)
    there = content.published([image for pair in pairs for image in pair], split)
    cases = []
    for one, two in pairs:
        name = content.common_landmarks(one, two, there)
        fixed, moving = (_entry(image, there, name) for image in (one, two))
        true_field = _true_field(content.file.parent, fixed, moving, content.extra)
        problem = content.problems.get(pair_id(fixed.stem, moving.stem))
        cases.append(Case(fixed, moving, true_field, problem))
    return tuple(cases)


def _entry(image: ListedImage, there: set[str], landmark_set: str | None) -> Entry:
    """An image with what is published; landmarks mean something in a pair only."""
    kept = {kind: image.files.get(kind) for kind in ANNOTATIONS if kind in there}
    if landmark_set is not None:
        kept["landmarks"] = image.files[landmark_set]
    return Entry(image.path, **kept, landmark_set=landmark_set, modality=image.modality)


def _unpaired(content: DatasetJson, evaluated: set[str]) -> tuple[Entry, ...]:
    """The training images that are there, and that no pair is evaluated on."""
    images = content.unpaired()
    there = content.published(images, "training")
    entries = [_entry(image, there, None) for image in images if content.exists(image.path)]
    kept = tuple(entry for entry in entries if entry.stem not in evaluated)
    if len(kept) < len(images):
        content.remarks.append(
            f"{len(images) - len(kept)} of {len(images)} training images are not trained on: "
            f"{len(entries) - len(kept)} are in validation or test pairs, "
            f"{len(images) - len(entries)} are not there"
        )
    return kept


def _stems(cases: Iterable[Case]) -> set[str]:
    return {side.stem for case in cases for side in (case.fixed, case.moving)}


def _check_splits(cases: dict[str, tuple[Case, ...]], file: Path) -> set[str]:
    """Refuse what makes pairs or splits one. Returns the stems of validation and test images."""
    split_of: dict[frozenset[str], str] = {}
    for split, members in cases.items():
        _check_names(members, split, file)
        for case in members if split != "training" else ():
            first = split_of.setdefault(frozenset(_stems([case])), split)
            if first != split:
                raise BadInput(
                    f"pair {case.id} is in two splits", file=file, found=f"{first} and {split}"
                )
    return _stems([*cases["validation"], *cases["test"]])


def _check_names(cases: tuple[Case, ...], split: str, file: Path) -> None:
    """Refuse a pair of one image, a pair listed twice, and two pairs of one name."""
    seen: dict[str, tuple[Path, Path]] = {}
    listed: set[tuple[Path, Path]] = set()
    for case in cases:
        images = case.fixed.image, case.moving.image
        if images[0] == images[1]:
            raise BadInput(f"pair {case.id}: fixed and moving are one image", file=file)
        if len(case.id.encode()) > LONGEST_NAME:
            expected = f"at most {LONGEST_NAME} bytes in both names together"
            raise BadInput(
                f"pair {case.id[:40]}... has too long a name", file=file, expected=expected
            )
        if images in listed:
            raise BadInput(f"pair {case.id} is listed twice in {split}", file=file)
        listed.add(images)
        names = {pair_id(case.moving.stem, case.fixed.stem): images[::-1], case.id: images}
        for name, pair in names.items():
            if seen.setdefault(name, pair) != pair:
                both = " and ".join(" on ".join(p.name for p in x) for x in (seen[name], pair))
                raise BadInput(f"two pairs of {split} have the name {name}", file=file, found=both)
