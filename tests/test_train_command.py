"""`regbench train`: a training without a workflow, which a workflow takes over."""

from pathlib import Path
from typing import Any

import pytest
import torch
from toy_project import ToyProject, make_project

from regbench.cli.main import main


@pytest.fixture
def project(tmp_path: Path) -> ToyProject:
    return make_project(tmp_path)


@pytest.mark.verify
def test_it_trains_and_the_workflow_takes_it_over(project: ToyProject) -> None:
    words = ("train", "tiny", "--config", "toy.yaml", "--set", "steps=4")
    done = project.regbench(*words)
    assert done.returncode == 0, done.stderr
    file, about = done.stdout.strip().split(": ")
    assert Path(file) == Path("results/toy/toy/tiny@steps=4/seed0/checkpoint.pt")
    assert about.startswith("tiny@steps=4 on toy, seed 0, 4 steps, ")
    assert "network" in torch.load(project.root / file, weights_only=True)
    project.config["methods"] = [{"method": "tiny", "settings": {"steps": 4}}]
    # Its data, too.
    assert not {"train", "prepare"} & set(project.planned())


BAD: dict[str, tuple[dict[str, Any], tuple[str, ...], str]] = {
    "control": ({}, ("identity",), "method identity is not trained"),
    "method": ({}, ("tyny",), "unknown method 'tyny' (did you mean 'tiny'?)"),
    "task": ({}, ("tiny", "--task", "toi"), "unknown task 'toi' (did you mean 'toy'?)"),
    "setting": ({}, ("tiny", "--set", "step=4"), "did you mean 'steps'?"),
    "twice": (
        {"methods": ["tiny", {"method": "tiny", "settings": {"steps": 4}}]},
        ("tiny",),
        "method tiny is listed several times on task toy; expected one of tiny, tiny@steps=4",
    ),
}


def test_data_that_cannot_be_written_is_one_line(
    project: ToyProject, capfd: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(project.root)
    (project.root / "data").write_text("a file where the folder belongs")
    words = ["--root", str(project.root), "train", "tiny", "--config", str(project.config_file)]
    assert main(words) == 2
    (error,) = capfd.readouterr().err.splitlines()
    assert error.startswith("regbench: data") and "cannot be read or written" in error


@pytest.mark.parametrize("name", BAD)
def test_it_refuses_in_one_line_before_any_work(
    project: ToyProject, capsys: pytest.CaptureFixture[str], name: str
) -> None:
    changes, words, line = BAD[name]
    project.config |= changes
    project.write_config()
    start = ["--root", str(project.root), "train"]
    assert main([*start, *words, "--config", str(project.config_file)]) == 2
    (error,) = capsys.readouterr().err.splitlines()
    assert line in error
    assert not (project.root / "results").exists()
