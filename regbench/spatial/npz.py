"""Arrays in `.npz` archives: the headers are checked before anything is unpacked."""

import zipfile
import zlib
from collections.abc import Callable
from pathlib import Path
from typing import IO

import numpy as np
from numpy.typing import NDArray

from regbench.base.errors import BadInput

#: The version that numpy writes for arrays of numbers. Later ones allow headers of gigabytes.
_VERSION = (1, 0)
_METHODS = (zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED)
# A password is a RuntimeError, an unknown kind of archive a NotImplementedError.
_UNREADABLE = (
    *(zipfile.BadZipFile, zlib.error, OSError, EOFError),
    *(ValueError, RuntimeError, NotImplementedError, SyntaxError),
)


def read_npz(path: Path, check: Callable[[tuple[int, ...]], None]) -> NDArray:
    """The one array of an archive, in its own type of real numbers.

    The archive may claim anything: what is unpacked is what the array's own header says, and the
    header is read first. Nothing is unpickled.

    Args:
        path: of the archive.
        check: is called with the shape in the header, and raises where it does not fit.

    Raises:
        BadInput: missing, no archive, not exactly one array, other than numbers, or damaged; and
            what `check` raises.
    """
    if not path.is_file():
        raise BadInput("no such file", file=path, expected="an npz file")
    try:
        with zipfile.ZipFile(path) as archive:
            member = _only_member(archive, path)
            with archive.open(member) as file:
                _check_header(file, check, path)
            with archive.open(member) as file:
                data: NDArray = np.lib.format.read_array(file, allow_pickle=False)
                # At the end of the member zipfile compares its checksum.
                rest = file.read(1)
    except BadInput:
        raise
    except _UNREADABLE as error:
        found = " ".join(str(error).split())[:200] or type(error).__name__
        raise BadInput("is not a readable npz file", file=path, found=found) from error
    if rest:
        raise BadInput("holds more than its array's header says", file=path)
    return data


def _only_member(archive: zipfile.ZipFile, path: Path) -> zipfile.ZipInfo:
    members = archive.infolist()
    if len(members) != 1 or not members[0].filename.endswith(".npy"):
        names = ", ".join(repr(member.filename) for member in members[:3])
        raise BadInput(
            "does not hold exactly one array",
            file=path,
            expected="one .npy",
            found=f"{len(members)} files ({names}{', ...' if len(members) > 3 else ''})",
        )
    if members[0].compress_type not in _METHODS:
        raise BadInput("is compressed in a way that numpy does not write", file=path)
    return members[0]


def _check_header(file: IO[bytes], check: Callable[[tuple[int, ...]], None], path: Path) -> None:
    version = np.lib.format.read_magic(file)
    if version != _VERSION:
        raise BadInput("unknown version of npy", file=path, expected=_VERSION, found=version)
    found, _, kind = np.lib.format.read_array_header_1_0(file)
    if kind.hasobject:
        raise BadInput("holds pickled objects", file=path, expected="an array of numbers")
    if not np.issubdtype(kind, np.number) or np.issubdtype(kind, np.complexfloating):
        raise BadInput("does not hold real numbers", file=path, found=kind)
    check(found)
