"""Processes that must not outlive the one they work for."""

import contextlib
import ctypes
import os
import platform
import signal
import threading
import time

import psutil

#: Set by the workflow to its host and process id; jobs there end when that process is gone.
WORKFLOW_PID = "REGBENCH_WORKFLOW_PID"

_PR_SET_PDEATHSIG = 1


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

    def watch() -> None:
        while _alive(int(text), started):
            time.sleep(0.2)
        kill_tree(os.getpid())

    threading.Thread(target=watch, name="end-with-workflow", daemon=True).start()


def own_mark() -> str:
    """This process as `WORKFLOW_PID` names it."""
    return f"{platform.node()}/{os.getpid()}"


def kill_tree(pid: int) -> None:
    """SIGKILL a process and everything below it, children first so that none is re-parented."""
    try:
        root = psutil.Process(pid)
        family = [*root.children(recursive=True), root]
    except psutil.NoSuchProcess:
        return
    for process in family:
        with contextlib.suppress(psutil.NoSuchProcess):
            process.kill()


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


def _alive(pid: int, started: float) -> bool:
    try:
        process = psutil.Process(pid)
        return process.create_time() == started and process.status() != psutil.STATUS_ZOMBIE
    except psutil.NoSuchProcess:
        return False
