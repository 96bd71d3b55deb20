"""What a process does to itself: it ends with its parent, and writes only where it may (Linux).

The kernel enforces where it writes, by Landlock (Linux >= 5.13), which needs no root.
Source: https://docs.kernel.org/userspace-api/landlock.html

The worker imports this, in whatever environment its method has: only the standard library is used.
"""

import contextlib
import ctypes
import os
import signal
import struct
from collections.abc import Iterable
from pathlib import Path

_PR_SET_PDEATHSIG, _PR_SET_CHILD_SUBREAPER, _PR_SET_NO_NEW_PRIVS = 1, 36, 38

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


def die_with_parent(parent: int | None = None) -> None:
    """Have the kernel kill this process when its parent ends, however that happens (Linux).

    Args:
        parent: its pid, from before the fork. Without it, a parent that had ended before this call
            is noticed only where init has taken its place.
    """
    known = os.getppid() if parent is None else parent
    ctypes.CDLL(None).prctl(_PR_SET_PDEATHSIG, signal.SIGKILL)
    # The parent may have died before the call took effect.
    if (parent is None and known == 1) or os.getppid() != known:
        os._exit(1)


def adopt_orphans() -> None:
    """Become the parent of the processes that this process' descendants leave behind (Linux).

    A process whose parent has ended then counts as this one's, whatever session it is in.
    """
    ctypes.CDLL(None).prctl(_PR_SET_CHILD_SUBREAPER, 1, 0, 0, 0)


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
