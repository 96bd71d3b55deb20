"""Unpacking a zip that was downloaded: looked through before a byte of it is written."""

import shutil
import stat
import tempfile
import zipfile
import zlib
from pathlib import Path, PurePosixPath

from regbench.base.errors import BadInput

#: What an archive may hold: more members, or more bytes, are no data set of this field.
MAX_MEMBERS = 100_000
MAX_BYTES = 256 * 2**30
#: Images compress up to fiftyfold where they are mostly air; zeros, a thousandfold.
MAX_RATIO = 200


def unpack(archive: Path, folder: Path) -> list[Path]:
    """Unpack a zip into a folder; files of the same names are replaced.

    Everything is unpacked beside the folder's files first and moved then: an interrupted or broken
    archive leaves nothing behind.

    Returns:
        the top-level names that were unpacked.

    Raises:
        BadInput: no zip, damaged, a member that leaves the folder, a link, an absurd size.
    """
    try:
        with zipfile.ZipFile(archive) as content:
            members = content.infolist()
            _check(members, archive)
            with tempfile.TemporaryDirectory(dir=folder, prefix=".unpack-") as temporary:
                for member in members:
                    content.extract(member, temporary)
                return [
                    _move(item, folder / item.name) for item in sorted(Path(temporary).iterdir())
                ]
    except (zipfile.BadZipFile, zlib.error, EOFError, NotImplementedError, RuntimeError) as error:
        raise BadInput(
            "is no zip, or a damaged one", file=archive, expected="a zip", found=str(error) or error
        ) from error


def _check(members: list[zipfile.ZipInfo], archive: Path) -> None:
    if not members or len(members) > MAX_MEMBERS:
        raise BadInput(
            "has an impossible number of members",
            file=archive,
            expected=f"1 to {MAX_MEMBERS}",
            found=len(members),
        )
    for member in members:
        name = PurePosixPath(member.filename.replace("\\", "/"))
        if name.is_absolute() or ".." in name.parts:
            raise BadInput("a member leaves the folder", file=archive, found=member.filename)
        kind = stat.S_IFMT(member.external_attr >> 16)
        if kind not in (0, stat.S_IFREG, stat.S_IFDIR):
            raise BadInput("a member is a link or device", file=archive, found=member.filename)
    size = sum(member.file_size for member in members)
    packed = max(1, sum(member.compress_size for member in members))
    if size > MAX_BYTES or size > MAX_RATIO * packed + 2**20:
        raise BadInput(
            "unpacks to an impossible size",
            file=archive,
            expected=f"at most {MAX_RATIO} times its own, and {MAX_BYTES} bytes",
            found=f"{size} bytes from {packed}",
        )


def _move(source: Path, target: Path) -> Path:
    if target.is_dir() and source.is_dir():
        for item in source.iterdir():
            _move(item, target / item.name)
    else:
        if target.is_dir():
            shutil.rmtree(target)
        source.replace(target)
    return target
