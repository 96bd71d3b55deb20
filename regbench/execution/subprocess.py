"""Work in a process of its own, so that its crash is something to tell, and not the job's end."""

import os
import sys
import traceback
from collections.abc import Callable

from regbench.base.errors import BadInput
from regbench.execution.process import die_with_parent


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
        _serve(work)
    _, status = os.waitpid(child, 0)
    return os.waitstatus_to_exitcode(status)


def _serve(work: Callable[[], None]) -> None:
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
