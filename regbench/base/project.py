"""Finding the project, whose plugins are used, and the folder that results lie in."""

import os
import platform
from pathlib import Path

from regbench.base.errors import BadInput

#: Set by the workflow to its host and process id; its jobs on that host end when it is gone.
WORKFLOW_PID = "REGBENCH_WORKFLOW_PID"
#: Set by the workflow to the folder that paths in its config are relative to.
CONFIG_FOLDER = "REGBENCH_CONFIG_FOLDER"
#: Marks a folder that `regbench init` made. Its plugins are added to those in the box.
MARK = "regbench.yaml"
_EXPECTED = f"a folder with {MARK}, or with Snakefile and methods/"


def box() -> Path:
    """The folder of what comes with the engine: plugins, configs, rules and Snakefile.

    In an installed wheel it is a part of the package. In a clone it is the clone.
    """
    package = Path(__file__).resolve().parent.parent
    inside = package / "box"
    return inside if inside.is_dir() else package.parent


def nearest_project(start: Path | None = None) -> Path | None:
    """The nearest project from `start` (default: the current folder) upwards; None: there is none.

    A project is a folder with `MARK`, or with Snakefile and methods: a clone.
    """
    start = (start or Path.cwd()).resolve()
    return next((folder for folder in (start, *start.parents) if _is_project(folder)), None)


def find_root(given: str | None = None, start: Path | None = None) -> Path:
    """The project: `given`, else `$REGBENCH_ROOT`, else the nearest one upwards, else the box.

    Raises:
        BadInput: the named folder is not a project, or there is neither project nor box.
    """
    named = given or os.environ.get("REGBENCH_ROOT")
    if named:
        root = Path(named).resolve()
        if not _is_project(root):
            raise BadInput("is not a project", file=root, expected=_EXPECTED)
        return root
    root = nearest_project(start) or box()
    if not _is_whole(root) and root == box():
        raise BadInput("no project here or above", file=Path.cwd(), expected=_EXPECTED)
    return root


def plugin_roots(root: Path) -> tuple[Path, ...]:
    """The folders whose plugins and configs a project has; one that `init` made has the box's."""
    return (box(), root) if (root / MARK).is_file() and not _is_whole(root) else (root,)


def workflow_root(snakefile_folder: Path) -> Path:
    """The project of a workflow: one that `init` made, named or around the current folder; else
    that of the Snakefile."""
    named = os.environ.get("REGBENCH_ROOT")
    root = Path(named).resolve() if named else nearest_project()
    return root if root is not None and (root / MARK).is_file() else snakefile_folder


def work_folder(root: Path) -> Path:
    """Where data, results and reports lie: `$REGBENCH_WORK`, else the project around the current
    folder, else the current folder."""
    named = os.environ.get("REGBENCH_WORK")
    if named:
        return Path(named).resolve()
    here = Path.cwd().resolve()
    return root if here.is_relative_to(root) else here


def own_mark() -> str:
    """This process as `WORKFLOW_PID` names it."""
    return f"{platform.node()}/{os.getpid()}"


def _is_project(folder: Path) -> bool:
    return (folder / MARK).is_file() or _is_whole(folder)


def _is_whole(folder: Path) -> bool:
    return (folder / "Snakefile").is_file() and (folder / "methods").is_dir()
