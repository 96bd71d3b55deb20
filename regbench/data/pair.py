"""A pair of images with all annotations in memory, read from its files and checked."""

from collections.abc import Iterable
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from regbench.base.errors import BadInput
from regbench.data.landmarks import landmarks_of_pair, read_landmarks
from regbench.data.layout import Case, Entry, Layout
from regbench.spatial.field import Field
from regbench.spatial.nifti import check_geometry, check_shape, read_shape, read_volume
from regbench.spatial.volume import Volume


@dataclass(frozen=True)
class Side:
    """One image of a pair.

    Attributes:
        image: intensities.
        labels: label map on the image's grid.
        mask: region of interest on the image's grid.
        landmarks: (n, 3) voxel coordinates; row i of both sides is the same anatomical point.
    """

    image: Volume
    labels: Volume | None = None
    mask: Volume | None = None
    landmarks: NDArray[np.float64] | None = None


@dataclass(frozen=True)
class Pair:
    """Two images of one patient: `sides[0]` is fixed in the data set's own direction.

    Attributes:
        sides: modality 0 and modality 1.
        fields: where known, the true fields: `fields[k]` has `sides[k]` fixed and the other moving.
        notes: what is worth keeping about the pair, for the data set's own report; JSON-able.
    """

    sides: tuple[Side, Side]
    fields: tuple[Field, Field] | None = None
    notes: dict[str, Any] = field(default_factory=dict)


def read_image(entry: Entry) -> Volume:
    """An entry's image; a constant one is refused, since nothing in it can be registered."""
    volume = read_volume(entry.image)
    if volume.data.min() == volume.data.max():
        raise BadInput(
            "is a constant image",
            file=entry.image,
            expected="varying intensities",
            found=f"{volume.data.flat[0]:g} everywhere",
        )
    return volume


def read_side(entry: Entry, *, trusted: bool = False) -> Side:
    """All files of an entry; labels and mask must have the image's shape, and its place, too.

    `trusted`: what the headers say of the place is not looked at.
    """
    side = _read_volumes(entry, trusted=trusted)
    if entry.landmarks is None:
        return side
    return replace(side, landmarks=read_landmarks(entry.landmarks, entry.image))


def read_pair(case: Case, *, prepared: bool = True) -> tuple[Side, Side]:
    """All files of a case. Row i of both landmarks is one anatomical point.

    Args:
        case: the pair.
        prepared: the pair is on one grid: the images' shapes must be equal, and moving landmarks
            may lie outside.

    Raises:
        BadInput: a file is broken, or does not fit the others.
    """
    trusted = prepared or case.trusted
    fixed, moving = (_read_volumes(s, trusted=trusted) for s in (case.fixed, case.moving))
    if prepared:
        what = "fixed and moving image differ in shape"
        check_shape(case.moving.image, fixed.image.shape, what)
    one, two = landmarks_of_pair(case, prepared=prepared)
    return replace(fixed, landmarks=one), replace(moving, landmarks=two)


def _read_volumes(entry: Entry, *, trusted: bool) -> Side:
    if not trusted:
        check_geometry(entry.image)
    image = read_image(entry)
    maps = {}
    for kind in ("labels", "mask"):
        path = entry.by_kind.get(kind)
        if path is not None:
            # The header decides: a file that does not fit is not unpacked.
            check_shape(path, image.shape, f"the {kind} do not fit the image")
            if not trusted:
                check_geometry(path, entry.image, kind)
            maps[kind] = read_volume(path, labels=True)
    return Side(image, maps.get("labels"), maps.get("mask"))


def check_links(case: Case, layout: Layout) -> None:
    """Refuse a case with a file that is a link out of the data set's folder.

    An unpacked archive may hold links to anything. Layouts that this project prepared hold links
    to the user's files, and are left alone.

    Raises:
        BadInput: it names the link and its target.
    """
    if layout.prepared:
        return
    root = layout.file.parent.resolve()
    for path in case.files:
        try:
            target = path.resolve()
        except (OSError, RuntimeError) as error:
            raise BadInput("is a link that leads nowhere", file=path) from error
        if not target.is_relative_to(root):
            raise BadInput(
                "is a link that leaves the data set's folder",
                file=path,
                expected="a file in it, or --follow-links (in a config: follow_links)",
                found=target,
            )


def names_of_labels(maps: Iterable[Volume | None]) -> dict[int, str]:
    """Every label of these label maps, named by its number; the background is left out."""
    found = (np.unique(volume.data) for volume in maps if volume is not None)
    return {int(label): str(int(label)) for labels in found for label in labels if label > 0}


def labels_of(layout: Layout, cases: Iterable[Case], *, follow_links: bool) -> dict[int, str]:
    """The same of all label maps of these cases. A broken file is left to its own case."""
    names: dict[int, str] = {}
    seen: set[Path] = set()
    for case in cases:
        try:
            if not follow_links:
                check_links(case, layout)
            for entry in (case.fixed, case.moving):
                if entry.labels is not None and entry.labels not in seen:
                    seen.add(entry.labels)
                    shape = read_shape(entry.image)
                    check_shape(entry.labels, shape, "the labels do not fit the image")
                    names |= names_of_labels([read_volume(entry.labels, labels=True)])
        except BadInput:
            continue
    return names
