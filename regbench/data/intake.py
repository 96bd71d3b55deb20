"""A first look at a folder of images: its pairs, what belongs to them, and a config to run them.

Names decide, then headers and intensities. Every assumption is a line for the user.
"""

import csv
import io
import re
import shutil
import tempfile
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path, PurePath
from typing import Any

import numpy as np
import yaml

from regbench.base.errors import BadInput
from regbench.base.files import write_json, write_text
from regbench.data.landmarks import landmarks_of_pair
from regbench.data.layout import POINT_ENDINGS, Case, Entry, read_layout
from regbench.data.point_files import read_points
from regbench.spatial.nifti import read_volume
from regbench.spatial.volume import Volume

#: Words of the fixed and the moving image. Of equally many pairs, the first words count.
ROLES = (
    *(("fixed", "moving"), ("fix", "mov"), ("target", "source"), ("mr", "ct"), ("insp", "exp")),
    *(("inspiration", "expiration"), ("inhale", "exhale"), ("pre", "post"), ("t0", "t1")),
    *(("baseline", "followup"), ("t1", "t2"), ("0000", "0001"), ("0", "1"), ("1", "2")),
)
LABEL_WORDS = {"label", "labels", "labelstr", "seg", "segmentation", "mask", "masks", "maskstr"}
POINT_WORDS = {"landmark", "landmarks", "landmarkstr", "keypointstr", "points", "fiducials"}
NIFTI = (".nii", ".nii.gz")
#: Words that say nothing.
EMPTY_WORDS = {"image", "images", "imagestr", "img", "scan", "scans"}
#: The most values of a label map that its name does not call one.
FEW = 32
#: Intensities of air in a CT, and the least share of it.
AIR, SHARE = (-1100, -900), 0.02
#: What becomes 0 and 1 of a CT beside another modality: soft tissue.
WINDOW = {"window": [-150, 250]}


