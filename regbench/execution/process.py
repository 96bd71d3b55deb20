"""Processes that end with the one they work for, and that write only where they may (Linux).

The kernel enforces where they write, by Landlock (Linux >= 5.13), which needs no root.
Source: https://docs.kernel.org/userspace-api/landlock.html
"""

import contextlib
import ctypes
import multiprocessing
import os
import platform
import signal
import struct
import sys
import threading
import time
from collections.abc import Callable, Collection, Iterable
from pathlib import Path

import psutil

from regbench.base.errors import BadInput
from regbench.base.project import WORKFLOW_PID

#: Each worker has a unique value of this variable. All that the worker starts inherits it, so that
#: even a process that has left its session and lost its parent is found again.
WORKER_MARK = "REGBENCH_WORKER"

_PR_SET_PDEATHSIG, _PR_SET_CHILD_SUBREAPER, _PR_SET_NO_NEW_PRIVS = 1, 36, 38
#: Rounds of looking for new processes. Those that were found are stopped and start no others.
_ROUNDS = 100
#: Seconds to wait until killed processes are gone.
_WAIT_S = 2.0

# Landlock: numbers of the system calls (the same on every architecture), flags and rights.
_CREATE_RULESET, _ADD_RULE, _RESTRICT_SELF = 444, 445, 446
_VERSION_FLAG, _PATH_BENEATH = 1, 1
_WRITE_FILE = 1 << 1
#: Remove a folder or file, make a device, folder, file, socket, pipe, block device or link.
_REMOVE_AND_MAKE = sum(1 << bit for bit in range(4, 13))
_REFER = 1 << 13  # rename and link across folders, since version 2
_TRUNCATE = 1 << 14  # since version 3
_SCOPE_SIGNAL = 1 << 1  # since version 6 (Linux 6.12)

#: Caches that libraries keep from run to run, by variable and default below the home folder.
_CACHES = {
    "XDG_CACHE_HOME": ".cache",
    "NUMBA_CACHE_DIR": None,
    "TORCH_HOME": None,
    "MPLCONFIGDIR": None,
    "CUDA_CACHE_PATH": ".nv",
    "TRITON_CACHE_DIR": ".triton",
}


def die_with_parent() -> None:
    """Have the kernel kill this process when its parent ends, however that happens (Linux)."""
    parent = os.getppid()
    ctypes.CDLL(None).prctl(_PR_SET_PDEATHSIG, signal.SIGKILL)
    # The parent may have died before the call took effect.
    if parent == 1 or os.getppid() != parent:
        os._exit(1)


def adopt_orphans() -> None:
    """Become the parent of the processes that this process' descendants leave behind (Linux).

    A process whose parent has ended then counts as this one's, whatever session it is in.
    """
    ctypes.CDLL(None).prctl(_PR_SET_CHILD_SUBREAPER, 1, 0, 0, 0)


def end_with_workflow() -> None:
    """Watch the workflow's main process and kill this one, with its children, once it is gone.

    A killed workflow leaves its shells running, so watching the parent would not be enough.
    """
    host, _, pid = os.environ.get(WORKFLOW_PID, "").rpartition("/")
    if host != platform.node() or not pid.isdigit():
        # Not started by a workflow, or by one on another machine.
        return
    try:
        workflow = psutil.Process(int(pid))
    except psutil.NoSuchProcess:
        os._exit(1)

    def freeze(*_: object) -> None:
        while True:
            time.sleep(1)

    def watch() -> None:
        while _alive(workflow):
            time.sleep(0.2)
        # The children are killed first. The main thread must not take that for their failure.
        signal.pthread_kill(threading.main_thread().ident or 0, signal.SIGUSR2)
        kill_tree(os.getpid())

    signal.signal(signal.SIGUSR2, freeze)
    threading.Thread(target=watch, name="end-with-workflow", daemon=True).start()


def run_apart(work: Callable[[], None]) -> int:
    """Run a function in a child process, which ends when this one does.

    The child's changes of memory are not seen here; its files are. Fork before heavy imports.

    Returns:
        its code as `subprocess` gives it: 0 where the function returned, 1 where it raised (the
        traceback is printed), 2 for bad input or an error of the system (its line is printed),
        negative for a signal.
    """

    def child() -> None:
        die_with_parent()
        try:
            work()
        except (BadInput, OSError) as problem:
            sys.stderr.write(f"regbench: {problem}\n")
            sys.exit(2)
        except SystemExit as error:
            raise RuntimeError(f"exit with code {error.code}") from error
        except KeyboardInterrupt:
            # The parent has it, too, and tells.
            os._exit(130)

    process = multiprocessing.get_context("fork").Process(target=child)
    process.start()
    process.join()
    return process.exitcode or 0


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
    """SIGKILL everything below a process, except the processes to spare; it lives on."""
    family: set[psutil.Process] = set()
    with contextlib.suppress(psutil.NoSuchProcess):
        root = psutil.Process(pid)
        for _ in range(_ROUNDS):
            new = set(root.children(recursive=True)) - family - set(spare)
            if not new:
                break
            # All are stopped before any is killed. Otherwise processes that are born, or get
            # another parent, in the meantime would be lost.
            for process in new:
                with contextlib.suppress(psutil.NoSuchProcess):
                    process.suspend()
            family |= new
    _kill(family)


