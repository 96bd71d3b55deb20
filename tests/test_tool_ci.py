"""The CI of a registration tool: the example repository, carried out as action.yml does."""

import os
import shutil
import subprocess
import sys
from pathlib import Path

import pandas as pd
import pytest
import yaml
from helpers import REPOSITORY
from toy_project import IGNORED

from regbench.baseline.compare import MACHINE

EXAMPLE = REPOSITORY / "examples" / "tool-ci"
TOOL = "src/toolreg/__init__.py"
WORKFLOW = ".github/workflows/registration.yml"
ACTION = yaml.safe_load((REPOSITORY / "action.yml").read_text())
SCRIPT = REPOSITORY / "tools" / "tool_ci.sh"
RETURN = "    return np.moveaxis(field, 0, -1)\n"


class Repository:
    """A copy of the example, in which the action's second step runs as GitHub runs it."""

    def __init__(self, root: Path) -> None:
        self.root = root / "tool"
        shutil.copytree(EXAMPLE, self.root, ignore=IGNORED)
        self.summary = root / "summary.md"
        self.comment = self.root / "regbench-comment.md"

    def edit(self, file: str, old: str, new: str) -> None:
        text = (self.root / file).read_text()
        assert old in text
        (self.root / file).write_text(text.replace(old, new))

    def run(self, **inputs: str) -> int:
        """The exit code of the step with the action's own defaults, but `inputs`."""
        defaults = {name: item["default"] for name, item in ACTION["inputs"].items()}
        given = defaults | inputs
        *_, step = ACTION["runs"]["steps"]
        own = {name: given[text.split(".")[1].strip(" }")] for name, text in step["env"].items()}
        environment = {
            **os.environ,
            **own,
            # What `pip install .` does.
            "PYTHONPATH": str(self.root / "src"),
            "PATH": os.pathsep.join([str(Path(sys.executable).parent), os.environ["PATH"]]),
            "GITHUB_ACTION_PATH": str(REPOSITORY),
            "GITHUB_STEP_SUMMARY": str(self.summary),
        }
        words = ["bash", "--noprofile", "--norc", "-eo", "pipefail", "-c", step["run"]]
        done = subprocess.run(words, cwd=self.root, env=environment, capture_output=True, text=True)
        print(done.stdout[-3000:], done.stderr[-3000:])
        return done.returncode

    def told(self) -> str:
        """The comment, which is the summary, too."""
        text = self.comment.read_text()
        assert self.summary.read_text().endswith(text)
        return text


@pytest.fixture
def repository(tmp_path: Path) -> Repository:
    return Repository(tmp_path)


@pytest.mark.verify
def test_an_unchanged_tool_is_green_each_time(repository: Repository) -> None:
    for _ in range(3):
        assert repository.run() == 0
        assert "as they were" in repository.told()
        for made in ("results", "data"):
            shutil.rmtree(repository.root / made)


@pytest.mark.verify
@pytest.mark.parametrize(
    ("change", "words"),
    [
        ("    raise RuntimeError('broken')\n", "failed: RuntimeError: broken"),
        ("    return 0.9 * np.moveaxis(field, 0, -1)\n", "| tre |"),
        (
            "    if iterations < 999:\n        register(fixed, moving, 999)\n" + RETURN,
            "| time_ratio |",
        ),
    ],
    ids=["broken", "worse", "slower"],
)
def test_a_changed_tool_is_red(repository: Repository, change: str, words: str) -> None:
    repository.edit(TOOL, RETURN, change)
    assert repository.run() == 1
    told = repository.told()
    assert "not as they were" in told and words in told
    assert ("time_ratio" in told) == ("time_ratio" in words or "failed" in words)


@pytest.mark.verify
def test_a_tool_that_is_not_installed_is_red(repository: Repository) -> None:
    (repository.root / TOOL).unlink()
    (repository.root / TOOL).parent.rmdir()
    assert repository.run() == 1
    assert "skipped: toolreg is not installed" in repository.told()


@pytest.mark.parametrize(
    "inputs",
    [{"suite": "none.yaml"}, {"suite": "$(touch hit); `touch hit`.yaml"}],
    ids=["missing", "commands"],
)
def test_a_suite_that_does_not_run_is_red_and_leaves_no_old_comment(
    repository: Repository, inputs: dict[str, str]
) -> None:
    repository.comment.write_text("## Metrics of `tool-ci`: as they were\n")
    assert repository.run(**inputs) == 2
    assert "the suite did not finish" in repository.told()
    assert "as they were" not in repository.told()
    assert not (repository.root / "hit").exists()


def test_no_input_of_the_action_is_a_word_of_a_script() -> None:
    steps = ACTION["runs"]["steps"]
    assert {step["shell"] for step in steps} == {"bash"} and len(steps) == 2
    for step in steps:
        assert "${{" not in step["run"]
    for step in yaml.safe_load((EXAMPLE / WORKFLOW).read_text())["jobs"]["comment"]["steps"]:
        assert "${{" not in step.get("run", "")
    named = {text for step in steps for text in step["env"].values() if "inputs." in text}
    assert named == {f"${{{{ inputs.{name} }}}}" for name in ACTION["inputs"]}
    assert os.access(SCRIPT, os.X_OK)


def test_the_example_names_the_action_s_inputs_and_pins_its_time_by_a_ratio() -> None:
    jobs = yaml.safe_load((EXAMPLE / WORKFLOW).read_text())["jobs"]
    (used,) = (x for x in jobs["suite"]["steps"] if "/regbench@" in x.get("uses", ""))
    assert used["with"].keys() <= ACTION["inputs"].keys()
    for name in ("suite", "baseline"):
        assert (EXAMPLE / used["with"][name]).is_file()
    bounds = yaml.safe_load((EXAMPLE / "benchmark/baseline/tolerances.yaml").read_text())
    assert bounds["time_reference"] == "deeds-fast" and "time_ratio" in bounds["metrics"]
    # Seconds and memory have neither a golden value nor a bound, and no method has a wider ratio.
    values = pd.read_csv(EXAMPLE / "benchmark/baseline/values.csv")
    assert not MACHINE.keys() & {*values["metric"], *bounds["metrics"]}
    assert "looser" not in bounds
