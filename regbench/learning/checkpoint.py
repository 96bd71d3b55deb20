"""Checkpoints: written whole or not at all, loaded only as tensors and plain values."""

import io
import pickle
from pathlib import Path
from typing import Any

import torch

from regbench.base.errors import BadInput
from regbench.base.files import write_bytes

FORMAT = "regbench-checkpoint-1"


def save(file: Path, content: dict[str, Any]) -> None:
    """Write tensors and plain values, atomically."""
    # A buffer, because torch writes a file's name into the archive.
    buffer = io.BytesIO()
    torch.save({"format": FORMAT, **content}, buffer)
    write_bytes(file, buffer.getvalue())


def load(file: Path) -> dict[str, Any]:
    """Read what `save` wrote.

    Raises:
        BadInput: the file is missing, truncated or not a checkpoint of this project, or it holds
            objects (a pickle could run code; it is refused, not executed).
    """
    if not file.is_file():
        raise BadInput("no such checkpoint", file=file)
    try:
        content = torch.load(file, map_location="cpu", weights_only=True)
    except pickle.UnpicklingError as error:
        raise BadInput(
            "holds objects and is refused", file=file, expected="tensors and plain values"
        ) from error
    except (RuntimeError, OSError, ValueError, EOFError, KeyError) as error:
        raise BadInput(
            "is truncated or no checkpoint", file=file, found=str(error)[:200]
        ) from error
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


def load_weights(file: Path, network: torch.nn.Module, identity: dict[str, Any]) -> None:
    """Load a checkpoint's weights, in full or half precision, into a network of the same identity.

    Args:
        file: the checkpoint.
        network: to fill.
        identity: plugin and network settings, which must equal the checkpoint's.

    Raises:
        BadInput: the checkpoint is of another method or variant, or its tensors do not fit.
    """
    content = load(file)
    if content.get("identity") != identity:
        raise BadInput(
            "is of another method or variant",
            file=file,
            expected=identity,
            found=content.get("identity"),
        )
    try:
        network.load_state_dict(content["network"])
    except (RuntimeError, KeyError) as error:
        raise BadInput("does not fit the network", file=file, found=str(error)) from error
