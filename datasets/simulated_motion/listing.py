"""The pairs of a folder of images, by their file names. No image is opened."""

from pathlib import Path
from typing import Any

from regbench.base.errors import BadInput
from regbench.data.dataset_json import VOLUME_ENDINGS, without_ending
from regbench.data.layout import Case, Entry, Layout, named_path

from .settings import SimulatedSettings, read_settings

SPLITS = ("training", "validation", "test")


def pairs(settings: dict[str, Any]) -> Layout:
    """Each image of the folder as fixed, with the moved copies that will be made of it.

    The first images train, the next ones validate, the others test: no image is in two splits. The
    moving images and the true fields have names and do not exist.

    Raises:
        BadInput: no such folder, no image in it, fewer images than the splits ask for, no label
            map where the setting says, or a bad setting.
    """
    known = read_settings(settings)
    root = named_path(settings, "a folder of images")
    if not root.is_dir():
        raise BadInput("is not a folder", file=root, expected="a folder of NIfTI files")
    entries = _entries(root, known)
    kept = known.training + known.validation
    if kept >= len(entries):
        raise BadInput(
            "too few images for the splits",
            file=root,
            expected=f"more than {kept} (settings training and validation)",
            found=len(entries),
        )
    ends = (0, known.training, kept, len(entries))
    cases = {
        split: tuple(
            _case(root, entry, number)
            for entry in entries[first:last]
            for number in range(1, known.pairs_per_image + 1)
        )
        for split, first, last in zip(SPLITS, ends[:-1], ends[1:], strict=True)
    }
    stems = [case.moving.stem for members in cases.values() for case in members]
    if twice := {stem for stem in stems if stems.count(stem) > 1}:
        raise BadInput("two images have one name", file=root, found=min(twice))
    names = {int(value): name for value, name in known.label_names.items()}
    layout = Layout(root, root.resolve().name, (0, 1), names, cases)
    bare = sum(entry.labels is None for entry in entries) if known.labels else 0
    return layout.with_geometry(known.geometry).remarked(
        f"simulated motion: mean displacement {known.amplitude_mm:g} mm, scale"
        f" {known.scale_mm:g} mm, noise {known.noise:g}, contrast {known.contrast:g}"
        f"{', inverted' if known.invert else ''}",
        *([f"{bare} of {len(entries)} images have no label map"] if bare else []),
    )


def _entries(root: Path, known: SimulatedSettings) -> list[Entry]:
    pattern = Path(known.images)
    if pattern.is_absolute() or ".." in pattern.parts or not known.images:
        raise BadInput(
            "setting images leaves the folder", expected="a pattern in it", found=known.images
        )
    found = [
        path
        for path in sorted(root.glob(known.images))
        if path.is_file() and path.name.endswith(VOLUME_ENDINGS) and path.name[0] != "."
    ]
    maps = {path: _labels(root, path, known.labels) for path in found}
    images = [path for path in found if path not in maps.values()]
    if not images:
        raise BadInput(
            "holds no images", file=root, expected=f"NIfTI files {known.images} (setting images)"
        )
    if known.labels and not any(maps[image] for image in images):
        raise BadInput(
            "no image has a label map",
            file=root,
            expected=f"one in {known.labels} (setting labels) for {images[0].name}",
        )
    return [Entry(image, labels=maps[image], modality=0) for image in images]


def _labels(root: Path, image: Path, where: str) -> Path | None:
    """The label map of an image, if there is one."""
    if not where:
        return None
    name = without_ending(image.relative_to(root).as_posix())
    text = where.replace("{image}", name) if "{image}" in where else f"{where}/{name}"
    base = root / without_ending(text)
    options = [base.with_name(base.name + ending) for ending in VOLUME_ENDINGS]
    return next((path for path in options if path.is_file() and path != image), None)


def _case(root: Path, entry: Entry, number: int) -> Case:
    name = without_ending(entry.image.relative_to(root).as_posix()).replace("/", "-")
    moved = root / f"{name}-moved-{number}.nii.gz"
    return Case(entry, Entry(moved, modality=1), true_field=root / f"{name}-field-{number}.nii.gz")
