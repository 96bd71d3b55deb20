"""The files that a dataset JSON names, as they are called on disk. No file is opened."""

import os
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path

from regbench.base.errors import BadInput
from regbench.base.files import printable
from regbench.data.dataset_json import (
    ANNOTATIONS,
    POINT_ENDINGS,
    VOLUME_ENDINGS,
    DatasetJson,
    without_ending,
)


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


class ListedFiles:
    """The images of a dataset JSON with all their files.

    Args:
        content: the JSON.
        landmark_set: the one set of landmarks to use; empty: all.

    Attributes:
        remarks: what is listed and not there.

    Raises:
        BadInput: no image has that set of landmarks.
    """

    def __init__(self, content: DatasetJson, landmark_set: str = "") -> None:
        self.content = content
        self.remarks: list[str] = []
        self._names: dict[Path, frozenset[str]] = {}
        self._images: dict[str, ListedImage] = {}
        self._sets = content.landmark_sets
        if landmark_set:
            if landmark_set not in self._sets:
                expected = f"one of {', '.join(self._sets) or '(it has none)'}"
                raise content.error(f"no image has the landmarks {landmark_set}", expected)
            self._sets = [landmark_set]

    def pairs(self, key: str) -> list[tuple[ListedImage, ListedImage]]:
        """Fixed and moving image of each pair that a field lists."""
        return [
            (self._image(one, f"{where}.{role}"), self._image(two, f"{where}.{other}"))
            for where, ((role, one), (other, two)) in self.content.pairs(key)
        ]

    def unpaired(self) -> list[ListedImage]:
        """The training images of a data set whose training pairs are any two of them."""
        return [self._image(text, f"training: {text}") for text in self.content.unpaired]

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
        common = [name for name in self._sets if name in there and all(name in f for f in pair)]
        whole = [name for name in common if all(self.exists(files[name]) for files in pair)]
        return next(iter([*whole, *common]), None)

    def _image(self, text: str, where: str) -> ListedImage:
        """An image with its annotations: listed ones first, then provided ones."""
        path = self._file(text, where, VOLUME_ENDINGS)
        place = without_ending(text)
        if place not in self._images:
            stem = Path(place).name
            suffix = "Ts" if path.parent.name.endswith("Ts") else "Tr"
            files = {}
            for kind, name in self.content.annotations(place, stem).items():
                if kind in ANNOTATIONS:
                    _, folder, ending = ANNOTATIONS[kind]
                    endings = VOLUME_ENDINGS
                elif kind in self._sets:
                    folder, ending, endings = kind, ".csv", POINT_ENDINGS
                else:
                    continue
                name = name or f"{folder}{suffix}/{stem}{ending}"
                files[kind] = self._file(name, f"{kind} of {stem}", endings)
            self._images[place] = ListedImage(path, self.content.modality(place, stem), files)
        return self._images[place]

    def _file(self, text: str, where: str, endings: tuple[str, ...]) -> Path:
        """A named file; where it is not there, one of that name with the ending of its kind."""
        path = inside_folder(text, self.content.file, where)
        base = without_ending(path.name)
        # Published files name one kind by the ending of the other.
        wrong = POINT_ENDINGS if endings == VOLUME_ENDINGS else VOLUME_ENDINGS
        named = [path, *(path.with_name(base + ending) for ending in endings)]
        fit = [option for option in named if not option.name.endswith(wrong)]
        return next(filter(self.exists, fit), fit[0])
