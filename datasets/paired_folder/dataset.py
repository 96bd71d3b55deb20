"""Preparing the pairs of a folder."""

from pathlib import Path
from typing import Any

from regbench.data.prepare.dataset import prepare_pairs

from .listing import pairs


def prepare(settings: dict[str, Any], file: Path) -> None:
    """Prepare the listed pairs into the data set whose JSON is `file`.

    Raises:
        BadInput: the listing or a setting is wrong. A broken image is a problem of its pair.
    """
    prepare_pairs(pairs(settings), settings, file)