@dataclass
class Look:
    """What a folder holds.

    Attributes:
        folder: of the images; nothing is written into it.
        globs: patterns of the names of `fixed`, `moving`, `labels`, `landmarks`; None: guessed.
        lines: what was assumed.
        values: of the label maps.
        volumes: of all images.
    """

    folder: Path
    globs: Mapping[str, str | None]
    lines: list[str] = field(default_factory=list)
    values: set[int] = field(default_factory=set)
    volumes: dict[Path, Volume] = field(default_factory=dict)

    def pairs(self) -> list[Case]:
        """The pairs with their annotations.

        Raises:
            BadInput: there is none; it says which option to give.
        """
        files = sorted(path for path in self.folder.rglob("*") if path.is_file())
        maps = {path: self._read(path) for path in files if path.name.endswith(NIFTI)}
        entries = {path: Entry(path) for path in self.volumes}
        pairs = self._matched()
        for path, volume in maps.items():
            if volume is None:
                continue
            same = [image for image in entries if _same_grid(self.volumes[image], volume)]
            owner = self._owner(path, same, "labels")
            if owner is not None:
                entries[owner] = replace(entries[owner], labels=path)
                self.values |= set(np.unique(volume.data).tolist()) - {0}
        for path in (path for path in files if path.name.endswith(POINT_ENDINGS)):
            if self._is(path, "landmarks", True) and self._points(path):
                owner = self._owner(path, list(entries), "landmarks")
                if owner is not None:
                    entries[owner] = replace(entries[owner], landmarks=path)
        cases = [Case(entries[fixed], entries[moving]) for fixed, moving in pairs]
        for case in cases:
            try:
                landmarks_of_pair(case, prepared=False)
            except BadInput as problem:
                self.lines.append(f"warning: {problem}")
        return cases

    def is_ct(self, path: Path) -> bool:
        """Whether a name, or else air at -1000, says so."""
        return "ct" in self._tags(path)

    def name(self, path: Path) -> str:
        return path.relative_to(self.folder).as_posix()

    def _is(self, path: Path, kind: str, otherwise: bool) -> bool:
        glob = self.globs[kind]
        return otherwise if glob is None else PurePath(self.name(path)).match(glob)

    def _words(self, path: Path) -> tuple[str, ...]:
        """Those of a name that tell images from one another."""
        name = re.sub(r"\.(nii|csv|fcsv|mrk|vtk|txt|pts)(\.\w+)?$", "", self.name(path).lower())
        words = re.split(r"[^a-z0-9]+", name.replace("mri", "mr"))
        nothing = {"", *EMPTY_WORDS, *LABEL_WORDS, *POINT_WORDS}
        return tuple(word for word in words if word not in nothing)

    def _tags(self, path: Path) -> tuple[str, ...]:
        """The words of an image, and its modality where no word states it."""
        words, data = self._words(path), self.volumes[path].data
        if {"ct", "mr", "cbct"} & set(words):
            return words
        air = float(((data >= AIR[0]) & (data <= AIR[1])).mean())
        return (*words, "ct" if air >= SHARE else "mr")

    def _read(self, path: Path) -> Volume | None:
        """A label map; an image is kept in `volumes` instead."""
        named = bool(LABEL_WORDS & set(re.split(r"[^a-z]+", self.name(path).lower())))
        named = self._is(path, "labels", named)
        try:
            volume = read_volume(path, labels=named)
        except BadInput as problem:
            self.lines.append(f"left out: {problem}")
            return None
        values = np.unique(volume.data)
        few = len(values) <= FEW and values[0] == 0 and not (values % 1).any()
        if not named and (not few or self.globs["labels"] is not None):
            self.volumes[path] = volume
            return None
        return volume if named else replace(volume, data=volume.data.astype(int))

    def _points(self, path: Path) -> bool:
        try:
            return len(read_points(path).values) > 0
        except BadInput as problem:
            self.lines.append(f"left out: {problem}")
            return False

    def _owner(self, path: Path, images: list[Path], kind: str) -> Path | None:
        """The image that annotations belong to: it has the same words, or is the only one."""
        named = [image for image in images if self._words(image) == self._words(path)]
        found = named or images
        if len(found) != 1:
            text = f"left out: {self.name(path)}: {len(found)} images may have these {kind}"
            self.lines.append(f"{text}; --{kind} GLOB leaves it out or takes others")
            return None
        self.lines.append(f"{kind}: {self.name(path)} of {self.name(found[0])}")
        return found[0]

    def _matched(self) -> list[tuple[Path, Path]]:
        """The pairs of the two words that give most of them."""
        best: list[tuple[Path, Path]] = []
        roles = ("", "")
        tags = {path: self._tags(path) for path in self.volumes}
        for words in ROLES:
            fixed = [i for i in tags if self._is(i, "fixed", words[0] in tags[i])]
            moving = [i for i in tags if self._is(i, "moving", words[1] in tags[i])]
            rest = {i: tuple(w for w in tags[i] if w not in words) for i in tags}
            numbers = {i: tuple(w for w in rest[i] if re.search(r"\d", w)) for i in tags}
            for keys in (rest, numbers):
                one, two = _by_key(fixed, keys), _by_key(set(moving) - set(fixed), keys)
                found = [(one[key], two[key]) for key in sorted(one.keys() & two.keys())]
                if len(found) > len(best):
                    best, roles = found, words
        if not best:
            images = ", ".join(map(self.name, tags)) or "no image"
            raise BadInput(
                "cannot tell which images are fixed and which moving",
                file=self.folder,
                expected="--fixed GLOB and --moving GLOB",
                found=images[:200],
            )
        self.lines.append(f"fixed is {roles[0]}, moving {roles[1]}: --fixed, --moving change it")
        self.lines += [f"pair: {self.name(a)} (fixed), {self.name(b)} (moving)" for a, b in best]
        for path in tags.keys() - {image for pair in best for image in pair}:
            text = f"left out: {self.name(path)} has no partner"
            self.lines.append(f"{text}; --fixed or --moving '{self.name(path)}' takes it")
        return best


def new_data(folder: Path, target: Path, name: str, globs: Mapping[str, str | None]) -> list[str]:
    """Write what is needed to run a folder, and return what was assumed.

    Args:
        folder: of NIfTI files or DICOM series; one with a Learn2Reg dataset JSON gets a config.
        target: folder to write: the listing of pairs, the images or a link to them, a config.
        name: of the config.
        globs: as of `Look`.

    Raises:
        BadInput: no pair is found, the target is there already, or the name is none of a config.
    """
    if not re.fullmatch("[a-z0-9][a-z0-9-]*", name):
        raise BadInput("--name", expected="lower-case letters, digits and hyphens", found=name)
    if not folder.is_dir():
        raise BadInput("is not a folder", file=folder)
    if target.exists() or target.is_symlink():
        raise BadInput("is there already", file=target, expected="a new folder (--output, --name)")
    folder, target = folder.resolve(), target.absolute()
    for file in sorted(folder.glob("*_dataset.json")):
        read_layout(file)
        _write_config(target, name, "learn2reg", {"path": str(file)})
        return [f"{file.name}: a data set in the Learn2Reg layout"]
    with tempfile.TemporaryDirectory() as scratch:
        look = Look(folder, globs)
        if not any(path.name.endswith(NIFTI) for path in folder.rglob("*")):
            look.folder = Path(scratch)
            look.lines += _from_dicom(folder, look.folder)
        cases = look.pairs()
        target.mkdir(parents=True)
        if look.folder == folder:
            (target / "files").symlink_to(folder)
        else:
            shutil.copytree(scratch, target / "files")
    rows = [_row(look, case) for case in cases]
    labels = {str(value): f"label {value}" for value in sorted(look.values)}
    if (folder / "imagesTr").is_dir():
        entries = {row[role]: _listed(row, role) for row in rows for role in ("fixed", "moving")}
        pairs = [{role: row[role] for role in ("fixed", "moving")} for row in rows]
        content = {"name": name, "labels": labels, "training": list(entries.values())}
        file = target / f"{name}_dataset.json"
        write_json(file, {**content, "registration_test": pairs})
        _write_config(target, name, "learn2reg", {"path": str(file), "follow_links": True})
        return look.lines
    text = io.StringIO()
    writer = csv.DictWriter(text, sorted({column for row in rows for column in row}))
    writer.writeheader()
    writer.writerows(rows)
    write_text(target / "pairs.csv", text.getvalue())
    settings = {"path": str(target / "pairs.csv"), "labels": labels, **_recipe(look, cases)}
    _write_config(target, name, "paired_folder", settings)
    return look.lines


