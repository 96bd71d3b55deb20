"""`regbench new-method` and `new-dataset`: what is written, and what is refused."""

from pathlib import Path

import pytest
import yaml
from shell import Shell

from regbench.plugins.kinds import read_dataset, read_methods

BAD_NAMES = ["a/b", "..", "../up", "Capital", "a b", "a.b", "-a", "a-", "_a", "", "é", "a" * 65]


@pytest.mark.parametrize("command", ["new-method", "new-dataset"])
@pytest.mark.parametrize("name", BAD_NAMES)
def test_a_name_that_is_none_is_refused(shell: Shell, command: str, name: str) -> None:
    shell.refuses(command, "--", name, naming=("not a name of a plugin", "such as my-method"))


@pytest.mark.parametrize(
    ("kind", "files"),
    [
        ("python", {"method.yaml", "method.py"}),
        ("learned", {"method.yaml", "method.py"}),
        ("command", {"method.yaml", "run.py"}),
    ],
)
def test_a_method_is_written_with_its_test(shell: Shell, kind: str, files: set[str]) -> None:
    title = "Ours: 'the' best, #1"
    code, out, err = shell("new-method", "my-best-1", "--kind", kind, "--title", title)
    assert (code, err) == (0, [])
    folder = shell.project / "methods" / "my_best_1"
    test = shell.project / "tests" / "test_method_my_best_1.py"
    assert {path.name for path in folder.iterdir()} == files
    assert str(folder) in out and str(test) in out and "regbench check my-best-1" in out
    (method,) = read_methods(folder)
    assert (method.id, method.title) == ("my-best-1", title)
    first = (folder / "method.yaml").read_text().splitlines()[0]
    assert first == "# yaml-language-server: $schema=../../docs/schemas/method.json"
    assert 'parent / "../methods/my_best_1"' in test.read_text()
    compile(test.read_text(), str(test), "exec")
    # Neither the id nor the folder is given twice.
    shell.refuses("new-method", "my-best-1", naming=("'my-best-1' is taken",))
    shell.refuses("new-method", "my_best_1", naming=("'my-best-1' is taken",))


def test_a_folder_that_is_there_is_left_alone(shell: Shell) -> None:
    (shell.project / "methods" / "mine").mkdir()
    shell.refuses("new-method", "mine", naming=("methods/mine: is there already",))
    (shell.project / "tests").mkdir()
    (shell.project / "tests" / "test_method_other.py").write_text("")
    shell.refuses("new-method", "other", naming=("test_method_other.py: is there already",))
    # A variant's id counts, wherever it comes from.
    shell.refuses("new-method", "shift", naming=("'shift' is taken",))


def test_a_folder_outside_the_project(shell: Shell) -> None:
    place = shell.root / "elsewhere"
    code, out, _ = shell("new-dataset", "my-data", "--folder", place, "--title", "yes")
    assert code == 0
    assert f"plugins: {{datasets: [{place}]}}" in out
    assert f"regbench check {place / 'my_data'}" in out
    assert read_dataset(place / "my_data").title == "yes"
    assert 'parent / "my_data"' in (place / "test_dataset_my_data.py").read_text()
    config = shell.root / "c.yaml"
    config.write_text(yaml.safe_dump({"plugins": {"datasets": [str(place)]}}))
    listed = shell("datasets", "--config", config)[1]
    assert listed.startswith("my_data ")
    again = ("new-dataset", "my-data", "--config", config)
    shell.refuses(*again, naming=("'my_data' is taken",))


def test_a_kind_that_is_none(shell: Shell, capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as ended:
        shell("new-method", "mine", "--kind", "magic")
    assert ended.value.code == 2
    assert not Path(shell.project / "methods" / "mine").exists()