def kill_marked(mark: str) -> None:
    """SIGKILL every process that was started with `WORKER_MARK` set to `mark`.

    A worker that crashed leaves such processes behind: nothing leads from it to them.
    """
    for _ in range(_ROUNDS):
        marked = [process for process in psutil.process_iter() if _has_mark(process, mark)]
        if not marked:
            return
        _kill(marked)


def tree_memory(pid: int) -> int:
    """Resident bytes of a process and everything below it; 0 when it is gone."""
    total = 0
    with contextlib.suppress(psutil.NoSuchProcess):
        root = psutil.Process(pid)
        for process in [root, *root.children(recursive=True)]:
            with contextlib.suppress(psutil.NoSuchProcess):
                total += process.memory_info().rss
    return total


def landlock_version() -> int:
    """Version of the kernel's interface; 0 where there is none."""
    return max(0, _call(_CREATE_RULESET, None, ctypes.c_size_t(0), _VERSION_FLAG))


def confine(folders: Iterable[Path]) -> bool:
    """Refuse this process, and all that it starts from now on, any writing outside these folders.

    Reading is not restricted, and files that are open already stay writable. It cannot be undone.
    Returns whether the kernel enforces it; where it cannot, nothing has changed.
    """
    version = landlock_version()
    rights = _WRITE_FILE | _REMOVE_AND_MAKE
    rights |= _REFER if version >= 2 else 0
    rights |= _TRUNCATE if version >= 3 else 0
    attributes = struct.pack("=Q", rights)
    if version >= 6:
        # Of the network nothing; no signal to a process that this one has not started.
        attributes = struct.pack("=QQQ", rights, 0, _SCOPE_SIGNAL)
    ruleset = _call(_CREATE_RULESET, attributes, ctypes.c_size_t(len(attributes)), 0)
    if ruleset < 0:
        return False
    try:
        for folder in folders:
            with contextlib.suppress(OSError):
                _grant(ruleset, folder, rights)
        if ctypes.CDLL(None).prctl(_PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) != 0:
            return False
        return _call(_RESTRICT_SELF, ruleset, 0) == 0
    finally:
        os.close(ruleset)


def writable_folders(scratch: Path, plugin: Path) -> list[Path]:
    """Where any method may write: its scratch, devices, and caches, whose loss costs only time.

    Python and numba keep compiled code in `__pycache__` of the plugin's folder.
    """
    home = Path.home()
    caches = [os.environ.get(n) or (below and home / below) for n, below in _CACHES.items()]
    # A home may be read-only: then there is no cache.
    with contextlib.suppress(OSError):
        Path(os.environ.get("XDG_CACHE_HOME") or home / ".cache").mkdir(exist_ok=True)
    always = [scratch, Path("/dev"), Path("/proc"), plugin / "__pycache__"]
    return [*always, *(Path(place) for place in caches if place)]


def _grant(ruleset: int, folder: Path, rights: int) -> None:
    handle = os.open(folder, os.O_PATH | os.O_DIRECTORY | os.O_CLOEXEC)
    try:
        rule = struct.pack("=Qi", rights, handle)
        _call(_ADD_RULE, ruleset, _PATH_BENEATH, rule, 0)
    finally:
        os.close(handle)


def _call(number: int, *arguments: object) -> int:
    """A system call; negative where it failed, or the system has no such calls."""
    try:
        system = ctypes.CDLL(None, use_errno=True).syscall
    except (OSError, AttributeError):
        return -1
    return int(system(ctypes.c_long(number), *arguments))


def _kill(processes: Collection[psutil.Process]) -> None:
    """SIGKILL them, and wait a moment: a process with much memory takes a while to end."""
    for process in processes:
        with contextlib.suppress(psutil.NoSuchProcess):
            process.kill()
    deadline = time.monotonic() + _WAIT_S
    for process in processes:
        while _alive(process) and time.monotonic() < deadline:
            time.sleep(0.01)


def _has_mark(process: psutil.Process, mark: str) -> bool:
    try:
        if process.pid == os.getpid() or process.status() == psutil.STATUS_ZOMBIE:
            return False
        return process.environ().get(WORKER_MARK) == mark
    except (psutil.Error, OSError):
        # The process is gone, or is another user's.
        return False


def _alive(process: psutil.Process) -> bool:
    try:
        return process.is_running() and process.status() != psutil.STATUS_ZOMBIE
    except psutil.NoSuchProcess:
        return False
