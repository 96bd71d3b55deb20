"""Files that are written: whole or not at all, and what may not be written over."""

import errno
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from regbench.base.errors import BadInput
from regbench.base.files import write_bytes


def test_an_error_of_writing_names_its_file(tmp_path: Path, monkeypatch: Any) -> None:
    def full(handle: int) -> None:
        raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr(os, "fsync", full)
    with pytest.raises(OSError, match=r"No space left on device.*x\.csv"):
        write_bytes(tmp_path / "x.csv", b"1")
    assert not list(tmp_path.iterdir())
    # Not the name of the temporary file, nor the folder's.
    for path in (tmp_path / ("x" * 300), Path(__file__) / "x.csv"):
        with pytest.raises(OSError) as caught:
            write_bytes(path, b"1")
        assert caught.value.filename == str(path)


def test_what_a_killed_process_left_is_removed(tmp_path: Path) -> None:
    code = (
        "import os, sys; from pathlib import Path; from regbench.base.files import writing\n"
        "with writing(Path(sys.argv[1])) as file: os.kill(os.getpid(), 9)"
    )
    subprocess.run([sys.executable, "-c", code, str(tmp_path / "a.json")], check=False)
    assert len(list(tmp_path.iterdir())) == 1
    write_bytes(tmp_path / "b.json", b"1")
    assert [path.name for path in tmp_path.iterdir()] == ["b.json"]


def test_a_folder_of_many_files_is_not_listed_at_each(tmp_path: Path, monkeypatch: Any) -> None:
    listed: list[Path] = []
    glob = Path.glob

    def counted(folder: Path, pattern: str) -> Any:
        listed.append(folder)
        return glob(folder, pattern)

    monkeypatch.setattr(Path, "glob", counted)
    for number in range(5):
        write_bytes(tmp_path / f"{number}.json", b"1")
    assert listed == [tmp_path]


@pytest.mark.parametrize("kind", ["folder", "pipe", "device", "link to a device"])
def test_what_is_no_regular_file_is_not_written(tmp_path: Path, kind: str) -> None:
    file = tmp_path / "x"
    if kind == "folder":
        file.mkdir()
    elif kind == "pipe":
        os.mkfifo(file)
    elif kind == "device":
        file = Path("/dev/full")
    else:
        file.symlink_to("/dev/null")
    with pytest.raises(BadInput, match="is no regular file"):
        write_bytes(file, b"1")
    assert file.exists() and not file.is_file()
