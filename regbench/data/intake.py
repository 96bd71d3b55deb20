"""A first look at a folder of images: its pairs, what belongs to them, and a config to run them.

Names decide, then headers and intensities. Every assumption is a line for the user.
"""

import locale
import re
import shutil
import tempfile
from collections import Counter
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field, replace
from itertools import product
from pathlib import Path, PurePath
from typing import Any

import numpy as np
import pandas as pd
import yaml

from regbench.base.errors import BadInput
from regbench.base.files import write_json, write_text
from regbench.base.schemas import read_yaml
from regbench.data.dataset_json import POINT_ENDINGS
from regbench.data.landmarks import landmarks_of_pair
from regbench.data.layout import Case, Entry, read_layout
from regbench.data.point_files import read_points
from regbench.spatial.nifti import read_volume
from regbench.spatial.volume import Grid

#: Words of names: pairs of `roles`, of `labels`, and `other` words.
WORDS = read_yaml(Path(__file__).with_suffix(".yaml"))
SIDES = ("fixed", "moving")
NIFTI = (".nii", ".nii.gz")
#: The most values of a label map that its name does not call one.
FEW = 32
#: Intensities of air in a CT, and the least share of it.
AIR, SHARE = (-1100, -900), 0.02
#: What becomes 0 and 1 of a CT beside another modality: soft tissue.
WINDOW = {"window": [-150, 250]}


