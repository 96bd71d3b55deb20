"""Checkpoints: written whole or not at all, loaded only as tensors and plain values."""

import os
import pickle
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import IO, Any

import torch

from regbench.base.errors import BadInput
from regbench.base.files import writing

FORMAT = "regbench-checkpoint-1"


def save(file: Path, content: dict[str, Any]) -> None:
    """Write tensors and plain values, atomically."""
    with writing(file) as opened:
        save_to(opened, content)


def save_to(opened: IO[bytes], content: dict[str, Any]) -> None:
    """Write tensors and plain values, into an archive that bears no file's name."""
    torch.save({"format": FORMAT, **content}, opened)


def load(file: Path) -> dict[str, Any]:
    """Read what `save` wrote.

    Raises:
        BadInput: the file is missing, truncated or not a checkpoint of this project, or it holds
            objects (a pickle could run code; it is refused, not executed).
    """
    with _reading(file):
        content = torch.load(file, map_location="cpu", weights_only=True)
    if not isinstance(content, dict) or content.get("format") != FORMAT:
        raise BadInput("is not a checkpoint of this project", file=file, expected=FORMAT)
    return content


def load_record(file: Path) -> dict[str, Any]:
    """What a checkpoint says of its training: texts and numbers; nothing where it has no record.

    Raises:
        BadInput: as `load`; or the record holds anything else.
    """
    record = load(file).get("record", {})
    plain = isinstance(record, dict) and all(
        isinstance(key, str) and isinstance(value, str | int | float) and len(str(value)) <= 200
        for key, value in record.items()
    )
    if not plain:
        raise BadInput("has a bad record", file=file, expected="names of short texts and numbers")
    return dict(record)


def read_weights(file: Path, identity: Mapping[str, Any]) -> dict[str, torch.Tensor]:
    """The weights of a checkpoint, in full or half precision.

    Args:
        file: the checkpoint.
        identity: plugin and network settings, which must equal the checkpoint's.

    Raises:
        BadInput: as `load`; or the checkpoint is of another method or variant.
    """
    content = load(file)
    if content.get("identity") != identity:
        raise BadInput(
            "is of another method or variant",
            file=file,
            expected=identity,
            found=content.get("identity"),
        )
    return dict(content["network"])


def fill(network: torch.nn.Module, file: Path, read: Callable[[Path], Any]) -> None:
    """Load the weights that `read` finds in a file into a network.

    Raises:
        BadInput: the file cannot be read, holds objects, or its tensors do not fit.
    """
    with _reading(file):
        weights = read(file)
    try:
        network.load_state_dict(weights)
    except (RuntimeError, TypeError, AttributeError) as error:
        raise BadInput("does not fit the network", file=file, found=str(error)) from error


@contextmanager
def _reading(file: Path) -> Iterator[None]:
    """One line for what goes wrong. A plugin's own `torch.load` unpickles no objects, either."""
    if not file.is_file():
        raise BadInput("no such checkpoint", file=file)
    os.environ["TORCH_FORCE_WEIGHTS_ONLY_LOAD"] = "1"
    try:
        yield
    except BadInput:
        raise
    except pickle.UnpicklingError as error:
        raise BadInput(
            "holds objects and is refused", file=file, expected="tensors and plain values"
        ) from error
    except (RuntimeError, OSError, ValueError, EOFError, KeyError) as error:
        raise BadInput(
            "is truncated or no checkpoint", file=file, found=str(error)[:200]
        ) from error
