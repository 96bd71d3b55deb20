"""A method's own environment: the file that pins its packages, and where it lies once built."""

import os
import re
import sys
import sysconfig
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from regbench.base.errors import BadInput
from regbench.base.files import check_plain_file, digest, sha256

#: The variable that names another folder for the environments, which all projects share.
CACHE = "REGBENCH_ENVIRONMENTS"
#: What a worker imports beside the method.
NEEDED = ("numpy", "nibabel")
_MAX_BYTES = 2**20
_PINNED = re.compile(r"([A-Za-z0-9][A-Za-z0-9._-]*) *(?:\[[^]]*\])? *==[^=*,]+(?:;.*)?")
#: Options of pip that bring in what the file's own content does not state.
_OTHER_FILES = ("-r", "--requirement", "-c", "--constraint", "-e", "--editable")


@dataclass(frozen=True)
class Environment:
    """Packages beside the engine's own, for the worker of a method.

    Attributes:
        lock: a requirements file of pip; see `check_lock`.
        python: a version, such as `3.12`; empty: that of the engine.
    """

    lock: Path
    python: str = ""

    @property
    def id(self) -> str:
        """A hash of what it is built from: the lock, the version of Python, the platform."""
        version = self.python or "{}.{}".format(*sys.version_info)
        return digest([sha256(self.lock), version, sysconfig.get_platform()])[:16]

    @property
    def folder(self) -> Path:
        """A link to the built environment; it is there only once the environment is whole."""
        cache = os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache"
        return Path(os.environ.get(CACHE) or Path(cache, "regbench", "environments")) / self.id

    @property
    def interpreter(self) -> Path:
        """Its Python."""
        return self.folder / "bin" / "python"

    @property
    def built(self) -> bool:
        """Whether it can be used."""
        return self.interpreter.is_file()


def check_lock(lock: Path, *, for_worker: bool) -> None:
    """Refuse a file that does not pin its packages, or lacks what a worker needs that runs in it.

    Raises:
        BadInput: no requirements file; a line that is no `name==version` or option; an option that
            names another file; a needed package is not pinned.
    """
    if lock.suffix != ".txt":
        raise BadInput(
            "is no requirements file",
            file=lock,
            expected="environment: NAME.txt, pinned packages for pip; not a conda file or an image",
        )
    check_plain_file(lock, _MAX_BYTES)
    pinned = set()
    for line in _lines(lock):
        if line.startswith("-"):
            if line.partition(" ")[0].partition("=")[0] in _OTHER_FILES:
                raise BadInput("names another file", file=lock, expected="one file", found=line)
            continue
        match = _PINNED.fullmatch(line.partition(" --hash")[0].strip())
        if match is None:
            raise BadInput("is not pinned", file=lock, expected="name==version", found=line)
        pinned.add(re.sub("[._-]+", "-", match[1]).lower())
    if missing := [name for name in NEEDED if for_worker and name not in pinned]:
        raise BadInput(
            f"lacks {missing[0]}", file=lock, expected=f"{missing[0]}==VERSION: the worker needs it"
        )


def _lines(lock: Path) -> Iterator[str]:
    """The lines as pip reads them: continued ones joined, without comments and empty ones."""
    text = lock.read_text(encoding="utf-8", errors="replace").replace("\\\n", " ")
    for line in text.splitlines():
        if words := re.sub(r"(^|\s)#.*", "", line).strip():
            yield words