def new_data(folder: Path, target: Path, name: str, globs: Mapping[str, str | None]) -> list[str]:
    """Write what is needed to run a folder, and return what was assumed.

    Args:
        folder: of NIfTI files or DICOM series; one with a Learn2Reg dataset JSON gets a config.
        target: folder to write: the listing of pairs, the images or a link to them, a config.
        name: of the config.
        globs: patterns of the names of `fixed`, `moving`, `labels`, `landmarks`; None: guessed.

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
    if target.resolve().is_relative_to(folder):
        raise BadInput("lies in the folder of the data", file=target, expected="another --output")
    for file in sorted(folder.glob("*_dataset.json")):
        read_layout(file)
        _write_config(target, name, "learn2reg", {"path": str(file)})
        return [f"{file.name}: a data set in the Learn2Reg layout"]
    with tempfile.TemporaryDirectory() as scratch:
        look = _Look(folder, globs)
        if not any(path.name.endswith(NIFTI) for path in folder.rglob("*")):
            look.folder = Path(scratch)
            look.lines += _from_dicom(folder, look.folder)
        cases = look.cases()
        target.mkdir(parents=True)
        if look.folder == folder:
            (target / "files").symlink_to(folder)
        else:
            shutil.copytree(scratch, target / "files")
    labels = {str(value): f"label {value}" for value in sorted(look.values)}
    rows = [{key: f"files/{look.name(path)}" for key, path in _columns(case)} for case in cases]
    if (folder / "imagesTr").is_dir():
        file = target / f"{name}_dataset.json"
        keys = {"": "image", "_labels": "label", "_landmarks": "landmarks"}
        images = [
            {key: row[side + kind] for kind, key in keys.items() if side + kind in row}
            for row, side in product(rows, SIDES)
        ]
        pairs = [{side: row[side] for side in SIDES} for row in rows]
        content = {"name": name, "labels": labels, "training": images, "registration_test": pairs}
        write_json(file, content)
        _write_config(target, name, "learn2reg", {"path": str(file), "follow_links": True})
        return look.lines
    table = pd.DataFrame(rows).sort_index(axis="columns").to_csv(index=False)
    write_text(target / "pairs.csv", table)
    settings = {"path": str(target / "pairs.csv"), "labels": labels, **look.recipe(cases)}
    _write_config(target, name, "paired_folder", settings)
    return look.lines


@dataclass
class _Look:
    """What a folder holds: its images, label maps with their values, and what was assumed."""

    folder: Path
    globs: Mapping[str, str | None]
    images: dict[Path, Grid] = field(default_factory=dict)
    maps: dict[Path, tuple[Grid, set[int]]] = field(default_factory=dict)
    #: Images with air at -1000.
    air: set[Path] = field(default_factory=set)
    values: set[int] = field(default_factory=set)
    lines: list[str] = field(default_factory=list)

    def cases(self) -> list[Case]:
        """The pairs with their annotations."""
        files = sorted(path for path in self.folder.rglob("*") if path.is_file())
        for path in (path for path in files if path.name.endswith(NIFTI)):
            self._read(path)
        pairs = self._pairs({path: self._tags(path) for path in self.images})
        entries = {path: Entry(path) for path in self.images}
        for path, (grid, values) in self.maps.items():
            same = [image for image in self.images if _same(self.images[image], grid)]
            if self._give(path, same, "labels", entries):
                self.values |= values - {0}
        for path in (path for path in files if path.name.endswith(POINT_ENDINGS)):
            try:
                if self._is(path, "landmarks", True) and len(read_points(path).values):
                    self._give(path, self.images, "landmarks", entries)
            except BadInput as problem:
                self.lines.append(f"left out: {problem}")
        cases = [Case(entries[fixed], entries[moving]) for fixed, moving in pairs]
        for case in cases:
            try:
                landmarks_of_pair(case, prepared=False)
            except BadInput as problem:
                self.lines.append(f"warning: {problem}")
        return cases

    def recipe(self, cases: list[Case]) -> dict[str, Any]:
        """The settings of the preparation that differ from the defaults."""
        settings: dict[str, Any] = {}
        images = [(case.fixed.image, case.moving.image) for case in cases]
        if all(_same(self.images[fixed], self.images[moving]) for fixed, moving in images):
            self.lines.append("fixed and moving share a grid: alignment none")
            settings["alignment"] = "none"
        ct = [
            all("ct" in self._tags(image) for image in side) for side in zip(*images, strict=True)
        ]
        if ct[0] != ct[1]:
            role = SIDES[ct.index(True)]
            self.lines.append(f"{role} is CT: {role}_intensity {WINDOW}, soft tissue")
            settings[f"{role}_intensity"] = WINDOW
        return settings

    def name(self, path: Path) -> str:
        """A file in the folder, as globs see it."""
        return path.relative_to(self.folder).as_posix()

    def _is(self, path: Path, kind: str, otherwise: bool) -> bool:
        glob = self.globs[kind]
        return otherwise if glob is None else PurePath(self.name(path)).match(glob)

    def _words(self, path: Path) -> list[str]:
        stem = self.name(path).lower().replace("mri", "mr").removesuffix(".gz")
        return re.split(r"[^a-z0-9]+", re.sub(r"\.(nii|csv|fcsv|mrk.json|vtk|txt|pts)$", "", stem))

    def _key(self, path: Path) -> tuple[str, ...]:
        """The words that tell images from one another."""
        return tuple(w for w in self._words(path) if w not in WORDS["labels"] + WORDS["other"])

    def _tags(self, image: Path) -> tuple[str, ...]:
        """The key with the number at its end marked, and the modality where no word states it."""
        *key, last = self._key(image) or ("",)
        key.append(f"#{last}" if last.isdigit() else last)
        modality = "ct" if image in self.air else "mr"
        return tuple(key) if {"ct", "mr", "cbct"} & {*key} else (*key, modality)

    def _read(self, path: Path) -> None:
        """Tell an image from a label map."""
        named = self._is(path, "labels", not {*WORDS["labels"]}.isdisjoint(self._words(path)))
        try:
            volume = read_volume(path, labels=named)
        except BadInput as problem:
            self.lines.append(f"left out: {problem}")
            return
        values = np.unique(volume.data)
        whole = len(values) <= FEW and values[0] == 0 and not (values % 1).any()
        if named or (whole and self.globs["labels"] is None):
            self.maps[path] = volume.grid, {int(value) for value in values}
            return
        self.images[path] = volume.grid
        if ((volume.data >= AIR[0]) & (volume.data <= AIR[1])).mean() >= SHARE:
            self.air.add(path)

    def _give(
        self, path: Path, images: Iterable[Path], kind: str, entries: dict[Path, Entry]
    ) -> bool:
        """Give annotations to the image of the same words, or to the only one that fits."""
        found = [i for i in images if self._key(i) == self._key(path)] or list(images)
        if len(found) == 1 and kind not in entries[found[0]].by_kind:
            self.lines.append(f"{kind}: {self.name(path)} of {self.name(found[0])}")
            given: dict[str, Any] = {kind: path}
            entries[found[0]] = replace(entries[found[0]], **given)
            return True
        why = f"{self.name(found[0])} has some" if len(found) == 1 else f"{len(found)} images fit"
        self.lines.append(f"left out: {self.name(path)} ({kind}): {why}; see --{kind} GLOB")
        return False

    def _pairs(self, tags: Mapping[Path, tuple[str, ...]]) -> list[tuple[Path, Path]]:
        """The pairs of the two words that give most of them."""
        best: list[tuple[Path, Path]] = []
        roles, best_kind = SIDES, 2
        for kind, words in product(range(3), map(tuple, WORDS["roles"])):
            fixed = {i: t for i, t in tags.items() if self._is(i, "fixed", words[0] in t)}
            moving = {i: t for i, t in tags.items() if self._is(i, "moving", words[1] in t)}
            moving = {image: moving[image] for image in moving.keys() - fixed.keys()}
            one, two = (self._by_key(side, words, kind) for side in (fixed, moving))
            found = sorted((one[key], two[key]) for key in one.keys() & two.keys())
            # Looser keys are for folders where the others find nothing.
            if len(found) > len(best) and kind <= best_kind:
                best, best_kind, roles = found, kind, words
        if not best:
            raise BadInput(
                "cannot tell which images are fixed and which moving",
                file=self.folder,
                expected="--fixed GLOB and --moving GLOB",
                found=", ".join(map(self.name, tags))[:200] or "no image",
            )
        self.lines.append(f"fixed is {roles[0]}, moving {roles[1]}: --fixed, --moving change it")
        self.lines += [f"pair: {self.name(a)} (fixed), {self.name(b)} (moving)" for a, b in best]
        for path in sorted(tags.keys() - {image for pair in best for image in pair}):
            text = f"left out: {self.name(path)} has no partner"
            self.lines.append(f"{text}; --fixed or --moving '{self.name(path)}' takes it")
        return best

    def _by_key(
        self, tags: Mapping[Path, tuple[str, ...]], roles: Iterable[str], kind: int
    ) -> dict[Any, Path]:
        """What a pair has in common to its image; without what several images have.

        That is (`kind`) the words beside the roles, the words with numbers, or the first folder.
        """
        keys: dict[Path, tuple[str, ...]] = {}
        for image, words in tags.items():
            rest = tuple(word for word in words if word not in roles)
            numbers = tuple(word for word in rest if re.search(r"\d", word))
            keys[image] = (rest, numbers, image.relative_to(self.folder).parts[:-1][:1])[kind]
        counts = Counter(keys.values())
        return {key: image for image, key in keys.items() if counts[key] == 1}


def _columns(case: Case) -> list[tuple[str, Path]]:
    """The files of a pair under the columns of a listing."""
    sides = (("fixed", case.fixed), ("moving", case.moving))
    files = [(role, kind, path) for role, entry in sides for kind, path in entry.by_kind.items()]
    return [(role if kind == "image" else f"{role}_{kind}", path) for role, kind, path in files]


def _write_config(target: Path, name: str, plugin: str, settings: dict[str, Any]) -> None:
    datasets = {name: {"plugin": plugin, "settings": settings}}
    content = {"name": name, "datasets": datasets, "tasks": {name: {"dataset": name}}}
    content["methods"] = ["identity", "syn"]
    head = "# Written by `regbench new-data`: a start. docs/own-data.md says what else to set.\n"
    write_text(target / f"{name}.yaml", head + yaml.safe_dump(content, sort_keys=False))


def _from_dicom(folder: Path, target: Path) -> list[str]:
    """Write every DICOM series below a folder as NIfTI, named by its folder and modality."""
    try:
        import SimpleITK as sitk
    except ImportError as error:
        need = "NIfTI files, or for DICOM series: pip install SimpleITK"
        raise BadInput("holds no NIfTI file", file=folder, expected=need) from error
    sitk.ProcessObject.SetGlobalWarningDisplay(False)
    before, lines = locale.setlocale(locale.LC_ALL), []
    for place in [folder, *sorted(path for path in folder.rglob("*") if path.is_dir())]:
        for number, series in enumerate(sitk.ImageSeriesReader.GetGDCMSeriesIDs(str(place))):
            files = sitk.ImageSeriesReader.GetGDCMSeriesFileNames(str(place), series)
            try:
                modality = sitk.ReadImage(files[0]).GetMetaData("0008|0060")
                # It becomes a file's name.
                modality = re.sub("[^a-z0-9]", "", modality.lower())
                name = place.relative_to(folder) / f"{modality}{f'_{number}' * bool(number)}.nii.gz"
                (target / name).parent.mkdir(parents=True, exist_ok=True)
                sitk.WriteImage(sitk.ReadImage(files), str(target / name))
                lines.append(f"DICOM: {name} of {len(files)} files")
            except RuntimeError as error:
                reason = str(error).strip().splitlines()[-1]
                lines.append(f"left out: DICOM series of {place}: {reason}")
    # ITK has set that of the whole process to C.
    locale.setlocale(locale.LC_ALL, before)
    return lines


def _same(one: Grid, two: Grid) -> bool:
    return one.shape == two.shape and np.allclose(one.affine, two.affine, atol=1e-2)
