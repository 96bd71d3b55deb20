"""A data set's files from the network, each with its checksum, and zips checked and unpacked."""

import shutil
import stat
import tempfile
import zipfile
import zlib
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path, PurePosixPath
from typing import Any
from urllib.parse import urlsplit

from regbench.base.errors import BadInput
from regbench.base.files import locked, read_json, sha256, write_json


@dataclass(frozen=True)
class Remote:
    """A file on the network.

    Attributes:
        url: `https://...`, or `doi:10.5281/zenodo.1/name` for a file of a record.
        checksum: `sha256:...` or `md5:...`; empty: the one that the DOI's record states.
        unzip: unpack it after fetching.
    """

    url: str
    checksum: str = ""
    unzip: bool = False

    @property
    def name(self) -> str:
        """The file's name: the last part of its address."""
        return urlsplit(self.url).path.rstrip("/").rsplit("/", 1)[-1]


def download(
    remotes: Iterable[Remote], folder: Path, *, timeout: float = 60.0, retries: int = 2
) -> list[Path]:
    """Fetch files into a folder; files that are there with the right checksum are kept.

    A file appears under its name only when it is whole and has its checksum.

    Args:
        remotes: what to fetch.
        folder: where to; it is created if needed.
        timeout: seconds without a byte after which a transfer fails.
        retries: further attempts for each file.

    Raises:
        BadInput: pooch is not installed; a file cannot be fetched, or has another checksum; a zip
            that must not be unpacked.
    """
    try:
        import pooch
        import requests
    except ImportError as error:
        raise BadInput(
            "downloading needs pooch, which is not installed",
            expected="pip install pooch; or fetch the files by hand and set settings.path",
        ) from error
    # pooch's log lines would mix with ours, and it raises its errors anyway.
    pooch.get_logger().setLevel("ERROR")
    paths = []
    with locked(folder / ".lock"):
        for remote in remotes:
            try:
                path = Path(_fetch(pooch, remote, folder, timeout, retries))
            except (ValueError, OSError, requests.exceptions.RequestException) as error:
                raise BadInput(
                    "cannot be fetched",
                    file=remote.url,
                    expected=f"a file with {remote.checksum or 'the checksum of its record'}",
                    found=(str(error) or type(error).__name__)[:300],
                ) from error
            if remote.unzip:
                _unpack_once(path, folder)
            paths.append(path)
    return paths


def _fetch(pooch: Any, remote: Remote, folder: Path, timeout: float, retries: int) -> str:
    is_doi = remote.url.startswith("doi:")
    base = remote.url.rsplit("/", 1)[0] + "/"
    store = pooch.create(path=folder, base_url=base, retry_if_failed=retries)
    if remote.checksum:
        store.registry[remote.name] = remote.checksum
    elif is_doi:
        store.load_registry_from_doi()
    else:
        raise ValueError("no checksum: a file from a plain address needs one")
    store.urls[remote.name] = remote.url
    make = pooch.DOIDownloader if is_doi else pooch.HTTPDownloader
    return str(store.fetch(remote.name, downloader=make(progressbar=True, timeout=timeout)))


def _unpack_once(archive: Path, folder: Path) -> None:
    """Unpack an archive unless its record, which is written last, says that this was done."""
    record = folder / f".{archive.name}.unpacked.json"
    content = {"sha256": sha256(archive)}
    if record.is_file() and read_json(record) == content:
        return
    unpack(archive, folder)
    write_json(record, content)


#: No data set of this field has an archive of more members, or of more bytes.
MAX_MEMBERS = 100_000
MAX_BYTES = 256 * 2**30
#: Images that are mostly air compress up to fiftyfold, zeros a thousandfold.
MAX_RATIO = 200


def unpack(archive: Path, folder: Path) -> list[Path]:
    """Unpack a zip into a folder; files of the same names are replaced.

    Everything is first unpacked beside the folder's files and then moved: an interrupted or broken
    archive leaves nothing behind.

    Returns:
        the paths of its top-level files and folders.

    Raises:
        BadInput: not a zip, damaged, a path that leads out of it, a link, an absurd size.
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
            "is not a zip, or is damaged", file=archive, expected="a zip", found=str(error) or error
        ) from error


def check_members(members: Iterable[zipfile.ZipInfo], archive: Path) -> None:
    """Refuse (BadInput) an archive that could write elsewhere than in its folder."""
    for member in members:
        name, kind = member.filename, stat.S_IFMT(member.external_attr >> 16)
        path = PurePosixPath(name.replace("\\", "/"))
        if path.is_absolute() or ".." in path.parts:
            raise BadInput("holds a path that leads out of it", file=archive, found=repr(name))
        if kind not in (0, stat.S_IFREG, stat.S_IFDIR):
            raise BadInput("holds a link or a device", file=archive, found=repr(name))


def _check(members: list[zipfile.ZipInfo], archive: Path) -> None:
    if not members or len(members) > MAX_MEMBERS:
        raise BadInput(
            "has an impossible number of members",
            file=archive,
            expected=f"1 to {MAX_MEMBERS}",
            found=len(members),
        )
    check_members(members, archive)
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
