"""Displacement fields by their Learn2Reg names: names alone, no file is opened."""

import re
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from regbench.base.errors import BadInput

ENDINGS = (".nii.gz", ".npz")
_NUMBERED = re.compile(r"(?:.*_)?(\d+)_(\d+)")


def numbers(stem: str) -> tuple[str, str] | None:
    """Case and modality number at the end of an image's stem (`LungCT_0001_0000`), or None."""
    match = _NUMBERED.fullmatch(stem)
    return (match[1], match[2]) if match else None


def pair_id(fixed: str, moving: str) -> str:
    """What a pair is called, by the two images' stems."""
    return f"{fixed}_{moving}"


def field_stems(fixed: str, moving: str) -> list[str]:
    """The names that a pair's field may have, without ending, by the two images' stems.

    `disp_<fixed stem>_<moving stem>`; with case and modality numbers alone; with case numbers
    alone, where they are unambiguous: equal modalities, or fixed 0 and moving 1.
    """
    names = [f"disp_{pair_id(fixed, moving)}"]
    one, two = numbers(fixed), numbers(moving)
    if one and two:
        names.append(f"disp_{'_'.join(one)}_{'_'.join(two)}")
        modalities = int(one[1]), int(two[1])
        if modalities[0] == modalities[1] or modalities == (0, 1):
            names.append(f"disp_{one[0]}_{two[0]}")
    return list(dict.fromkeys(names))


def kit_stem(fixed: str, moving: str) -> str:
    """The name under which the challenge's evaluation looks for a pair's field.

    It is the shortest unambiguous one; for images without numbers it holds their stems.
    """
    return field_stems(fixed, moving)[-1]


def field_files(folder: Path, fixed: str, moving: str) -> list[str]:
    """The names under which a folder holds a pair's field; there should be one."""
    names = [f"{stem}{ending}" for stem in field_stems(fixed, moving) for ending in ENDINGS]
    return [name for name in names if (folder / name).is_file()]


def find_field(folder: Path, fixed: str, moving: str) -> Path:
    """The file of a pair's field in a folder of predictions.

    Raises:
        BadInput: no such folder, no field, more than one, or a link that leaves the folder.
    """
    if not folder.is_dir():
        raise BadInput("is not a folder", file=folder, expected="disp_* in it")
    names = field_files(folder, fixed, moving)
    if not names:
        raise BadInput(
            "no displacement field",
            file=folder,
            expected=" or ".join(field_stems(fixed, moving)) + " with .nii.gz or .npz",
        )
    if len(names) > 1:
        raise BadInput(
            "more than one displacement field of a pair", file=folder, found=" and ".join(names)
        )
    path = folder / names[0]
    if not path.resolve().is_relative_to(folder.resolve()):
        raise BadInput("is a link that leaves the folder", file=path, found=path.resolve())
    return path


def given_folder(settings: Mapping[str, Any]) -> Path:
    """The setting `folder` of a method that takes ready-made fields.

    Raises:
        BadInput: it is empty or not text.
    """
    folder = settings["folder"]
    if not isinstance(folder, str) or not folder:
        raise BadInput(
            "the setting folder names no folder",
            expected="settings: {folder: PATH}, with disp_*.nii.gz or .npz in it",
            found=repr(folder),
        )
    return Path(folder)


def list_fields(settings: Mapping[str, Any]) -> list[Path]:
    """Every field of that folder; none where there is no such folder."""
    folder = settings["folder"]
    if not isinstance(folder, str) or not folder:
        return []
    paths = (path for ending in ENDINGS for path in Path(folder).glob(f"disp_*{ending}"))
    return sorted(path for path in paths if path.is_file())
