"""Processes that end with the one they work for, with everything that they started (Linux)."""

import contextlib
import multiprocessing
import os
import platform
import signal
import sys
import threading
import time
from collections.abc import Callable, Collection, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import TypeVar

import psutil

from regbench.base.errors import BadInput, in_words
from regbench.base.project import WORKFLOW_PID
from regbench.execution.sandbox import die_with_parent

Item = TypeVar("Item")

#: Each worker has a unique value of this variable. All that the worker starts inherits it, so that
#: even a process that has left its session and lost its parent is found again.
WORKER_MARK = "REGBENCH_WORKER"

#: Rounds of looking for new processes. Those that were found are stopped and start no others.
_ROUNDS = 100
#: Seconds to wait until killed processes are gone.
_WAIT_S = 2.0
#: Seconds between two looks for an interrupt.
_POLL_S = 0.2
#: Whether the kernel keeps lists of children.
_LISTS_CHILDREN = Path(f"/proc/self/task/{os.getpid()}/children").is_file()


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

    parent = os.getpid()

    def child() -> None:
        signal.signal(signal.SIGINT, signal.default_int_handler)
        die_with_parent(parent)
        try:
            work()
        except (BadInput, OSError) as problem:
            sys.stderr.write(f"regbench: {in_words(problem)}\n")
            sys.exit(2)
        except SystemExit as error:
            raise RuntimeError(f"exit with code {error.code}") from error
        except KeyboardInterrupt:
            # The parent has it, too, and tells.
            os._exit(130)

    # An exception may be lost where Python ignores those, a mark is not.
    interrupts: list[int] = []
    before = signal.signal(signal.SIGINT, lambda number, _: interrupts.append(number))
    process = multiprocessing.get_context("fork").Process(target=child)
    try:
        process.start()
        while process.is_alive() and not interrupts:
            process.join(_POLL_S)
        if interrupts:
            # The child has it, too. It may be where that is lost, and must not be waited for.
            process.join(_WAIT_S)
            process.kill()
            process.join()
            raise KeyboardInterrupt
    finally:
        signal.signal(signal.SIGINT, before)
    return process.exitcode or 0


@contextmanager
def made_ahead(
    items: Sequence[Item], work: Callable[[Item], object], processes: int
) -> Iterator[Iterator[Item]]:
    """The items in order, each once a child process has done its work, or has ended.

    A child takes every n-th item and leaves only files. It says nothing of what ended it: who gets
    the item does the work again, finds it done, or meets the error. Children end with this process.

    Args:
        processes: how many children; none where it is 1.
    """
    fork = multiprocessing.get_context("fork")
    sides: list[tuple[multiprocessing.process.BaseProcess, int]] = []
    parent, ends = os.getpid(), (signal.SIGINT, signal.SIGTERM)

    def handled_by(handler: Callable[..., None]) -> None:
        for number in ends:
            signal.signal(number, handler)

    def pass_over(*_: object) -> None:
        """Not SIG_IGN: of a signal that has come already, Python then tells on stderr."""

    def stop(*_: object) -> None:
        # A second signal must not meet the code that ends the process: it would show a traceback.
        handled_by(pass_over)
        raise KeyboardInterrupt

    def child(share: Sequence[Item], done: int) -> None:
        with contextlib.suppress(BaseException):
            handled_by(stop)
            signal.pthread_sigmask(signal.SIG_UNBLOCK, ends)
            die_with_parent(parent)
            for item in share:
                work(item)
                os.write(done, b".")
            handled_by(pass_over)

    def in_order() -> Iterator[Item]:
        for number, item in enumerate(items):
            if sides:
                # Nothing is read where the child has ended.
                os.read(sides[number % len(sides)][1], 1)
            yield item

    try:
        for first in range(processes if processes > 1 else 0):
            reading, writing = os.pipe()
            process = fork.Process(target=child, args=(items[first::processes], writing))
            # No signal may reach the child before it has its handlers.
            mask = signal.pthread_sigmask(signal.SIG_BLOCK, ends)
            try:
                process.start()
                sides.append((process, reading))
            except OSError:
                os.close(reading)
                raise
            finally:
                os.close(writing)
                signal.pthread_sigmask(signal.SIG_SETMASK, mask)
        yield in_order()
    finally:
        for started, _ in sides:
            started.terminate()
        for started, reading in sides:
            started.join(_WAIT_S)
            started.kill()
            started.join()
            os.close(reading)


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
    total, todo = 0, [pid]
    while todo:
        one = todo.pop()
        with contextlib.suppress(psutil.NoSuchProcess, OSError):
            total += psutil.Process(one).memory_info().rss
            todo += _children(one)
    return total


def _children(pid: int) -> list[int]:
    """The processes that a process started."""
    # psutil reads about every process of the machine, and this is asked 20 times a second.
    if not _LISTS_CHILDREN:
        return [child.pid for child in psutil.Process(pid).children()]
    lists = [thread / "children" for thread in Path(f"/proc/{pid}/task").iterdir()]
    return [int(child) for file in lists if file.is_file() for child in file.read_text().split()]


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
