"""Finding the project: the folder that holds the Snakefile and the plugin folders."""

import os
import platform
from pathlib import Path

from regbench.base.errors import BadInput

#: Set by the workflow to its host and process id; its jobs on that host end when it is gone.
WORKFLOW_PID = "REGBENCH_WORKFLOW_PID"


def find_root(given: str | None = None, start: Path | None = None) -> Path:
    """`given`, else `$REGBENCH_ROOT`, else the nearest folder upwards with Snakefile and methods.

    Raises:
        BadInput: there is none, or the named one is not a project.
    """
    named = given or os.environ.get("REGBENCH_ROOT")
    if named:
        root = Path(named).resolve()
        if not _is_root(root):
            raise BadInput(
                "is not a project root", file=root, expected="a folder with Snakefile and methods/"
            )
        return root
    start = (start or Path.cwd()).resolve()
    for folder in (start, *start.parents):
        if _is_root(folder):
            return folder
    raise BadInput(
        "no project here or above",
        file=start,
        expected="a folder with Snakefile and methods/ (or --root, or REGBENCH_ROOT)",
    )


def work_folder(root: Path) -> Path:
    """Where data, results and reports lie: `$REGBENCH_WORK`, else the project root.

    They differ where another workflow uses this one as a module, from a folder of its own.
    """
    return Path(os.environ.get("REGBENCH_WORK") or root).resolve()


def own_mark() -> str:
    """This process as `WORKFLOW_PID` names it."""
    return f"{platform.node()}/{os.getpid()}"


def _is_root(folder: Path) -> bool:
    return (folder / "Snakefile").is_file() and (folder / "methods").is_dir()
