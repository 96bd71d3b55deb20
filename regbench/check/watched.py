"""A worker that records what it writes.

`python -m regbench.check.watched RECORD` is the method's worker, but it appends each path that its
Python code writes to RECORD. Like the worker, it may run in a method's own environment.
"""

import os
import sys
from pathlib import Path
from typing import Any

_WRITING = os.O_WRONLY | os.O_RDWR | os.O_CREAT | os.O_TRUNC | os.O_APPEND
#: Audit events of changes, and which of their arguments is the path that changes.
_CHANGES = {"os.mkdir": 0, "os.remove": 0, "os.rmdir": 0, "os.rename": 1, "os.symlink": 1}


def watch(record: Path) -> None:
    """From now on, append each path that is written to `record`, once."""
    handle = os.open(record, os.O_WRONLY | os.O_CREAT | os.O_APPEND)
    seen: set[str] = set()

    def note(event: str, arguments: tuple[Any, ...]) -> None:
        path = written(event, arguments)
        if path is not None and path not in seen:
            seen.add(path)
            os.write(handle, path.encode(errors="surrogateescape") + b"\n")

    sys.addaudithook(note)


def written(event: str, arguments: tuple[Any, ...]) -> str | None:
    """The absolute path that an audit event writes to; None where it writes to none."""
    if event == "open":
        path, flags = arguments[0], arguments[2]
        if not isinstance(flags, int) or not flags & _WRITING:
            return None
    elif event in _CHANGES:
        path = arguments[_CHANGES[event]]
        # Relative to a folder's handle, as in shutil.rmtree: below a path that was noted before.
        if isinstance(arguments[-1], int) and arguments[-1] >= 0 and event != "os.mkdir":
            return None
    else:
        return None
    if not isinstance(path, str | bytes | os.PathLike):
        return None
    return os.path.abspath(os.fsdecode(path))  # noqa: PTH100


if __name__ == "__main__":
    from regbench.execution.worker import main

    watch(Path(sys.argv[1]))
    main()
