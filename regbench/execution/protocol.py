"""A process that answers: one request a line on standard input, one answer a line back.

`Worker` is the launcher's end: it starts the process, asks it, watches its time and memory, and
ends it. The process' own end is `regbench.execution.serving`.
"""

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

import psutil

from regbench.base.files import writing
from regbench.base.records import INTERRUPTED
from regbench.execution.method_log import MethodLog, last_words
from regbench.execution.process import WORKER_MARK, kill_marked, kill_tree, tree_memory
from regbench.execution.program import ending
from regbench.plan.resources import START_UP_S, Limits

_POLL_S = 0.05
#: Bytes that a disk, and the share of its memory that a machine, has free at least.
_ROOM, _FREE_MEMORY = 2**20, 0.03
#: A worker that had this share of its limit when it was killed is at fault itself.
_OWN_FAULT = 0.9
_RESULT = "field.nii.gz"
_THREAD_VARIABLES = (
    "OMP_NUM_THREADS",
    "OPENBLAS_NUM_THREADS",
    "MKL_NUM_THREADS",
    "NUMBA_NUM_THREADS",
    "ITK_GLOBAL_DEFAULT_NUMBER_OF_THREADS",
)


@dataclass(eq=False)
class WorkerFailure(Exception):
    """The worker did not answer, and is gone.

    Attributes:
        outcome, reason: of the case that it was asked for.
        printed: the end of what it printed since the request, as it was.
        package: one that it needs and that is not installed.
        killed: whether SIGKILL ended it, which may be anyone's.
    """

    outcome: str
    reason: str
    printed: str = ""
    package: str = ""
    killed: bool = False

    def __str__(self) -> str:
        return self.reason


