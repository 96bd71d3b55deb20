"""Processes that end with the one they work for, and whose crash does not end it."""

import contextlib
import ctypes
import os
import platform
import signal
import sys
import threading
import time
import traceback
from collections.abc import Callable, Collection

import psutil

from regbench.base.errors import BadInput
from regbench.base.project import WORKFLOW_PID

#: Set for a worker to a word of its own. Everything that it starts inherits it, so that also what
#: has left its session and lost its parent is found again.
WORKER_MARK = "REGBENCH_WORKER"

_PR_SET_PDEATHSIG = 1
_PR_SET_CHILD_SUBREAPER = 36
#: Rounds of looking for new processes. Those that were found are stopped and start no others.
_ROUNDS = 100
#: For processes that were killed to be gone.
_WAIT_S = 2.0


def die_with_parent() -> None:
    """Have the kernel kill this process when its parent ends, however that happens (Linux)."""
    parent = os.getppid()
    ctypes.CDLL(None).prctl(_PR_SET_PDEATHSIG, signal.SIGKILL)
    # The parent may have died before the call took effect.
    if parent == 1 or os.getppid() != parent:
        os._exit(1)


def end_with_workflow() -> None:
    """Watch the workflow's main process and kill this one, with its children, once it is gone.

    A killed workflow leaves its shells running, so a parent check does not do.
    """
    host, _, text = os.environ.get(WORKFLOW_PID, "").rpartition("/")
    if host != platform.node() or not text.isdigit():
        # Not started by a workflow, or by one on another machine.
        return
    try:
        workflow = psutil.Process(int(text))
        started = workflow.create_time()
    except psutil.NoSuchProcess:
        os._exit(1)

    def freeze(*_: object) -> None:
        while True:
            time.sleep(1)

    def watch() -> None:
        while _alive(int(text), started):
            time.sleep(0.2)
        # The children are killed first. The main thread must not take that for their failure.
        signal.pthread_kill(threading.main_thread().ident or 0, signal.SIGUSR2)
        kill_tree(os.getpid())

    signal.signal(signal.SIGUSR2, freeze)
    threading.Thread(target=watch, name="end-with-workflow", daemon=True).start()


def run_apart(work: Callable[[], None]) -> int:
    """Run a function in a child process, which ends when this one does.

    Nothing of what it does to memory is seen here; files are. Fork before heavy imports.

    Returns:
        its code as `subprocess` gives it: 0 where the function returned, 1 where it raised (the
        traceback is printed), 2 for bad input (its line is printed), negative for a signal.
    """
    for stream in (sys.stdout, sys.stderr):
        stream.flush()
    child = os.fork()
    if child == 0:
        _end_after(work)
    _, status = os.waitpid(child, 0)
    return os.waitstatus_to_exitcode(status)


def _end_after(work: Callable[[], None]) -> None:
    code = 1
    try:
        die_with_parent()
        work()
        code = 0
    except BadInput as problem:
        sys.stderr.write(f"regbench: {problem}\n")
        code = 2
    except BaseException:
        traceback.print_exc()
    finally:
        for stream in (sys.stdout, sys.stderr):
            stream.flush()
        # Not sys.exit: what this process was forked from must not be run to its end twice.
        os._exit(code)


def adopt_orphans() -> None:
    """Become the parent of what this process' descendants leave behind (Linux).

    A process whose parent has ended then counts as this one's, whatever session it is in.
    """
    ctypes.CDLL(None).prctl(_PR_SET_CHILD_SUBREAPER, 1, 0, 0, 0)


def kill_tree(pid: int) -> None:
    """SIGKILL a process and everything below it, and wait until what was below is gone."""
    with contextlib.suppress(psutil.NoSuchProcess):
        root = psutil.Process(pid)
        if pid != os.getpid():
            # It must not start others while its children are looked for.
            root.suspend()
        kill_below(pid)
        root.kill()


def kill_below(pid: int, spare: Collection[psutil.Process] = ()) -> None:
    """SIGKILL everything below a process, but for those to spare; it lives on."""
    found: set[psutil.Process] = set()
    with contextlib.suppress(psutil.NoSuchProcess):
        root = psutil.Process(pid)
        for _ in range(_ROUNDS):
            new = set(root.children(recursive=True)) - found - set(spare)
            if not new:
                break
            # Stopped first, all of them: killing one by one would lose those that are born, or
            # get another parent, meanwhile.
            for process in new:
                with contextlib.suppress(psutil.NoSuchProcess):
                    process.suspend()
            found |= new
    _kill(found)


def kill_marked(mark: str) -> None:
    """SIGKILL every process that was started with `WORKER_MARK` set to `mark`.

    Those are what a worker that crashed has left behind: nothing leads from it to them.
    """
    for _ in range(_ROUNDS):
        found = [process for process in psutil.process_iter() if _has_mark(process, mark)]
        if not found:
            return
        _kill(found)


def tree_memory(pid: int) -> int:
    """Resident bytes of a process and everything below it; 0 when it is gone."""
    try:
        root = psutil.Process(pid)
        family = [root, *root.children(recursive=True)]
    except psutil.NoSuchProcess:
        return 0
    total = 0
    for process in family:
        try:
            total += process.memory_info().rss
        except psutil.NoSuchProcess:
            continue
    return total


def _kill(processes: Collection[psutil.Process]) -> None:
    """SIGKILL them, and wait a moment: giving back much memory takes a while."""
    for process in processes:
        with contextlib.suppress(psutil.NoSuchProcess):
            process.kill()
    deadline = time.monotonic() + _WAIT_S
    for process in processes:
        while _alive(process.pid, process.create_time()) and time.monotonic() < deadline:
            time.sleep(0.01)


def _has_mark(process: psutil.Process, mark: str) -> bool:
    try:
        if process.pid == os.getpid() or process.status() == psutil.STATUS_ZOMBIE:
            return False
        return process.environ().get(WORKER_MARK) == mark
    except (psutil.Error, OSError):
        # Gone, or another user's.
        return False


def _alive(pid: int, started: float) -> bool:
    try:
        process = psutil.Process(pid)
        return process.create_time() == started and process.status() != psutil.STATUS_ZOMBIE
    except psutil.NoSuchProcess:
        return False
