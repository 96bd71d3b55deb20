"""Where a method may write, enforced by the kernel: Landlock, which takes no root (Linux >= 5.13).

Source: https://docs.kernel.org/userspace-api/landlock.html
"""

import contextlib
import ctypes
import os
import struct
from collections.abc import Iterable
from pathlib import Path

# Numbers of the system calls, the same on every architecture.
_CREATE_RULESET, _ADD_RULE, _RESTRICT_SELF = 444, 445, 446
_VERSION_FLAG = 1
_PATH_BENEATH = 1
_PR_SET_NO_NEW_PRIVS = 38

_WRITE_FILE = 1 << 1
#: Remove a folder or file, make a device, folder, file, socket, pipe, block device or link.
_REMOVE_AND_MAKE = sum(1 << bit for bit in range(4, 13))
_REFER = 1 << 13  # rename and link across folders, since version 2
_TRUNCATE = 1 << 14  # since version 3

#: Caches that libraries keep from run to run, by variable and default below the home folder.
_CACHES = {
    "XDG_CACHE_HOME": ".cache",
    "NUMBA_CACHE_DIR": None,
    "TORCH_HOME": None,
    "MPLCONFIGDIR": None,
    "CUDA_CACHE_PATH": ".nv",
    "TRITON_CACHE_DIR": ".triton",
}


def landlock_version() -> int:
    """Version of the kernel's interface; 0 where there is none."""
    return max(0, _call(_CREATE_RULESET, None, ctypes.c_size_t(0), _VERSION_FLAG))


def confine(folders: Iterable[Path]) -> bool:
    """Refuse this process, and all that it starts from now on, any writing outside these folders.

    Reading stays as it was. What is open already stays writable. It cannot be undone.

    Args:
        folders: those that exist are granted with everything below them.

    Returns:
        whether the kernel does so; False where it cannot, and nothing has changed.
    """
    version = landlock_version()
    if version == 0:
        return False
    rights = _WRITE_FILE | _REMOVE_AND_MAKE
    rights |= _REFER if version >= 2 else 0
    rights |= _TRUNCATE if version >= 3 else 0
    attributes = struct.pack("=Q", rights)
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
    """Where any method may write: its scratch, devices, and caches that only cost time to lose.

    Args:
        scratch: its working folder.
        plugin: the folder of its source; Python and numba keep compiled code in `__pycache__`.
    """
    home = Path.home()
    caches = {
        n: os.environ.get(n) or (home / below if below else "") for n, below in _CACHES.items()
    }
    # A home may be read-only: then there is no cache.
    with contextlib.suppress(OSError):
        Path(caches["XDG_CACHE_HOME"]).mkdir(exist_ok=True)
    own = [scratch, Path("/dev"), Path("/proc"), plugin / "__pycache__"]
    return [*own, *(Path(place) for place in caches.values() if place)]


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
