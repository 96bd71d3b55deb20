"""Preparing the lung pairs of Learn2Reg 2020."""

from pathlib import Path
from typing import Any

from regbench.data.prepare.dataset import prepare_pairs

from .listing import pairs

NOT_THE_PAPERS = (
    "not the paper's split: the record is the challenge's training data; without its separate test"
    " record the last training pairs are measured"
)


def prepare(settings: dict[str, Any], file: Path) -> None:
    """Prepare the pairs of the record into the data set whose JSON is `file`.

    Raises:
        BadInput: no such folder, or a setting is wrong. A broken image is a problem of its pair.
    """
    remarks = [] if settings.get("test_path") else [NOT_THE_PAPERS]
    prepare_pairs(pairs(settings), settings, file, remarks=remarks)