class Worker:
    """A worker process. It ends with this object, and (by the kernel) with this process.

    It has a folder of its own, which is its working folder and its `TMPDIR`, and the only place
    where it may write (see `regbench.execution.process`). The folder is removed with it.

    Args:
        job: the first line that it reads; see `regbench.execution.worker`.
        limits: of each request; the start-up and a warm-up have START_UP_S at least.
        log: file that its output is appended to, up to a size.
        program: a module that calls `serve_requests`, and its arguments.
        folder: where the process starts; None: here.
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
        self._least_free = 1.0
        self._log = MethodLog(log)
        # A method may leave files that cannot be removed. The case has not failed for that.
        self._scratch = tempfile.TemporaryDirectory(prefix="regbench-", ignore_cleanup_errors=True)
        work, temporary = (Path(self._scratch.name, name) for name in ("work", "tmp"))
        work.mkdir()
        temporary.mkdir()
        self._mark = uuid.uuid4().hex
        environment = {**os.environ, "PYTHONUNBUFFERED": "1", WORKER_MARK: self._mark}
        environment |= {name: str(job["threads"]) for name in _THREAD_VARIABLES}
        environment["TMPDIR"] = str(temporary)
        python = sys.executable
        if job.get("environment"):
            # A program finds the environment on PATH. A worker in it is given the engine, and no
            # other package that lies beside it.
            binaries = Path(job["environment"], "bin")
            environment["PATH"] = f"{binaries}{os.pathsep}{environment.get('PATH', os.defpath)}"
            if job["entry"] is not None:
                python = str(binaries / "python")
                link = Path(self._scratch.name, "engine", "regbench")
                link.parent.mkdir()
                link.symlink_to(Path(__file__).resolve().parents[1])
                environment["PYTHONPATH"] = str(link.parent)
        self._process = subprocess.Popen(
            [python, "-m", *program],
            cwd=folder,
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=self._log.pipe,
            env=environment,
            # A session of its own: the launcher handles a Ctrl-C at the terminal.
            start_new_session=True,
        )
        self._log.started()
        # A short limit of cases must not end the imports and the warm-up.
        self._start_up_s = max(limits.time_s, START_UP_S)
        answer = self._ask({**job, "workdir": str(work)}, self._start_up_s)
        if not answer["ready"]:
            self.close()
            raise WorkerFailure(
                outcome_of(answer), answer["reason"], self.printed(), answer.get("package", "")
            )
        self.versions: dict[str, str] = answer.get("versions", {})
        self.parameters: int | None = answer.get("parameters")

    def ask(self, request: dict[str, Any]) -> dict[str, Any]:
        """Send a request and wait for its answer within the limits.

        Args:
            request: read by `regbench.execution.worker`. Its texts are paths, which may be
                relative. The field is written to `output`, whole or not at all.

        Raises:
            WorkerFailure: time or memory ran out, `output` cannot be written, or the process
                ended; it is gone then.
        """
        result = Path(self._scratch.name, _RESULT)
        # The worker has another working folder.
        absolute = {k: os.path.abspath(v) for k, v in request.items() if isinstance(v, str)}  # noqa: PTH100
        warm_up = request.get("warm_up", False)
        limit_s = self._start_up_s if warm_up else self.limits.time_s
        answer = self._ask({**request, **absolute, "output": str(result)}, limit_s)
        if answer.get("ok") and result.is_file() and not warm_up:
            # The worker itself may not write to the results.
            file = Path(request["output"])
            try:
                with result.open("rb") as source, writing(file) as target:
                    shutil.copyfileobj(source, target)
            except OSError as error:
                raise self._end(
                    INTERRUPTED, f"{file}: cannot be written: {error.strerror}"
                ) from error
        result.unlink(missing_ok=True)
        return answer

    def printed(self) -> str:
        """The end of what the worker has printed since the last request."""
        return self._log.tail()

    def out_of_room(self) -> bool:
        """Whether the disk of the worker's folder is full: a program need not say so."""
        return shutil.disk_usage(self._scratch.name).free < _ROOM

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

    def _ask(self, request: dict[str, Any], limit_s: float) -> dict[str, Any]:
        self._log.forget()
        self.peak_bytes, self._least_free = 0, 1.0
        try:
            line = self._exchange(json.dumps(request) + "\n", limit_s)
        except (BrokenPipeError, EOFError):
            raise self._ended() from None
        answer: Any = None
        with contextlib.suppress(ValueError):
            answer = json.loads(line)
        if not isinstance(answer, dict):
            raise self._end("failed", "the method wrote where the worker answers")
        return answer

    def _exchange(self, line: str, limit_s: float) -> bytes:
        """Send a line and read one; EOFError where the worker closes its end."""
        stdin, stdout = self._process.stdin, self._process.stdout
        assert stdin is not None and stdout is not None
        stdin.write(line.encode())
        stdin.flush()
        deadline = time.monotonic() + limit_s
        answer = b""
        with selectors.DefaultSelector() as selector:
            selector.register(stdout, selectors.EVENT_READ)
            while not answer.endswith(b"\n"):
                self._check_memory()
                if selector.select(_POLL_S):
                    chunk = os.read(stdout.fileno(), 65536)
                    if not chunk:
                        raise EOFError
                    answer += chunk
                if time.monotonic() > deadline:
                    raise self._end("timeout", f"not done within {limit_s:g} s")
        return answer

    def _check_memory(self) -> None:
        used, limit = tree_memory(self._process.pid), self.limits.memory_bytes
        self.peak_bytes = max(self.peak_bytes, used)
        memory = psutil.virtual_memory()
        self._least_free = min(self._least_free, memory.available / memory.total)
        if used > limit:
            reason = f"used {used / 2**30:.1f} GiB, the limit is {limit / 2**30:.1f}"
            raise self._end("out-of-memory", reason)

    def _ended(self) -> WorkerFailure:
        try:
            code = self._process.wait(2.0)
        except subprocess.TimeoutExpired:
            return self._end("failed", "the method closed where the worker answers")
        if code != -9:
            return self._end("failed", f"the process {ending(code)}")
        own = self.peak_bytes > _OWN_FAULT * self.limits.memory_bytes
        if self._least_free < _FREE_MEMORY and not own:
            used = f"with {self.peak_bytes / 2**30:.1f} GiB of its own"
            return self._end(INTERRUPTED, f"killed by the system, whose memory was full, {used}")
        reason = "killed by the system, most likely for memory"
        return self._end("out-of-memory", reason, killed=not own)

    def _end(self, outcome: str, reason: str, *, killed: bool = False) -> WorkerFailure:
        """End the worker; the failure has its last words."""
        outcome = INTERRUPTED if outcome == "failed" and self.out_of_room() else outcome
        self.close()
        printed = self.printed()
        said = last_words(printed)
        reason = f"{reason}; it printed: {said}" if said else reason
        return WorkerFailure(outcome, reason, printed, killed=killed)


def outcome_of(answer: dict[str, Any]) -> str:
    """The outcome of a case (or a start) that the worker has answered with trouble."""
    outcomes = {"missing": "skipped", "machine": INTERRUPTED}
    outcomes |= dict.fromkeys(("memory", "killed"), "out-of-memory")
    return outcomes.get(answer["kind"], "failed")
