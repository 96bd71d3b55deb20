"""Projects: which one counts, whose plugins it has, `regbench init`, configs by name."""

import os
import subprocess
import sys
import tempfile
from pathlib import Path

import pytest
from helpers import REPOSITORY, one_line
from plugin_files import METRIC, kind_file, metric_file

from regbench.base.errors import BadInput
from regbench.base.project import (
    MARK,
    box,
    find_root,
    plugin_roots,
    work_folder,
    workflow_root,
)
from regbench.cli.main import main
from regbench.cli.options import config_file
from regbench.plan.config import load_config
from regbench.plugins.catalog import discover


@pytest.fixture
def made(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A project that `init` made, as the current folder."""
    folder = tmp_path / "mine"
    assert main(["init", str(folder)]) == 0
    monkeypatch.chdir(folder)
    return folder


def test_without_a_project_the_box_is_used_and_results_lie_here(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    assert find_root() == box() == REPOSITORY
    assert work_folder(box()) == tmp_path
    assert plugin_roots(box()) == (box(),)
    assert workflow_root(box()) == box()


def test_a_project_has_the_box_s_plugins_and_its_own(made: Path) -> None:
    metric_file(made / "metrics" / "mine.py", METRIC)
    kind_file(made / "reports" / "kinds" / "mine.py")
    (made / "config" / "deep").mkdir()
    os.chdir(made / "config" / "deep")
    root = find_root()
    assert root == made == work_folder(root) == workflow_root(box())
    known, boxed = discover(root), discover(box())
    assert {*known.metrics} == {*boxed.metrics, "mine"}
    assert {*known.report_kinds} == {*boxed.report_kinds, "mine"}


def test_the_named_project_counts_and_results_lie_in_the_caller_s_folder(
    made: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    other = tmp_path / "other"
    other.mkdir()
    monkeypatch.chdir(other)
    monkeypatch.setenv("REGBENCH_ROOT", str(made))
    assert find_root() == made == workflow_root(box())
    assert work_folder(made) == other
    assert find_root(str(box())) == box()
    monkeypatch.setenv("REGBENCH_WORK", str(tmp_path))
    assert work_folder(made) == tmp_path
    with pytest.raises(BadInput) as error:
        find_root(str(other))
    one_line(error.value, other, MARK)


def test_init_writes_configs_and_a_method_that_are_found(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / ".gitignore").write_text("*.bak\n/results/")
    monkeypatch.chdir(tmp_path)
    assert main(["init", "--config", "landmarks", "--method", "first-one"]) == 0
    ignored = (tmp_path / ".gitignore").read_text().splitlines()
    assert ignored[:2] == ["*.bak", "/results/"] and ignored.count("/results/") == 1
    assert {"/data/", "!/reports/*.yaml", "!/reports/kinds/"} <= set(ignored)
    assert {file.name for file in (tmp_path / "config").iterdir()} == {
        *("default.yaml", "smoke.yaml", "landmarks.yaml")
    }
    assert "first-one" in discover(tmp_path).methods
    for name in ("smoke", "default"):
        file = config_file(name, tmp_path)
        assert file == tmp_path / "config" / f"{name}.yaml"
        own = load_config(file, tmp_path)
        assert own.raw == load_config(REPOSITORY / "config" / f"{name}.yaml", REPOSITORY).raw
        assert "schema" not in file.read_text().splitlines()[0]


@pytest.mark.parametrize("inside", ["", "deeper/still"])
def test_no_project_inside_a_project(
    made: Path, inside: str, capsys: pytest.CaptureFixture[str]
) -> None:
    before = sorted(made.rglob("*"))
    assert main(["init", str(made / inside)]) == 2
    error = capsys.readouterr().err
    assert error.count("\n") == 1 and ("inside another project" in error) == bool(inside)
    assert sorted(made.rglob("*")) == before


def test_init_replaces_nothing(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (tmp_path / "config").mkdir()
    (tmp_path / "config" / "smoke.yaml").write_text("mine")
    assert main(["init", str(tmp_path)]) == 2
    assert "smoke.yaml: is there already" in capsys.readouterr().err
    assert [file.name for file in tmp_path.rglob("*")] == ["config", "smoke.yaml"]
    assert main(["init", str(tmp_path / "new"), "--method", "Bad Name"]) == 2
    assert not (tmp_path / "new" / MARK).exists()


@pytest.mark.parametrize(("mode", "refused"), [(0o555, True), (0o777, False)])
def test_a_folder_that_cannot_be_written(mode: int, refused: bool) -> None:
    # Not in pytest's own folder, which is closed to others whatever the mode below it.
    with tempfile.TemporaryDirectory() as folder:
        Path(folder).chmod(mode)
        code = (
            "import os, sys\n"
            "from regbench.base.files import check_writable\n"
            "from pathlib import Path\n"
            # Nothing is closed to root.
            "if os.getuid() == 0: os.setuid(65534)\n"
            f"try: check_writable(Path({folder!r}))\n"
            "except ValueError as error: sys.exit(str(error))\n"
        )
        said = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True).stderr
        Path(folder).chmod(0o755)
    wrong = f"{folder}: cannot be written; expected a folder of your own\n"
    assert said == (wrong if refused else "")


def test_a_config_is_a_file_or_a_name(made: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    assert config_file(None, made) == made / "config" / "default.yaml"
    assert config_file("smoke.yaml", made) == made / "config" / "smoke.yaml"
    assert config_file("tools", made) == REPOSITORY / "config" / "tools.yaml"
    (made / "config" / "tools.yaml").write_text("name: mine\n")
    assert config_file("tools", made) == made / "config" / "tools.yaml"
    monkeypatch.chdir(made / "config")
    assert config_file("tools.yaml", made) == made / "config" / "tools.yaml"
    with pytest.raises(BadInput) as error:
        config_file("somke", made)
    one_line(error.value, "somke", "did you mean 'smoke'?", "landmarks")


def test_a_new_method_wants_a_project(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.chdir(tmp_path)
    assert main(["new-method", "mine"]) == 2
    assert "regbench init" in capsys.readouterr().err
