"""Building a method's own environment, once for all projects of a user."""

import shutil
import sys
import uuid
from pathlib import Path

from regbench.base.errors import BadInput
from regbench.base.files import locked, read_json, write_json
from regbench.execution.program import run_program
from regbench.plugins.environment import Environment
from regbench.plugins.loading import installed

#: The engine's own packages are none of the environment's.
_APART = {"PYTHONPATH": "", "PIP_DISABLE_PIP_VERSION_CHECK": "1", "PIP_NO_INPUT": "1"}


def build(environment: Environment) -> None:
    """Build an environment unless it is there; what pip prints goes to standard error.

    An environment does not survive being moved. So it is built in a folder of its own, to which
    `environment.folder` is a link, made last. A build that was killed has no link, and the next
    one removes its folder. Of two builders one waits for the other.

    Raises:
        BadInput: no such Python; or the packages cannot be installed, with pip's last lines.
    """
    place = environment.folder
    try:
        with locked(place.with_name(f".{place.name}.lock")):
            if environment.built:
                return
            for left in place.parent.glob(f"{place.name}.*"):
                shutil.rmtree(left, ignore_errors=True)
            made = place.with_name(f"{place.name}.{uuid.uuid4().hex[:8]}")
            try:
                _install(environment, made)
            except BaseException:
                shutil.rmtree(made, ignore_errors=True)
                raise
            link = made.with_suffix(f"{made.suffix}-link")
            link.symlink_to(made.name)
            link.replace(place)
    except (OSError, RuntimeError, MemoryError) as error:
        raise BadInput(
            "the environment cannot be built", file=environment.lock, found=str(error)
        ) from error


def build_recorded(environment: Environment, record: Path) -> None:
    """Build an environment; the record says whether it is there, and else why not."""
    reason = ""
    try:
        build(environment)
    except BadInput as problem:
        reason = str(problem)
    write_json(record, {"reason": reason, "folder": str(environment.folder)})


def obstacle(environment: Environment, record: Path) -> str:
    """Why an environment cannot be used, or nothing. One that has gone since is built again.

    Args:
        environment: of a method.
        record: written by `build_recorded`; a build that failed there is not tried again.
    """
    if not environment.built and record.is_file() and (reason := read_json(record)["reason"]):
        return str(reason)
    try:
        build(environment)
    except BadInput as problem:
        return str(problem)
    return ""


def _install(environment: Environment, folder: Path) -> None:
    """A virtual environment with the lock's packages: by uv where it is there, else by venv."""
    python = f"python{environment.python}" if environment.python else sys.executable
    uv, found = shutil.which("uv"), shutil.which(python)
    # uv fetches a Python that is not there.
    if found is None and uv is None:
        raise RuntimeError(f"there is no {python} on PATH")
    own, lock = str(folder / "bin" / "python"), str(environment.lock.resolve())
    if uv is not None:
        words = [
            uv,
            "venv",
            "--quiet",
            "--clear",
            "--python",
            found or environment.python,
            str(folder),
        ]
        install = [uv, "pip", "install", "--quiet", "--python", own, "-r", lock]
    elif installed("pip"):
        words = [str(found), "-m", "venv", "--without-pip", str(folder)]
        install = [sys.executable, "-m", "pip", "--python", own, "install", "--quiet", "-r", lock]
    else:
        words = [str(found), "-m", "venv", str(folder)]
        install = [own, "-m", "pip", "install", "--quiet", "-r", lock]
    run_program(words, folder.parent, "making it", _APART)
    run_program(install, environment.lock.parent, "installing", _APART)
