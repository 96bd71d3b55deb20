"""Fetching files: from a server that is good, slow, broken, or has another file."""

import hashlib
import io
import stat
import sys
import threading
import zipfile
from collections import Counter
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import pytest
from helpers import one_line, write_project
from plugin_files import DATASET, dataset_folder
from shell import Shell

from regbench.base.errors import BadInput
from regbench.data.download import Remote, download, unpack
from regbench.plugins.catalog import discover

GOOD = bytes(range(256)) * 40


def zipped(members: dict[str, bytes]) -> bytes:
    """A zip with these members."""
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w", zipfile.ZIP_DEFLATED) as archive:
        for name, content in members.items():
            archive.writestr(name, content)
    return buffer.getvalue()


ZIP = zipped({"training/scans/a.txt": b"one", "training/b.txt": b"two"})


def checksum(content: bytes) -> str:
    return "sha256:" + hashlib.sha256(content).hexdigest()


class Server:
    """A web server on this machine; it counts what was asked for."""

    def __init__(self) -> None:
        self.asked: Counter[str] = Counter()
        self.released = threading.Event()
        outer = self

        class Handler(BaseHTTPRequestHandler):
            def do_GET(self) -> None:
                name = self.path.strip("/")
                outer.asked[name] += 1
                content = {"good.bin": GOOD, "data.zip": ZIP}.get(name.removeprefix("flaky-"), GOOD)
                if name == "absent.bin":
                    self.send_error(404)
                    return
                self.send_response(200)
                self.send_header("Content-Length", str(len(content)))
                self.end_headers()
                half = name == "broken.bin" or (name.startswith("flaky") and outer.asked[name] == 1)
                if half or name == "slow.bin":
                    self.wfile.write(content[: len(content) // 2])
                    self.wfile.flush()
                    if name == "slow.bin":
                        outer.released.wait(20)
                    return
                self.wfile.write(content)

            def log_message(self, *_: object) -> None:
                pass

        self.server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self.server.daemon_threads = True
        threading.Thread(target=self.server.serve_forever, daemon=True).start()

    def url(self, name: str) -> str:
        return f"http://127.0.0.1:{self.server.server_address[1]}/{name}"

    def close(self) -> None:
        self.released.set()
        self.server.shutdown()
        self.server.server_close()


@pytest.fixture
def server(monkeypatch: pytest.MonkeyPatch) -> Iterator[Server]:
    pytest.importorskip("pooch", reason="pooch is not installed")
    monkeypatch.setenv("no_proxy", "127.0.0.1")
    running = Server()
    yield running
    running.close()


def left(folder: Path) -> list[str]:
    """Files in a folder, hidden ones apart."""
    return sorted(p.name for p in folder.rglob("*") if p.is_file() and not p.name.startswith("."))


def test_a_good_file_is_fetched_once(server: Server, tmp_path: Path) -> None:
    remote = Remote(server.url("good.bin"), checksum(GOOD))
    for _ in range(2):
        assert download([remote], tmp_path) == [tmp_path / "good.bin"]
    assert (tmp_path / "good.bin").read_bytes() == GOOD
    assert server.asked["good.bin"] == 1
    # What was damaged since then is fetched anew.
    (tmp_path / "good.bin").write_bytes(b"?")
    download([remote], tmp_path)
    assert (tmp_path / "good.bin").read_bytes() == GOOD


def test_md5_is_a_checksum_too(server: Server, tmp_path: Path) -> None:
    md5 = "md5:" + hashlib.md5(GOOD, usedforsecurity=False).hexdigest()
    download([Remote(server.url("good.bin"), md5)], tmp_path)
    assert left(tmp_path) == ["good.bin"]


@pytest.mark.parametrize(
    ("name", "known", "words"),
    [
        ("good.bin", checksum(b"another"), ["does not match"]),
        ("slow.bin", checksum(GOOD), ["timed out"]),
        ("broken.bin", checksum(GOOD), []),
        ("absent.bin", checksum(GOOD), ["404"]),
        ("good.bin", "", ["no checksum"]),
    ],
)
def test_what_cannot_be_trusted_is_not_kept(
    server: Server, tmp_path: Path, name: str, known: str, words: list[str]
) -> None:
    with pytest.raises(BadInput) as error:
        download([Remote(server.url(name), known)], tmp_path, timeout=0.5, retries=0)
    one_line(error.value, server.url(name), "cannot be fetched", *words)
    assert left(tmp_path) == []


def test_a_server_that_is_not_there(tmp_path: Path) -> None:
    pytest.importorskip("pooch", reason="pooch is not installed")
    with pytest.raises(BadInput) as error:
        download([Remote("http://127.0.0.1:9/x.bin", checksum(GOOD))], tmp_path, retries=0)
    one_line(error.value, "http://127.0.0.1:9/x.bin", "cannot be fetched")


def test_a_broken_connection_is_tried_again(server: Server, tmp_path: Path) -> None:
    remote = Remote(server.url("flaky-good.bin"), checksum(GOOD))
    download([remote], tmp_path, retries=1)
    assert server.asked["flaky-good.bin"] == 2
    assert left(tmp_path) == ["flaky-good.bin"]


def test_an_archive_is_unpacked_once(server: Server, tmp_path: Path) -> None:
    remote = Remote(server.url("data.zip"), checksum(ZIP), unzip=True)
    download([remote], tmp_path)
    file = tmp_path / "training" / "scans" / "a.txt"
    assert file.read_bytes() == b"one"
    file.write_bytes(b"mine")
    download([remote], tmp_path)
    assert file.read_bytes() == b"mine"


def test_without_pooch_one_line(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "pooch", None)
    with pytest.raises(BadInput) as error:
        download([Remote("https://example.org/x.zip", checksum(GOOD))], tmp_path / "new")
    one_line(error.value, "pip install pooch", "by hand")
    assert not (tmp_path / "new").exists()


# -- archives ---------------------------------------------------------------------------------


def linked() -> bytes:
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w") as archive:
        member = zipfile.ZipInfo("training/link")
        member.external_attr = (stat.S_IFLNK | 0o777) << 16
        archive.writestr(member, "/etc/passwd")
    return buffer.getvalue()


def damaged() -> bytes:
    content = bytearray(zipped({"a.txt": bytes(range(256)) * 20}))
    content[40] ^= 0xFF
    return bytes(content)


BAD = {
    "no zip": (b"<html>not found</html>", "not a zip"),
    "empty": (zipped({}), "number of members"),
    "truncated": (ZIP[:-40], "not a zip"),
    "damaged": (damaged(), "damaged"),
    "upwards": (zipped({"training/a": b"1", "../b": b"2"}), "leads out of it"),
    "absolute": (zipped({"/b": b"2"}), "leads out of it"),
    "backslash": (zipped({"..\\b": b"2"}), "leads out of it"),
    "link": (linked(), "link"),
    "bomb": (zipped({"zeros": bytes(40 * 2**20)}), "impossible size"),
}


@pytest.mark.parametrize("name", BAD)
def test_a_bad_archive_leaves_nothing(tmp_path: Path, name: str) -> None:
    content, word = BAD[name]
    folder = tmp_path / "into"
    folder.mkdir()
    archive = tmp_path / "x.zip"
    archive.write_bytes(content)
    with pytest.raises(BadInput) as error:
        unpack(archive, folder)
    one_line(error.value, archive, word)
    assert list(folder.iterdir()) == []
    assert not (tmp_path / "b").exists()


def test_unpacking_adds_to_what_is_there(tmp_path: Path) -> None:
    (tmp_path / "training").mkdir()
    (tmp_path / "training" / "mine.txt").write_text("stays")
    archive = tmp_path / "x.zip"
    archive.write_bytes(ZIP)
    assert unpack(archive, tmp_path) == [tmp_path / "training"]
    assert left(tmp_path / "training") == ["a.txt", "b.txt", "mine.txt"]


# -- the command and the metadata -------------------------------------------------------------


def test_the_command(server: Server, shell: Shell) -> None:
    text = (
        DATASET + f"download: [{{url: '{server.url('data.zip')}', unzip: true, checksum: '%s'}}]\n"
    )
    dataset_folder(shell.project / "datasets" / "mine", text % checksum(ZIP))
    dataset_folder(shell.project / "datasets" / "other")
    folder = shell.root / "here"
    code, out, err = shell("download", "mine", "--to", str(folder))
    assert code == 0, err
    assert str(folder) in out
    assert left(folder) == ["a.txt", "b.txt", "data.zip"]
    code, _, err = shell("download", "other")
    assert code == 2 and "nothing to fetch" in err[-1] and "mine" in err[-1]
    code, _, err = shell("download", "min")
    assert code == 2 and "did you mean 'mine'" in err[-1]


@pytest.mark.parametrize(
    ("item", "words"),
    [
        ("{url: 'https://example.org/x.zip'}", ["no checksum", "sha256"]),
        ("{url: 'https://example.org/x.zip', checksum: abc}", ["checksum", "abc"]),
        ("{url: 'ftp://example.org/passwd'}", ["url", "passwd"]),
        ("{url: 'https://example.org/..', checksum: 'md5:0'}", ["download"]),
        ("{name: x}", ["download"]),
    ],
)
def test_bad_metadata_of_a_download(tmp_path: Path, item: str, words: list[str]) -> None:
    dataset_folder(write_project(tmp_path) / "datasets" / "mine", DATASET + f"download: [{item}]\n")
    with pytest.raises(BadInput) as error:
        discover(tmp_path)
    one_line(error.value, "dataset.yaml", *words)


def test_a_doi_states_its_own_checksums(tmp_path: Path) -> None:
    item = "{url: 'doi:10.5281/zenodo.3835682/training.zip', unzip: true}"
    dataset_folder(write_project(tmp_path) / "datasets" / "mine", DATASET + f"download: [{item}]\n")
    (known,) = discover(tmp_path).datasets["mine"].download
    assert Remote(**known.model_dump()).name == "training.zip"
