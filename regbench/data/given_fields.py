"""A folder of ready-made displacement fields, called by the pairs that they belong to."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from regbench.base.errors import BadInput
from regbench.data.field_names import ENDINGS


def given_folder(settings: Mapping[str, Any]) -> Path:
    """The setting `folder` of a method that takes ready-made fields.

    Raises:
        BadInput: it is empty or no text.
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
    found = (p for ending in ENDINGS for p in Path(folder).glob(f"disp_*{ending}"))
    return sorted(path for path in found if path.is_file())
