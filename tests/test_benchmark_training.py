"""The benchmark of trainings: what it refuses, and a process of it that dies."""

import argparse
import subprocess
import sys
import time
from pathlib import Path

import pytest
from helpers import REPOSITORY, one_line
from scripts import script

from regbench.base.errors import BadInput

BENCHMARK = script("benchmark_training")
#: In the place of a process: it ends as its method says, or waits for the others.
CHILD = """import os, sys, time
way = sys.argv[3]
if way == "answers":
    print("a word"); print(2.5); sys.exit()
try:
    os.mkdir(sys.argv[0] + ".first")
except FileExistsError:
    time.sleep(60)
if way == "crashes":
    raise ValueError("no luck")
os.kill(os.getpid(), 9)
"""


def test_an_unknown_method_is_one_line_and_code_2() -> None:
    command = [sys.executable, BENCHMARK.__file__, "default", "ct-mri", "vm-2", "vn-2"]
    done = subprocess.run(command, cwd=REPOSITORY, capture_output=True, text=True)
    (line,) = done.stderr.splitlines()
    assert (done.returncode, done.stdout) == (2, "")
    assert "default.yaml: unknown method 'vn-2' (did you mean 'vm-2'?)" in line


@pytest.mark.parametrize(
    ("config", "task", "method", "says"),
    [
        ("default", "ct-mri", "identity", "method identity is not trained"),
        ("default", "ct-mir", "vm-2", "unknown task 'ct-mir' (did you mean 'ct-mri'?)"),
        ("defualt", "ct-mri", "vm-2", "defualt.yaml"),
    ],
)
def test_what_is_no_training_is_one_line(
    config: str, task: str, method: str, says: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(REPOSITORY)
    with pytest.raises(BadInput) as error:
        BENCHMARK.main(argparse.Namespace(config=config, task=task, methods=[method]))
    one_line(error.value, says)


def together(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, method: str) -> float:
    """Two processes of which the first ends as the method says."""
    (tmp_path / "child.py").write_text(CHILD)
    monkeypatch.setattr(BENCHMARK, "__file__", str(tmp_path / "child.py"))
    options = argparse.Namespace(config="c", task="t", device="cpu")
    return float(BENCHMARK._together(options, method, "engine", 2))


@pytest.mark.parametrize(
    ("method", "says"),
    [
        ("crashes", "a process ended with code 1; found ValueError: no luck"),
        ("is killed", "a process ended with code -9; found no word"),
    ],
)
def test_a_process_that_dies_is_one_line_and_nobody_waits_for_it(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, method: str, says: str
) -> None:
    started = time.monotonic()
    with pytest.raises(BadInput) as error:
        together(tmp_path, monkeypatch, method)
    one_line(error.value, f"{method}, engine: {says}")
    assert time.monotonic() - started < 30


def test_what_all_processes_answer_is_summed(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert together(tmp_path, monkeypatch, "answers") == 5.0
