"""A process that answers: one request a line on standard input, one answer a line back.

What else the process prints goes to standard error, so that it cannot garble the answers.
"""

import json
import os
import sys
import traceback
from collections.abc import Callable
from typing import Any

from regbench.base.errors import BadInput
from regbench.execution.process import adopt_orphans, die_with_parent
from regbench.execution.sandbox import landlock_version
from regbench.plugins.kinds import missing_package

#: Characters of a reason. Longer ones are cut.
MAX_REASON = 500

#: What answers a request.
Answerer = Callable[[dict[str, Any]], dict[str, Any]]


def serve_requests(start: Callable[[dict[str, Any]], tuple[dict[str, str], Answerer]]) -> None:
    """Read the job, start, and answer requests until standard input closes; end with the parent.

    Args:
        start: from the job (the first line) to versions of what is loaded, and what answers.
    """
    die_with_parent()
    adopt_orphans()
    answers = os.fdopen(os.dup(1), "w", buffering=1)
    os.dup2(2, 1)

    def answer(content: dict[str, Any]) -> None:
        answers.write(json.dumps(content) + "\n")

    job = json.loads(sys.stdin.readline())
    try:
        versions, answerer = start(job)
    except BaseException as error:
        answer({"ready": False, **describe(error, job)})
        return
    answer({"ready": True, "versions": versions})
    for line in sys.stdin:
        try:
            answer({"ok": True, **answerer(json.loads(line))})
        except BaseException as error:
            answer({"ok": False, **describe(error, job)})


def describe(error: BaseException, job: dict[str, Any]) -> dict[str, Any]:
    """An exception as the launcher needs it: one line, and what kind of trouble it is."""
    traceback.print_exception(error)
    line = " ".join(str(error).split())
    if isinstance(error, ModuleNotFoundError) and (name := missing_package(error)):
        hint = job.get("install") or f"pip install {name}"
        reason = f"{name} is not installed: {hint}"
        return {"kind": "missing", "reason": reason, "package": name}
    if isinstance(error, PermissionError) and job.get("confined") and landlock_version():
        line += " (a method may write in its working folder only)"
    kind = "memory" if isinstance(error, MemoryError) else "error"
    text = line if isinstance(error, BadInput) else f"{type(error).__name__}: {line}"
    return {"kind": kind, "reason": text[:MAX_REASON]}
