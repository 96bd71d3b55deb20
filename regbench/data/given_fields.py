"""A folder of ready-made displacement fields, called by the pairs that they belong to."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from regbench.errors import BadInput


def field_names(fixed_stem: str, moving_stem: str) -> tuple[str, str]:
    """Learn2Reg's two names of a pair's field: whole stems, or case and modality numbers alone.

    `disp_AbdomenMRCT_0001_0000_AbdomenMRCT_0001_0001.nii.gz`, `disp_0001_0000_0001_0001.nii.gz`.
    """
    pairs = ((fixed_stem, moving_stem), (_numbers(fixed_stem), _numbers(moving_stem)))
    long, short = (f"disp_{fixed}_{moving}.nii.gz" for fixed, moving in pairs)
    return long, short


def given_folder(settings: Mapping[str, Any]) -> Path:
    """The setting `folder` of a method that takes ready-made fields.

    Raises:
        BadInput: it is empty or no text.
    """
    folder = settings["folder"]
    if not isinstance(folder, str) or not folder:
        raise BadInput(
            "the setting folder names no folder",
            expected="settings: {folder: PATH}, with disp_*.nii.gz in it",
            found=repr(folder),
        )
    return Path(folder)


def list_fields(settings: Mapping[str, Any]) -> list[Path]:
    """Every field of that folder; none where there is no such folder."""
    folder = settings["folder"]
    if not isinstance(folder, str) or not folder:
        return []
    return sorted(path for path in Path(folder).glob("disp_*.nii.gz") if path.is_file())


def find_field(folder: Path, fixed_stem: str, moving_stem: str) -> Path:
    """The file of a pair's field; the long name comes before the short one.

    Args:
        folder: of the fields.
        fixed_stem, moving_stem: the two images' file names without `.nii.gz`.

    Raises:
        BadInput: there is no such folder, or neither file in it.
    """
    if not folder.is_dir():
        raise BadInput("is not a folder", file=folder, expected="disp_*.nii.gz in it")
    names = field_names(fixed_stem, moving_stem)
    for name in names:
        if (folder / name).is_file():
            return folder / name
    raise BadInput("no displacement field", file=folder, expected=" or ".join(names))


def _numbers(stem: str) -> str:
    return "_".join(stem.rsplit("_", 2)[1:])
