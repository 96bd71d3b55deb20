"""A worker's end of the conversation: it reads a request a line, and writes an answer a line.

See `regbench.execution.protocol` for the launcher's end.
"""

import json
import os
import sys
import traceback
from collections.abc import Callable
from typing import Any

from regbench.base.errors import of_code
from regbench.base.files import is_of_machine
from regbench.execution.sandbox import adopt_orphans, die_with_parent, landlock_version
from regbench.plugins.loading import missing_package

#: Characters of a reason. Longer ones are cut.
MAX_REASON = 500

#: What answers a request.
Answerer = Callable[[dict[str, Any]], dict[str, Any]]


class Killed(MemoryError):
    """A program that a method runs was ended by SIGKILL, which may be anyone's."""


def serve_requests(start: Callable[[dict[str, Any]], tuple[dict[str, Any], Answerer]]) -> None:
    """Read the job, start, and answer requests until standard input closes; end with the parent.

    Everything else that the process prints goes to standard error: it cannot garble the answers.

    Args:
        start: takes the job (the first line), returns facts about what is loaded, and what answers.
    """
    die_with_parent()
    adopt_orphans()
    answers = os.fdopen(os.dup(1), "w", buffering=1)
    os.dup2(2, 1)

    def answer(content: dict[str, Any]) -> None:
        answers.write(json.dumps(content) + "\n")

    job = json.loads(sys.stdin.readline())
    try:
        facts, answerer = start(job)
    except BaseException as error:
        answer({"ready": False, **_described(error, job)})
        return
    answer({"ready": True, **facts})
    for line in sys.stdin:
        try:
            answer({"ok": True, **answerer(json.loads(line))})
        except BaseException as error:
            answer({"ok": False, **_described(error, job)})


def _described(error: BaseException, job: dict[str, Any]) -> dict[str, Any]:
    """An exception as the launcher needs it: one line, and what kind of trouble it is."""
    traceback.print_exception(error)
    text = of_code(error)
    if isinstance(error, ModuleNotFoundError) and (name := missing_package(error)):
        hint = job.get("install") or f"pip install {name}"
        reason = f"{name} is not installed: {hint}"
        return {"kind": "missing", "reason": reason, "package": name}
    if isinstance(error, PermissionError) and job.get("confined") and landlock_version():
        text += " (a method may write in its working folder only)"
    kind = "memory" if isinstance(error, MemoryError) else "error"
    kind = "killed" if isinstance(error, Killed) else "machine" if is_of_machine(error) else kind
    return {"kind": kind, "reason": text[:MAX_REASON]}
