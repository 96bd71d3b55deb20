"""Programs in any language: a method that is a command line, and running a program for one pair."""

import contextlib
import os
import selectors
import shutil
import signal
import subprocess
import tempfile
import time
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import psutil

from regbench.base.errors import BadInput
from regbench.execution.method_log import TAIL_BYTES, last_words
from regbench.execution.process import kill_below
from regbench.execution.sandbox import die_with_parent
from regbench.execution.serving import Killed
from regbench.plugins.interface import Context, Method
from regbench.spatial.field import Field, read_field
from regbench.spatial.nifti import write_volume
from regbench.spatial.volume import Volume

_POLL_S = 0.05
#: What a shell means by these exit codes.
_SHELL_CODES = {126: "a program cannot be executed", 127: "a program was not found"}


class CommandMethod(Method):
    """Runs a command line once for each pair, without a shell, in a temporary empty folder.

    The images and the field are files in a folder beside it.

    Args:
        command: words, in which `{fixed} {moving} {output} {seed} {threads}` and the names of
            settings in braces are replaced. A word that names a file of `folder` stands for it.
        folder: the plugin's folder.
    """

    def __init__(
        self,
        command: Sequence[str],
        folder: Path,
        settings: Mapping[str, Any],
        context: Context,
    ) -> None:
        super().__init__(settings, context)
        self.command = command
        self.folder = folder.resolve()

    def register(self, fixed: Volume, moving: Volume) -> Field:
        with tempfile.TemporaryDirectory(
            dir=self.context.workdir, ignore_cleanup_errors=True
        ) as name:
            work, files = Path(name, "work"), Path(name, "files")
            work.mkdir()
            files.mkdir()
            paths = {role: files / f"{role}.nii.gz" for role in ("fixed", "moving", "output")}
            write_volume(paths["fixed"], fixed)
            write_volume(paths["moving"], moving)
            run_program(self._words(paths), work, "the command")
            if not paths["output"].is_file():
                raise BadInput("the command wrote no displacement field", expected="{output}")
            return read_field(paths["output"], fixed.shape)

    def _words(self, paths: Mapping[str, Path]) -> list[str]:
        """The command for one pair: placeholders replaced, the plugin's files and program found."""
        values = {
            **self.settings,
            **paths,
            "seed": self.context.seed,
            "threads": self.context.threads,
        }
        filled = [_fill(word, values) for word in self.command]
        words = [self._plugin_file(word) or word for word in filled]
        if words[0] == filled[0]:
            program = shutil.which(words[0])
            if program is None:
                raise BadInput(
                    f"no program {words[0]!r}", expected="a file of the plugin or on PATH"
                )
            words[0] = program
        return words

    def _plugin_file(self, word: str) -> str | None:
        path = self.folder / word
        # Not Path.is_file: it raises for text that is too long to be a name.
        inside = os.path.isfile(path) and path.resolve().is_relative_to(self.folder)  # noqa: PTH113
        return str(path.resolve()) if inside else None


def run_program(
    words: Sequence[str], folder: Path, name: str, environment: Mapping[str, str] | None = None
) -> None:
    """Run a program without a shell, in a folder; it ends when this process does.

    Its output goes to this process' standard error. Whatever it leaves running is ended: all
    processes that began below this one in the meantime.

    Args:
        words: the program's path and its arguments.
        folder: the program's working folder.
        name: of the program, for the error.
        environment: variables to add to this process' own.

    Raises:
        BadInput: the program cannot be started.
        Killed: the program was killed, as the system does when memory runs out.
        RuntimeError: the program ended with a code other than 0, or by a signal. The message has
            the end of its standard error (of its standard output where that is empty).
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
        raise Killed(f"{name} was killed by the system, most likely for memory: {said}")
    raise RuntimeError(f"{name} {ending(code)}: {said or 'it printed nothing'}")


def ending(code: int) -> str:
    """How a process ended, in words, from its code as `subprocess` gives it."""
    if code < 0:
        return f"crashed with signal {-code} ({_signal(-code)})"
    if code in _SHELL_CODES:
        return f"ended with code {code} (of a shell: {_SHELL_CODES[code]})"
    if 128 < code < 128 + signal.NSIG:
        # A shell reports in this way that a program of its own was ended by a signal.
        return f"ended with code {code} (of a shell: signal {code - 128}, {_signal(code - 128)})"
    return f"ended with code {code}"


def _fill(word: str, values: Mapping[str, Any]) -> str:
    for key, value in values.items():
        word = word.replace(f"{{{key}}}", str(value))
    return word


def _signal(number: int) -> str:
    with contextlib.suppress(ValueError):
        return signal.Signals(number).name
    return "unknown"


def _follow(process: subprocess.Popen[bytes]) -> dict[str, str]:
    """Pass on what a process prints until it ends; returns the end of either stream."""
    ends = {"stdout": b"", "stderr": b""}
    with selectors.DefaultSelector() as selector:
        for name in ends:
            selector.register(getattr(process, name), selectors.EVENT_READ, name)
        deadline: float | None = None
        while selector.get_map() and (deadline is None or time.monotonic() < deadline):
            for key, _ in selector.select(_POLL_S):
                chunk = os.read(key.fd, 65536)
                if not chunk:
                    selector.unregister(key.fileobj)
                    continue
                os.write(2, chunk)
                ends[key.data] = (ends[key.data] + chunk)[-TAIL_BYTES:]
            if deadline is None and process.poll() is not None:
                # A child that the process left behind may hold its streams open for ever.
                deadline = time.monotonic() + 4 * _POLL_S
    return {name: end.decode(errors="replace") for name, end in ends.items()}
