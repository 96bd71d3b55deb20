"""The mutants chosen by hand are edits of today's code, and their campaign judges them rightly."""

import subprocess
from pathlib import Path

import pytest
import yaml
from helpers import REPOSITORY
from scripts import script

CODE = "def twice(x):\n    return 2 * x  # the double\n"
TEST = "from toy import twice\n\ndef test_it():\n    assert twice(3) == 6\n"
EDITS = [
    {"edit": "plus", "old": "2 * x", "new": "2 + x"},
    {"edit": "the other way", "old": "2 * x", "new": "x * 2"},
    {"edit": "a word", "old": "the double", "new": "", "equivalent": "a comment"},
    {"edit": "gone", "old": "3 * x", "new": "x"},
]


def test_each_mutant_is_an_edit_of_today_s_code() -> None:
    mutants = script("mutants").read(REPOSITORY / "tests" / "mutants.yaml")
    assert len(mutants) >= 60
    for mutant in mutants:
        text = (REPOSITORY / mutant.file).read_text()
        assert text.count(mutant.old) == 1 and mutant.old != mutant.new, mutant.name
        for name in mutant.tests:
            assert (REPOSITORY / "tests" / f"{name}.py").is_file(), mutant.name
    names = [mutant.name for mutant in mutants]
    assert sorted(set(names)) == sorted(names)


@pytest.fixture
def tree(tmp_path: Path) -> Path:
    """A git checkout with a function, its test and a list of mutants."""
    root = tmp_path / "tree"
    (root / "tests").mkdir(parents=True)
    (root / "toy.py").write_text(CODE)
    (root / "tests" / "test_toy.py").write_text(TEST)
    groups = [{"tests": ["test_toy"], "files": {"toy.py": EDITS}}]
    (root / "list.yaml").write_text(yaml.safe_dump(groups))
    subprocess.run(["git", "init", "--quiet", str(root)], check=True)
    return root


def campaign(tree: Path, *words: str) -> int:
    return int(script("mutants").main(["--tree", str(tree), "--list", f"{tree}/list.yaml", *words]))


@pytest.mark.verify
def test_a_mutant_is_killed_by_a_failing_test_alone(
    tree: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert campaign(tree) == 2
    lines = capsys.readouterr().out.splitlines()
    ends = {line.split("toy.py: ")[1]: line.split("  ")[0] for line in lines[:-1]}
    assert ends == {
        "plus": "killed",
        "the other way": "survived",
        "a word": "equivalent",
        "gone": "text not found",
    }
    assert lines[-1] == "killed 1 of 2 = 50.0 %; equivalent 1; text not found 1"
    assert (tree / "toy.py").read_text() == CODE
    assert campaign(tree, "--only", "plus") == 0
    assert campaign(tree, "--part", "1/2") == 1


def test_a_test_that_fails_by_itself_kills_nothing(
    tree: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (tree / "tests" / "test_toy.py").write_text(TEST.replace("6", "7"))
    assert campaign(tree) == 2
    shown = capsys.readouterr()
    assert shown.out == "" and shown.err == "mutants: fail without a mutant: test_toy\n"
