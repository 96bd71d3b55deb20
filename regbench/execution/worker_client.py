"""The launcher's end of a worker: start it, ask it, watch its time and memory, end it."""

import contextlib
import json
import os
import selectors
import shutil
import subprocess
import sys
import tempfile
import time
import uuid
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from regbench.base.errors import BadInput
from regbench.base.files import writing
from regbench.execution.method_log import MethodLog, last_words
from regbench.execution.process import WORKER_MARK, kill_marked, kill_tree, tree_memory
from regbench.execution.program import ending
from regbench.plan.resources import START_UP_S

_POLL_S = 0.05
_RESULT = "field.nii.gz"
_THREAD_VARIABLES = (
    "OMP_NUM_THREADS",
    "OPENBLAS_NUM_THREADS",
    "MKL_NUM_THREADS",
    "NUMBA_NUM_THREADS",
    "ITK_GLOBAL_DEFAULT_NUMBER_OF_THREADS",
)


class WorkerFailure(Exception):
    """The worker did not answer: `outcome` and `reason` say why. The worker is gone.

    `printed` is the end of what it printed since the request, as it was; `package` is one that is
    not installed.
    """

    def __init__(self, outcome: str, reason: str, printed: str = "", package: str = "") -> None:
        super().__init__(reason)
        self.outcome = outcome
        self.reason = reason
        self.printed = printed
        self.package = package


@dataclass
class Limits:
    """Of one case: wall seconds and resident bytes of the worker with its children."""

    time_s: float
    memory_bytes: float


class Worker:
    """A worker process. Ends with this object, and (by the kernel) with this process.

    It has a folder of its own, which is its working folder and its `TMPDIR`, and the only place
    where it may write (see `regbench.execution.sandbox`); the folder goes with it.

    Args:
        job: the first line it reads; see `regbench.execution.worker`.
        limits: of each request; the start-up has START_UP_S at least.
        log: file that what it prints is appended to, up to a size.
        program: the module that it runs, and its words; one that serves by
            `regbench.execution.protocol`.
        folder: where it starts; None: here.
    """

    def __init__(
        self,
        job: dict[str, Any],
        limits: Limits,
        log: Path,
        *,
        program: Sequence[str] = ("regbench.execution.worker",),
        folder: Path | None = None,
    ) -> None:
        self.limits = limits
        self.peak_bytes = 0
        self._log = MethodLog(log)
        # A method may leave what cannot be removed; that is no failure of the case.
        self._scratch = tempfile.TemporaryDirectory(prefix="regbench-", ignore_cleanup_errors=True)
        work, temporary = (Path(self._scratch.name, name) for name in ("work", "tmp"))
        work.mkdir()
        temporary.mkdir()
        self._mark = uuid.uuid4().hex
        environment = {**os.environ, "PYTHONUNBUFFERED": "1", WORKER_MARK: self._mark}
        environment |= {name: str(job["threads"]) for name in _THREAD_VARIABLES}
        environment["TMPDIR"] = str(temporary)
        self._process = subprocess.Popen(
            [sys.executable, "-m", *program],
            cwd=folder,
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=self._log.pipe,
            env=environment,
            # A session of its own: a Ctrl-C at the terminal is the launcher's to handle.
            start_new_session=True,
        )
        self._log.started()
        # Imports and the warm-up are no case: a short limit of cases must not end them.
        start_up = max(limits.time_s, START_UP_S)
        answer = self._ask({**job, "workdir": str(work)}, start_up)
        if not answer["ready"]:
            self.close()
            raise WorkerFailure(
                outcome_of(answer), answer["reason"], self.printed(), answer.get("package", "")
            )
        self.versions: dict[str, str] = answer["versions"]

    def ask(self, request: dict[str, Any], time_s: float | None = None) -> dict[str, Any]:
        """Send a request and wait for its answer within the limits (or other seconds).

        Args:
            request: what `regbench.execution.worker` reads. Its paths may be relative; `output` is
                where the field is put, whole or not at all.
            time_s: instead of the limit of a case.

        Raises:
            WorkerFailure: time or memory ran out, or the process ended; it is gone then.
            BadInput: `output` cannot be written.
        """
        made = Path(self._scratch.name, _RESULT)
        answer = self._ask({**_absolute(request), "output": str(made)}, time_s)
        if answer.get("ok") and made.is_file() and not request.get("warm_up"):
            # The worker cannot write there itself.
            file = Path(request["output"])
            try:
                with made.open("rb") as source, writing(file) as target:
                    shutil.copyfileobj(source, target)
            except OSError as error:
                raise BadInput("cannot be written", file=file, found=error.strerror) from error
        made.unlink(missing_ok=True)
        return answer

    def _ask(self, request: dict[str, Any], time_s: float | None) -> dict[str, Any]:
        self._log.forget()
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
        answer: Any = None
        with contextlib.suppress(ValueError):
            answer = json.loads(line)
        if not isinstance(answer, dict):
            raise self._end("failed", "the method wrote where the worker answers")
        return answer

    def close(self) -> None:
        """End the worker and everything below it."""
        kill_tree(self._process.pid)
        self._process.wait()
        kill_marked(self._mark)
        for stream in (self._process.stdin, self._process.stdout):
            if stream is not None:
                # Closing flushes what a dead worker never read.
                with contextlib.suppress(BrokenPipeError):
                    stream.close()
        self._log.close()
        self._scratch.cleanup()

    def printed(self) -> str:
        """The end of what the worker has printed since the last request."""
        return self._log.tail()

    def _check(self, deadline: float, limit: float) -> None:
        used = tree_memory(self._process.pid)
        self.peak_bytes = max(self.peak_bytes, used)
        if used > self.limits.memory_bytes:
            limit_gb = self.limits.memory_bytes / 2**30
            raise self._end(
                "out-of-memory", f"used {used / 2**30:.1f} GiB, the limit is {limit_gb:.1f}"
            )
        if time.monotonic() > deadline:
            raise self._end("timeout", f"not done within {limit:g} s")

    def _ended(self) -> WorkerFailure:
        try:
            code = self._process.wait(2.0)
        except subprocess.TimeoutExpired:
            return self._end("failed", "the method closed where the worker answers")
        if code == -9:
            return self._end("out-of-memory", "killed by the system, most likely for memory")
        return self._end("failed", f"the process {ending(code)}")

    def _end(self, outcome: str, reason: str) -> WorkerFailure:
        """End the worker; the failure has its last words."""
        self.close()
        printed = self.printed()
        said = last_words(printed)
        return WorkerFailure(outcome, f"{reason}; it printed: {said}" if said else reason, printed)


def outcome_of(answer: dict[str, Any]) -> str:
    """The outcome of a case (or a start) that the worker has answered with trouble."""
    kinds = {"memory": "out-of-memory", "missing": "skipped"}
    return kinds.get(answer["kind"], "failed")


def _absolute(request: dict[str, Any]) -> dict[str, Any]:
    """The paths of a request, for a process with another working folder."""
    return {
        key: os.path.abspath(value) if isinstance(value, str) else value  # noqa: PTH100
        for key, value in request.items()
    }
