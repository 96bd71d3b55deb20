"""What a case's result depends on, as one hash: a result is reused only where it is equal."""

import os
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

from regbench.data.given_fields import list_fields
from regbench.files import digest, sha256
from regbench.plugins import MethodPlugin
from regbench.stages import code_version


def method_fingerprint(
    method: MethodPlugin, settings: Mapping[str, Any], seed: int
) -> dict[str, Any]:
    """The part that all cases of a run share: plugin sources, settings, seed, engine stage."""
    return {
        "plugin": {str(path.relative_to(method.folder)): sha256(path) for path in method.files},
        "entry": method.entry,
        "command": list(method.command),
        "settings": dict(settings),
        "files": named_files(settings),
        "seed": seed,
        "stage": code_version("register", method.files),
    }


def case_fingerprint(
    shared: Mapping[str, Any], inputs: Iterable[Path], extra: Mapping[str, Any] | None = None
) -> str:
    """The hash of one case: the shared part, the content of its input files, and what else."""
    return digest([shared, [sha256(path) for path in inputs], dict(extra or {})])


def given_files(method: MethodPlugin, settings: Mapping[str, Any]) -> dict[str, list[int]]:
    """Size and time (ns) of each ready-made field of a method that takes such.

    For planning: it need not read what may be many gigabytes. A case counts by content.
    """
    if "precomputed_field" not in method.needs:
        return {}
    stats = {path.name: path.stat() for path in list_fields(settings)}
    return {name: [found.st_size, found.st_mtime_ns] for name, found in stats.items()}


def named_files(settings: Mapping[str, Any]) -> dict[str, str]:
    """The content of each file that a setting names: a checkpoint, a program, a matrix."""
    named = {key: value for key, value in settings.items() if isinstance(value, str)}
    # Not Path.is_file: it raises for text that is too long to be a name.
    files = {key: Path(value) for key, value in named.items() if os.path.isfile(value)}  # noqa: PTH113
    return {key: sha256(path) for key, path in files.items()}
