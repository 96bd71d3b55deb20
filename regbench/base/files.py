"""Files on disk: atomic writes, hashes, JSON, and a lock that dies with its holder."""

import errno
import fcntl
import glob
import hashlib
import json
import os
import platform
import stat
import tempfile
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from functools import lru_cache
from pathlib import Path
from typing import IO, Any

from regbench.base.errors import BadInput

#: No dataset JSON or list of cases comes near this.
MAX_JSON_BYTES = 64 * 2**20
#: Errors that tell of the machine and not of who writes or reads: no room, a disk that fails or
#: takes nothing, a file server that is gone.
MACHINE_ERRORS = (
    *(errno.ENOSPC, errno.EDQUOT, errno.EROFS, errno.EIO),
    *(errno.ENFILE, errno.ESTALE, errno.ENOTCONN, errno.ETIMEDOUT),
)


def write_bytes(path: Path, content: bytes) -> None:
    """Write `content` so that `path` holds either its old bytes or all of the new ones."""
    with writing(path) as file:
        file.write(content)


@contextmanager
def writing(path: Path) -> Iterator[IO[bytes]]:
    """A file to write that becomes `path` at the end of the block; an error leaves `path` alone.

    Raises:
        BadInput: `path` is a folder, a device or a pipe.
    """
    check_output(path, ())
    own = f".{platform.node()[:60]}-"
    prefix = f"{own}{os.getpid()}-"
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        handle, temporary = tempfile.mkstemp(dir=path.parent, prefix=prefix, suffix=".tmp")
    except OSError as error:
        # The temporary file's name would not help.
        raise OSError(error.errno, error.strerror, str(path)) from error
    try:
        _remove_left(path.parent, own)
        with os.fdopen(handle, "wb") as file:
            yield file
            file.flush()
            os.fsync(file.fileno())
        # mkstemp makes 0600 files; results are for everybody that the umask allows.
        mask = os.umask(0)
        os.umask(mask)
        Path(temporary).chmod(0o666 & ~mask)
        Path(temporary).replace(path)
    except BaseException as error:
        Path(temporary).unlink(missing_ok=True)
        if isinstance(error, OSError) and error.filename is None:
            raise OSError(error.errno, error.strerror, str(path)) from error
        raise


def write_text(path: Path, content: str) -> None:
    """Write text as UTF-8, atomically; what UTF-8 has not (bytes of a file name) is escaped."""
    write_bytes(path, printable(content).encode())


def printable(text: str) -> str:
    """Text that can be written: a file's name may hold bytes that are no text; they are escaped."""
    return text.encode(errors="backslashreplace").decode()


def write_json(path: Path, content: Any) -> None:
    """Write JSON, keys in their order, atomically: equal content gives equal bytes."""
    write_text(path, json.dumps(content, indent=1) + "\n")


def check_output(output: Path, inputs: Iterable[Path]) -> None:
    """Refuse (BadInput) to write over a file that is read, by whatever name, or no regular file."""
    if output.exists() and not output.is_file():
        raise BadInput("is no regular file", file=output, expected="a file to write")
    if output.exists() and any(path.exists() and output.samefile(path) for path in inputs):
        raise BadInput("is an input", file=output, expected="another file to write")


def check_writable(folder: Path) -> None:
    """Refuse (BadInput) a folder in which nothing can be written."""
    if not os.access(folder, os.W_OK | os.X_OK):
        raise BadInput("cannot be written", file=folder, expected="a folder of your own")


def is_of_machine(error: BaseException | None) -> bool:
    """Whether an error, or one that it follows from, is a trouble of the machine."""
    while error is not None:
        if isinstance(error, OSError) and error.errno in MACHINE_ERRORS:
            return True
        error = error.__cause__ or error.__context__
    return False


def seal(path: Path) -> None:
    """Note length and hash of a finished file beside it: `check_seal` then tells a change."""
    write_text(_seal_of(path), f"{path.stat().st_size} {sha256(path)}\n")


