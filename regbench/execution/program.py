"""Running somebody else's program for one pair."""

import contextlib
import os
import selectors
import signal
import subprocess
import time
from collections.abc import Mapping, Sequence
from pathlib import Path

import psutil

from regbench.base.errors import BadInput
from regbench.execution.method_log import TAIL_BYTES, last_words
from regbench.execution.process import die_with_parent, kill_below

_POLL_S = 0.05
#: What a shell says by these codes.
_SHELL_CODES = {126: "a program cannot be executed", 127: "a program was not found"}


def run_program(
    words: Sequence[str], folder: Path, name: str, environment: Mapping[str, str] | None = None
) -> None:
    """Run a program without a shell, in a folder; it ends when this process does.

    What it prints is passed on to this process' standard error. What it leaves running is ended:
    all that has begun below this process meanwhile.

    Args:
        words: the program's path and its arguments.
        folder: where it works.
        name: of the program, for the error.
        environment: variables beside this process' own.

    Raises:
        BadInput: it cannot be started.
        MemoryError: it was killed, as the system does for memory.
        RuntimeError: it ended with another code than 0, or by a signal; with the end of its
            standard error (of its standard output, where that is empty).
    """
    others = psutil.Process().children(recursive=True)
    try:
        process = subprocess.Popen(
            words,
            cwd=folder,
            env={**os.environ, **(environment or {})},
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            preexec_fn=die_with_parent,
        )
    except (OSError, ValueError) as error:
        why = error.strerror if isinstance(error, OSError) else error
        raise BadInput(f"{name} cannot be started", file=words[0], found=why) from error
    with process:
        printed = _follow(process)
        code = process.wait()
        kill_below(os.getpid(), others)
    if code == 0:
        return
    said = last_words(printed["stderr"] or printed["stdout"])
    if code == -signal.SIGKILL:
        raise MemoryError(f"{name} was killed by the system, most likely for memory: {said}")
    raise RuntimeError(f"{name} {ending(code)}: {said or 'it printed nothing'}")


def ending(code: int) -> str:
    """How a process ended, in words, from its code as `subprocess` gives it."""
    if code < 0:
        return f"crashed with signal {-code} ({_signal(-code)})"
    if code in _SHELL_CODES:
        return f"ended with code {code} (of a shell: {_SHELL_CODES[code]})"
    if 128 < code < 128 + signal.NSIG:
        # A shell's way to pass on that a program of its own was ended by a signal.
        return f"ended with code {code} (of a shell: signal {code - 128}, {_signal(code - 128)})"
    return f"ended with code {code}"


def _signal(number: int) -> str:
    with contextlib.suppress(ValueError):
        return signal.Signals(number).name
    return "unknown"


def _follow(process: subprocess.Popen[bytes]) -> dict[str, str]:
    """Pass on what a process prints until it ends; the end of either stream."""
    ends = {"stdout": b"", "stderr": b""}
    with selectors.DefaultSelector() as selector:
        for name in ends:
            selector.register(getattr(process, name), selectors.EVENT_READ, name)
        over: float | None = None
        while selector.get_map() and (over is None or time.monotonic() < over):
            for key, _ in selector.select(_POLL_S):
                chunk = os.read(key.fd, 65536)
                if not chunk:
                    selector.unregister(key.fileobj)
                    continue
                os.write(2, chunk)
                ends[key.data] = (ends[key.data] + chunk)[-TAIL_BYTES:]
            if over is None and process.poll() is not None:
                # A child that it has left behind may hold its streams open for ever.
                over = time.monotonic() + 4 * _POLL_S
    return {name: end.decode(errors="replace") for name, end in ends.items()}
