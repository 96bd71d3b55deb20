"""A task whose learned methods are trained on another task takes over their checkpoints."""

from pathlib import Path
from typing import Any

from regbench.base.files import read_json, write_bytes
from regbench.base.paths import CHECKPOINT, TRAINING


def borrow(source: Path, folder: Path, task: str) -> dict[str, Any]:
    """The training record of a run, with the checkpoint of the same run on another task.

    Args:
        source: folder of that run and seed, trained.
        folder: of this one; the checkpoint is copied here.
        task: the task that it was trained on, for the record.
    """
    record: dict[str, Any] = read_json(source / TRAINING) | {"trained_on": task}
    if record["outcome"] == "ok" and Path(record["checkpoint"]) == source / CHECKPOINT:
        write_bytes(folder / CHECKPOINT, (source / CHECKPOINT).read_bytes())
        record["checkpoint"] = str(folder / CHECKPOINT)
    return record
