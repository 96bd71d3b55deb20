"""Reading the files of a case with the checks that they and a pair must pass."""

from pathlib import Path

from regbench.base.errors import BadInput
from regbench.data.landmarks import check_inside, read_landmarks
from regbench.data.layout import Case, Entry, Layout
from regbench.data.pair import Side
from regbench.spatial.nifti import check_shape, read_volume
from regbench.spatial.volume import Volume


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


def read_side(entry: Entry) -> Side:
    """All files of an entry; labels and mask must have the image's shape."""
    image = read_image(entry)
    parts = {}
    for kind in ("labels", "mask"):
        path = getattr(entry, kind)
        if path is not None:
            # By its header: what does not fit is not unpacked.
            check_shape(path, image.shape, f"the {kind} do not fit the image")
            parts[kind] = read_volume(path, labels=True)
    landmarks = read_landmarks(entry.landmarks) if entry.landmarks is not None else None
    return Side(image, parts.get("labels"), parts.get("mask"), landmarks)


def check_pair(fixed: Side, moving: Side, case: Case) -> None:
    """What only the two together show: equal shapes, equally many landmarks."""
    if fixed.image.shape != moving.image.shape:
        raise BadInput(
            "fixed and moving image differ in shape",
            file=case.moving.image,
            expected=fixed.image.shape,
            found=moving.image.shape,
        )
    check_landmarks(fixed, moving, case)


def check_landmarks(fixed: Side, moving: Side, case: Case) -> None:
    """Landmarks of a pair: equally many, and those of the fixed image inside it."""
    if fixed.landmarks is not None and moving.landmarks is not None:
        counts = len(fixed.landmarks), len(moving.landmarks)
        if counts[0] != counts[1]:
            raise BadInput(
                "fixed and moving landmarks differ in number",
                file=case.moving.landmarks,
                expected=counts[0],
                found=counts[1],
            )
        check_inside(fixed.landmarks, fixed.image.shape, case.fixed.landmarks, "fixed")


def check_links(case: Case, layout: Layout) -> None:
    """Refuse a case one of whose files is a link that leaves the data set's folder.

    An unpacked archive may hold links to anything. Layouts that this project prepared hold links
    to the user's files, and are left alone.

    Raises:
        BadInput: the link, and where it leads.
    """
    if layout.prepared:
        return
    root = layout.file.parent.resolve()
    for path in case.files:
        target = _target(path)
        if not target.is_relative_to(root):
            raise BadInput(
                "is a link that leaves the data set's folder",
                file=path,
                expected="a file in it, or --follow-links (in a config: follow_links)",
                found=target,
            )


def _target(path: Path) -> Path:
    try:
        return path.resolve()
    except (OSError, RuntimeError) as error:
        raise BadInput("is a link that leads nowhere", file=path) from error
