"""The launcher's end of a worker: start it, ask it, watch its time and memory, end it."""

import contextlib
import json
import os
import selectors
import subprocess
import sys
import tempfile
import time
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from regbench.running.process import kill_tree, tree_memory

_POLL_S = 0.05
#: For importing the method and warming up; a longer limit of cases holds for it too.
START_UP_S = 300.0
_THREAD_VARIABLES = (
    "OMP_NUM_THREADS",
    "OPENBLAS_NUM_THREADS",
    "MKL_NUM_THREADS",
    "NUMBA_NUM_THREADS",
    "ITK_GLOBAL_DEFAULT_NUMBER_OF_THREADS",
)


class WorkerFailure(Exception):
    """The worker did not answer: `outcome` and `reason` say why. The worker is gone."""

    def __init__(self, outcome: str, reason: str) -> None:
        super().__init__(reason)
        self.outcome = outcome
        self.reason = reason


@dataclass
class Limits:
    """Of one case: wall seconds and resident bytes of the worker with its children."""

    time_s: float
    memory_bytes: float


class Worker:
    """A worker process. Ends with this object, and (by the kernel) with this process.

    Args:
        job: the first line it reads; see `regbench.running.worker`.
        limits: of each request; the start-up has START_UP_S at least.
        log: file that its standard error is appended to.
        program: the module that it runs, and its words; one that serves by
            `regbench.running.serving`.
        folder: where it works; None: here.
    """

    def __init__(
        self,
        job: dict[str, Any],
        limits: Limits,
        log: Path,
        *,
        program: Sequence[str] = ("regbench.running.worker",),
        folder: Path | None = None,
    ) -> None:
        self.limits = limits
        self.peak_bytes = 0
        log.parent.mkdir(parents=True, exist_ok=True)
        self._log = log.open("ab")
        self._log_start = self._log.tell()
        self._scratch = tempfile.TemporaryDirectory(prefix="regbench-")
        environment = {**os.environ, "PYTHONUNBUFFERED": "1"}
        environment |= {name: str(job["threads"]) for name in _THREAD_VARIABLES}
        self._process = subprocess.Popen(
            [sys.executable, "-m", *program],
            cwd=folder,
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=self._log,
            env=environment,
            # A session of its own: a Ctrl-C at the terminal is the launcher's to handle.
            start_new_session=True,
        )
        # Imports and the warm-up are no case: a short limit of cases must not end them.
        start_up = max(limits.time_s, START_UP_S)
        answer = self.ask({**job, "workdir": self._scratch.name}, start_up)
        if not answer["ready"]:
            self.close()
            raise WorkerFailure("failed", answer["reason"])
        self.versions: dict[str, str] = answer["versions"]

    def ask(self, request: dict[str, Any], time_s: float | None = None) -> dict[str, Any]:
        """Send a request and wait for its answer within the limits (or other seconds).

        Raises:
            WorkerFailure: time or memory ran out, or the process ended; it is gone then.
        """
        stdin, stdout = self._process.stdin, self._process.stdout
        if stdin is None or stdout is None:
            raise WorkerFailure("failed", "the worker has no pipes")
        try:
            stdin.write((json.dumps(request) + "\n").encode())
            stdin.flush()
        except BrokenPipeError:
            raise self._ended() from None
        self.peak_bytes = 0
        limit = self.limits.time_s if time_s is None else time_s
        deadline = time.monotonic() + limit
        line = b""
        with selectors.DefaultSelector() as selector:
            selector.register(stdout, selectors.EVENT_READ)
            while not line.endswith(b"\n"):
                if selector.select(_POLL_S):
                    chunk = os.read(stdout.fileno(), 65536)
                    if not chunk:
                        raise self._ended()
                    line += chunk
                self._check(deadline, limit)
        answer: dict[str, Any] = json.loads(line)
        return answer

    def close(self) -> None:
        """End the worker and everything below it."""
        kill_tree(self._process.pid)
        self._process.wait()
        for stream in (self._process.stdin, self._process.stdout, self._log):
            if stream is not None:
                # Closing flushes what a dead worker never read.
                with contextlib.suppress(BrokenPipeError):
                    stream.close()
        self._scratch.cleanup()

    def log_tail(self) -> str:
        """The end of what the worker printed."""
        with open(self._log.name, "rb") as file:  # noqa: PTH123
            file.seek(self._log_start)
            return file.read()[-2000:].decode(errors="replace").strip()

    def _check(self, deadline: float, limit: float) -> None:
        used = tree_memory(self._process.pid)
        self.peak_bytes = max(self.peak_bytes, used)
        if used > self.limits.memory_bytes:
            self.close()
            raise WorkerFailure(
                "out-of-memory",
                f"used {used / 2**30:.1f} GiB, the limit is {self.limits.memory_bytes / 2**30:.1f}",
            )
        if time.monotonic() > deadline:
            self.close()
            raise WorkerFailure("timeout", f"not done within {limit:g} s")

    def _ended(self) -> WorkerFailure:
        code = self._process.wait()
        tail = self.log_tail().splitlines()
        self.close()
        last = f" ({tail[-1][:200]})" if tail else ""
        if code == -9:
            return WorkerFailure("out-of-memory", "killed by the system, most likely for memory")
        if code < 0:
            return WorkerFailure("failed", f"the process crashed with signal {-code}{last}")
        return WorkerFailure("failed", f"the process ended with code {code}{last}")
