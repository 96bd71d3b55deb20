"""The files of a pair's displacement field: by Learn2Reg's names, or by patterns of a setting."""

import glob
import re
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from regbench.base.errors import BadInput

ENDINGS = (".nii.gz", ".npz", ".h5", ".nrrd", ".dat", ".tfm", ".txt", ".mat")
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
    alone, where they are unambiguous: equal modalities, or fixed 0 and moving 1. The last one,
    the shortest, is that which the challenge's evaluation looks for.
    """
    names = [f"disp_{pair_id(fixed, moving)}"]
    one, two = numbers(fixed), numbers(moving)
    if one and two:
        names.append(f"disp_{'_'.join(one)}_{'_'.join(two)}")
        modalities = int(one[1]), int(two[1])
        if modalities[0] == modalities[1] or modalities == (0, 1):
            names.append(f"disp_{one[0]}_{two[0]}")
    return list(dict.fromkeys(names))


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
    _check_inside(folder, path)
    return path


def _check_inside(folder: Path, path: Path) -> None:
    if not path.resolve().is_relative_to(folder.resolve()):
        raise BadInput("is a link that leaves the folder", file=path, found=path.resolve())


def given_transforms(settings: Mapping[str, Any], fixed: str, moving: str) -> list[str]:
    """A pair's transforms, for `read_transforms`, where a method takes ready-made fields.

    Args:
        settings: `folder`, and `files`: patterns with `{fixed}` and `{moving}`, in which `[FILE,1]`
            is an inverse. Without patterns it is the pair's `disp_*`.
        fixed, moving: the images' stems.

    Raises:
        BadInput: a setting is wrong, a file is missing, or a link leaves the folder.
    """
    name = settings["folder"]
    if not isinstance(name, str) or not name:
        raise BadInput(
            "the setting folder names no folder",
            expected="settings: {folder: PATH}, with disp_*.nii.gz or .npz in it",
            found=repr(name),
        )
    folder = Path(name).absolute()
    patterns = _patterns(settings)
    if not patterns or not folder.is_dir():
        return [str(find_field(folder, fixed, moving))]
    names = [
        str(name).replace("{fixed}", fixed).replace("{moving}", moving) for name, _ in patterns
    ]
    missing = [name for name in names if not (folder / name).is_file()]
    if missing:
        raise BadInput("lacks files of a pair", file=folder, expected=", ".join(missing))
    paths = [folder / name for name in names]
    for path in paths:
        _check_inside(folder, path)
    return [f"[{p},1]" if turn else str(p) for p, (_, turn) in zip(paths, patterns, strict=True)]


def _patterns(settings: Mapping[str, Any]) -> list[tuple[Path, bool]]:
    """The setting `files`: each path in the folder, and whether its inverse is meant."""
    files = settings.get("files")
    if not files:
        return []
    # Here, not above: planning need not wait for SciPy.
    from regbench.spatial.transforms.read import named

    patterns = [named(str(file)) for file in files] if isinstance(files, list) else []
    if any(path.is_absolute() or ".." in path.parts or not path.name for path, _ in patterns):
        raise BadInput("the setting files leaves the folder", expected="paths in it", found=files)
    if not patterns:
        raise BadInput("the setting files is not a list", expected="[NAME, ...]", found=repr(files))
    return patterns


def list_fields(settings: Mapping[str, Any]) -> list[Path]:
    """Every file that such a method may read; none where there is no such folder."""
    folder = settings["folder"]
    if not isinstance(folder, str) or not folder:
        return []
    globs = [f"disp_*{ending}" for ending in ENDINGS]
    try:
        if patterns := _patterns(settings):
            # All that lies beside: a file of elastix may start from another one.
            parents = {glob.escape(str(path.parent)) for path, _ in patterns}
            globs = [re.sub(r"\{(fixed|moving)\}", "*", parent) + "/*" for parent in parents]
    except BadInput:
        # The cases will tell.
        return []
    found = {path for text in globs for path in Path(folder).glob(text) if path.is_file()}
    return sorted(found)
