"""Running somebody else's program for one pair."""

import os
import subprocess
from collections.abc import Mapping, Sequence
from pathlib import Path

from regbench.running.process import die_with_parent

_LAST_WORDS = 500


def run_program(
    words: Sequence[str], folder: Path, name: str, environment: Mapping[str, str] | None = None
) -> None:
    """Run a program without a shell, in a folder; it ends when this process does.

    Args:
        words: the program's path and its arguments.
        folder: where it works.
        name: of the program, for the error.
        environment: variables beside this process' own.

    Raises:
        RuntimeError: it ended with another code than 0; with its last words.
    """
    done = subprocess.run(
        words,
        cwd=folder,
        env={**os.environ, **(environment or {})},
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        check=False,
        preexec_fn=die_with_parent,
    )
    if done.returncode != 0:
        tail = done.stdout[-_LAST_WORDS:].decode(errors="replace").strip()
        raise RuntimeError(f"{name} ended with code {done.returncode}: {tail}")
