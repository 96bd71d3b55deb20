"""No false green: the verdict and the retry of what is not there, not finished, or of others."""

import json
from pathlib import Path
from typing import Any

import pytest
from toy_project import ToyProject, make_project

from regbench.base.files import digest, write_json
from regbench.base.paths import config_file
from regbench.cli.main import main


class Judged:
    """The commands in a project whose three runs were laid out by hand."""

    def __init__(self, project: ToyProject, capsys: pytest.CaptureFixture[str]) -> None:
        self.project, self.capsys = project, capsys
        self.start(project.config)
        for run in ("identity", "oracle", "shift"):
            self.write(run)

    def start(self, config: dict[str, Any]) -> None:
        """What a workflow leaves of its config when it starts."""
        write_json(self.project.root / config_file("toy", digest(config)[:16]), config)

    def write(self, run: str, outcome: str = "ok", reason: str = "") -> None:
        status = {"case": "a", "outcome": outcome, "reason": reason, "facts": {}}
        write_json(self.project.folder(run) / "cases.json", [status])

    def __call__(self, *words: str) -> tuple[int, str]:
        """Exit code, and all that was printed."""
        code = main([*words, "--config", str(self.project.config_file)])
        out, err = self.capsys.readouterr()
        return code, out + err


@pytest.fixture
def judged(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> Judged:
    (tmp_path / "project").mkdir()
    monkeypatch.chdir(tmp_path / "project")
    return Judged(make_project(tmp_path / "project"), capsys)


def refused(answer: tuple[int, str], words: str) -> None:
    """Code 2 and one line with the words."""
    code, text = answer
    assert (code, text.count("\n")) == (2, 1) and words in text, text


def test_what_is_finished_and_ok_is_green(judged: Judged) -> None:
    assert judged("verdict") == (
        0,
        "3 ok, 0 failed, 0 skipped; 0 failed metrics; 0 runs not finished\n",
    )
    assert judged("retry") == (0, "0 failed cases\n")


def test_a_run_that_is_not_finished_is_not(judged: Judged) -> None:
    (judged.project.folder("shift") / "cases.json").unlink()
    code, text = judged("verdict")
    assert code == 3 and "toy shift seed0: not finished" in text
    assert judged("verdict", "--partial")[0] == 0
    assert judged("retry") == (3, "0 failed cases; 1 runs not finished\n")


def test_a_failure_is_not_and_is_marked(judged: Judged) -> None:
    judged.write("shift", "failed", "no luck")
    code, text = judged("verdict", "--partial")
    assert code == 3 and "toy shift seed0 a: failed: no luck" in text
    code, text = judged("retry", "--mark-only")
    assert code == 0 and text.endswith("1 failed cases\n")
    assert json.loads((judged.project.folder("shift") / "retries.json").read_text()) == 1


@pytest.mark.parametrize("command", ["verdict", "retry"])
def test_another_folder_s_results_are_not(
    judged: Judged, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, command: str
) -> None:
    monkeypatch.chdir(tmp_path)
    refused(judged("--root", str(judged.project.root), command), f"{tmp_path}/results/toy")
    monkeypatch.setenv("REGBENCH_ROOT", str(judged.project.root))
    refused(judged(command), "no results")


@pytest.mark.parametrize("command", ["verdict", "retry"])
def test_another_config_s_results_are_not(judged: Judged, command: str) -> None:
    project = judged.project
    # What no result depends on may change.
    project.config |= {"limits": {"time_s": 9}, "reports": ["table"]}
    project.write_config()
    assert judged(command)[0] == 0
    project.config["datasets"] = {"toy": {"plugin": "toy", "settings": {"shape": [9, 9, 9]}}}
    project.write_config()
    refused(judged(command), "of another config")
    judged.start(project.config)
    assert judged(command)[0] == 0


@pytest.mark.parametrize("content", ['{"a": "ok"}', '[{"case": "a", "state": "ok"}]', "[1]"])
def test_an_old_results_folder_is_one_line(judged: Judged, content: str) -> None:
    file = judged.project.folder("identity") / "cases.json"
    file.write_text(content)
    refused(judged("verdict"), "cases.json: is not a list of statuses")
    refused(judged("retry"), "run the workflow again")
    assert file.read_text() == content