def _row(look: Look, case: Case) -> dict[str, str]:
    """A pair in the columns of a listing."""
    return {
        role if kind == "image" else f"{role}_{kind}": f"files/{look.name(path)}"
        for role, entry in (("fixed", case.fixed), ("moving", case.moving))
        for kind, path in entry.by_kind.items()
    }


def _listed(row: Mapping[str, str], role: str) -> dict[str, str]:
    """An image of a pair as an entry of a dataset JSON."""
    names = {"image": role, "label": f"{role}_labels", "landmarks": f"{role}_landmarks"}
    return {key: row[column] for key, column in names.items() if column in row}


def _recipe(look: Look, cases: list[Case]) -> dict[str, Any]:
    """The settings of the preparation that differ from the defaults."""
    settings: dict[str, Any] = {}
    grids = [[look.volumes[e.image] for e in (case.fixed, case.moving)] for case in cases]
    if all(_same_grid(*pair) for pair in grids):
        look.lines.append("fixed and moving share a grid: alignment: none")
        settings["alignment"] = "none"
    ct = {role: all(look.is_ct(getattr(c, role).image) for c in cases) for role in ROLES[0]}
    if ct["fixed"] != ct["moving"]:
        role = "fixed" if ct["fixed"] else "moving"
        look.lines.append(f"{role} is CT: {role}_intensity {WINDOW}, soft tissue")
        settings[f"{role}_intensity"] = WINDOW
    return settings


def _write_config(target: Path, name: str, plugin: str, settings: dict[str, Any]) -> None:
    content = {
        "name": name,
        "datasets": {name: {"plugin": plugin, "settings": settings}},
        "tasks": {name: {"dataset": name}},
        "methods": ["identity", "syn"],
    }
    head = "# Written by `regbench new-data`: a start. docs/own-data.md says what else to set.\n"
    write_text(target / f"{name}.yaml", head + yaml.safe_dump(content, sort_keys=False))


def _from_dicom(folder: Path, target: Path) -> list[str]:
    """Write every DICOM series below a folder as NIfTI, named by its folder and modality."""
    try:
        import SimpleITK as sitk
    except ImportError as error:
        raise BadInput(
            "holds no NIfTI file; DICOM series need SimpleITK",
            file=folder,
            expected="pip install SimpleITK",
        ) from error
    sitk.ProcessObject.SetGlobalWarningDisplay(False)
    lines = []
    for place in [folder, *sorted(path for path in folder.rglob("*") if path.is_dir())]:
        for number, series in enumerate(sitk.ImageSeriesReader.GetGDCMSeriesIDs(str(place))):
            files = sitk.ImageSeriesReader.GetGDCMSeriesFileNames(str(place), series)
            try:
                modality = sitk.ReadImage(files[0]).GetMetaData("0008|0060").strip().lower()
                words = [*place.relative_to(folder).parts, modality, *["s"] * bool(number)]
                name = "_".join(words) + f"{number}" * bool(number)
                sitk.WriteImage(sitk.ReadImage(files), str(target / f"{name}.nii.gz"))
                lines.append(f"DICOM: {len(files)} files of {place} are {name}.nii.gz")
            except RuntimeError as error:
                reason = str(error).strip().splitlines()[-1]
                lines.append(f"left out: DICOM series of {place}: {reason}")
    return lines


def _by_key(images: Iterable[Path], keys: Mapping[Path, Any]) -> dict[Any, Path]:
    """Key to its image, without keys of several images."""
    known = [keys[image] for image in images]
    return {keys[image]: image for image in images if known.count(keys[image]) == 1}


def _same_grid(image: Volume, other: Volume) -> bool:
    return image.shape == other.shape and np.allclose(image.affine, other.affine, atol=1e-2)