def check_seal(path: Path) -> None:
    """Refuse (BadInput) a file that is not as it was when it was sealed, if it was."""
    note = _seal_of(path)
    if not path.is_file() or not note.is_file():
        return
    known = note.read_text(encoding="utf-8", errors="replace").split()
    if known != [str(path.stat().st_size), sha256(path)]:
        raise BadInput("was cut or changed after it was written", file=path)


def _seal_of(path: Path) -> Path:
    return path.with_name(f".{path.name}.sha256")


@lru_cache(maxsize=64)
def _remove_left(folder: Path, own: str) -> None:
    """Remove the temporary files that killed processes of this machine left."""
    # Once per process: listing a run's folder at every case takes the square of the cases.
    for path in folder.glob(f"{glob.escape(own)}*.tmp"):
        try:
            os.kill(int(path.name.removeprefix(own).split("-")[0]), 0)
        except ProcessLookupError:
            path.unlink(missing_ok=True)


def check_file(path: Path, expected: str) -> None:
    """Refuse a path where no file is.

    Args:
        path: what a user gave.
        expected: what the file should be, in words.

    Raises:
        BadInput: there is nothing, or a folder, a pipe or a device.
    """
    if not path.is_file():
        there = "is a folder" if path.is_dir() else "is no ordinary file"
        raise BadInput(there if path.exists() else "no such file", file=path, expected=expected)


@contextmanager
def readable(path: Path) -> Iterator[None]:
    """Turn the system's refusal to read a file inside the block into BadInput."""
    try:
        yield
    except OSError as error:
        raise BadInput("cannot be read", file=path, found=error.strerror) from error


def check_plain_file(path: Path, most: int) -> None:
    """Refuse what is no ordinary file (a pipe would never end), or is larger than it can be.

    Args:
        path: a file that is read into memory whole.
        most: bytes that no honest file of its kind exceeds.

    Raises:
        BadInput: missing, a folder, a pipe or device, or larger than `most` bytes.
    """
    with readable(path):
        about = path.stat()
    if not stat.S_ISREG(about.st_mode):
        raise BadInput("cannot be read", file=path, expected="a file")
    if about.st_size > most:
        raise BadInput(
            "is too large", file=path, expected=f"at most {most} bytes", found=about.st_size
        )


def read_json(path: Path) -> Any:
    """Read a JSON file.

    Raises:
        BadInput: the file is missing, or is not JSON, has a key twice, or is absurdly large.
    """
    check_plain_file(path, MAX_JSON_BYTES)
    with readable(path):
        content = path.read_bytes()
    try:
        return json.loads(content.decode(), object_pairs_hook=_distinct)
    except RecursionError as error:
        raise BadInput("is not valid JSON", file=path, found="too deep a nesting") from error
    except ValueError as error:
        raise BadInput("is not valid JSON", file=path, found=str(error)) from error


def _distinct(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    """An object of JSON; of a key that is given twice, one value would silently be lost."""
    content = dict(pairs)
    if len(content) < len(pairs):
        names = [name for name, _ in pairs]
        twice = next(name for name in names if names.count(name) > 1)
        raise ValueError(f"the key {twice!r} twice in one object")
    return content


def sha256(path: Path) -> str:
    """The hash of a file's bytes, in hexadecimal."""
    with readable(path), path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def digest(content: Any) -> str:
    """A hash of a JSON-able value, independent of the order of keys."""
    canonical = json.dumps(content, sort_keys=True, separators=(",", ":"))
    return hashlib.sha256(canonical.encode()).hexdigest()


@contextmanager
def locked(path: Path) -> Iterator[None]:
    """Hold an exclusive lock on `path`, waiting for it; a killed holder frees it by dying.

    It holds between machines where the file system's locks do (NFS 4; Lustre mounted with `flock`).

    Raises:
        BadInput: the file system has no locks.
    """
    path.parent.mkdir(parents=True, exist_ok=True)
    with path.open("a") as file:
        try:
            fcntl.flock(file, fcntl.LOCK_EX)
        except OSError as error:
            raise BadInput(
                "cannot be locked", file=path, expected="flock", found=error.strerror
            ) from error
        yield
