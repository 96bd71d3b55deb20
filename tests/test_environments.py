"""An environment for each method: versions that exclude each other run in one table."""

import json
import re
import shutil
import signal
import subprocess
import sys
import time
from pathlib import Path

import numpy as np
import pytest
from helpers import one_line
from local_wheels import CALLS, write_lock, write_method, write_wheels
from toy_project import ToyProject, make_project

from regbench.base.errors import BadInput
from regbench.base.paths import layout_file, run_folder
from regbench.base.records import FIELD_NAME, Status
from regbench.execution import launcher
from regbench.execution.environment import build, build_recorded, obstacle
from regbench.execution.launcher import launch
from regbench.execution.prepare import prepare
from regbench.measure.failures import RunResult, forget_failures
from regbench.plan import keys
from regbench.plan.config import resolve
from regbench.plan.jobs import Job, Plan
from regbench.plan.resources import Shard
from regbench.plugins.environment import Environment
from regbench.plugins.kinds import read_methods
from regbench.spatial.field import read_field

RUNS = {"tool-one": 1.0, "tool-two": 2.0}


@pytest.fixture(scope="module")
def wheels(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write_wheels(tmp_path_factory.mktemp("wheels"))


@pytest.fixture(scope="module", autouse=True)
def cache(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A cache of this file's own, for the workflow's processes, too."""
    folder = tmp_path_factory.mktemp("cache")
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("XDG_CACHE_HOME", str(folder))
        patch.delenv("REGBENCH_ENVIRONMENTS", raising=False)
        yield folder / "regbench" / "environments"


@pytest.fixture(scope="module")
def project(tmp_path_factory: pytest.TempPathFactory, wheels: Path, cache: Path) -> ToyProject:
    """Methods with both versions of shifter, and with one that there is not; data prepared."""
    made = make_project(tmp_path_factory.mktemp("project"))
    for name, number in zip(("one", "two", "nine"), (*CALLS, "9.0"), strict=True):
        write_method(made.root / "methods" / f"tool_{name}", wheels, number)
    made.config["methods"] = ["identity", *RUNS, "tool-nine"]
    made.config["metrics"] = ["dice"]
    config = resolve(made.config, made.root)
    prepare(config.datasets["toy"], made.root / layout_file("toy", "toy"))
    return made


def job_of(project: ToyProject, run: str, folder: Path) -> Job:
    config = resolve(project.config, project.root)
    layout = project.root / layout_file("toy", "toy")
    return Job(config, config.run("toy", run), 0, folder, layout)


def register(project: ToyProject, run: str, folder: Path) -> list[Status]:
    return launch(job_of(project, run, folder), Shard(), folder / "log.txt")


def test_two_versions_of_one_package_work_side_by_side(project: ToyProject, tmp_path: Path) -> None:
    for run, shift in RUNS.items():
        for status in register(project, run, tmp_path / run):
            assert status.outcome == "ok", status.reason
            field = read_field(tmp_path / run / status.case / FIELD_NAME)
            assert np.all(field.displacement[..., 0] == shift)
            assert status.facts["versions"]["shifter"] == f"{shift}"


def test_a_build_that_fails_skips_the_cases_with_the_installer_s_last_lines(
    project: ToyProject, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    first = register(project, "tool-nine", tmp_path)
    for status in first:
        assert status.outcome == "skipped"
        assert "the environment cannot be built" in status.reason
        # In pip's words, or in uv's.
        assert re.search(
            "No matching distribution.* shifter==9.0|no version of shifter==9.0", status.reason
        )
        assert "\n" not in status.reason
    # The case is not held: a build that would succeed now changes it.
    monkeypatch.setattr(launcher, "obstacle", lambda *_: "another reason")
    assert [s.reason for s in register(project, "tool-nine", tmp_path)] == 3 * ["another reason"]


def test_a_retry_builds_again_for_that_run_alone(
    project: ToyProject, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    plan = Plan(resolve(project.config, project.root))
    names = {own.lock.parent.name: name for name, own in plan.environments.items()}
    assert list(names) == ["tool_one", "tool_two", "tool_nine"]
    before = {name: plan.environment(id_).key for name, id_ in names.items()}
    needs = plan.register("toy", "tool-nine", "0")
    assert needs.inputs["environment"] == f"results/toy/environments/{names['tool_nine']}.json"
    assert "environment" not in plan.register("toy", "identity", "0").inputs
    skipped = {"case": "a", "outcome": "skipped", "facts": {"environment": "x"}}
    folder = run_folder("toy", "toy", "tool-nine", 0)
    assert forget_failures(RunResult("nine", folder, [skipped])) == ["a"]
    after = {name: plan.environment(id_).key for name, id_ in names.items()}
    assert {name for name in names if before[name] != after[name]} == {"tool_nine"}


def test_an_environment_is_built_before_what_waits_for_it(project: ToyProject) -> None:
    plan = Plan(resolve(project.config, project.root))
    waiting = plan.register("toy", "tool-one", "0")
    builds = [plan.environment(name) for name in plan.environments]
    assert waiting.inputs["environment"]
    assert builds and min(needs.priority for needs in builds) > waiting.priority


@pytest.mark.verify
def test_two_versions_of_one_package_stand_in_one_table(project: ToyProject) -> None:
    project.snakemake("--quiet", "all")
    table = (project.root / "reports" / "leaderboard.csv").read_text()
    for run in (*RUNS, "tool-nine"):
        assert f"{run.replace('-', '_')}," in table
    for run, outcome in {**dict.fromkeys(RUNS, "ok"), "tool-nine": "skipped"}.items():
        cases = json.loads((project.folder(run) / "cases.json").read_text())
        assert {case["outcome"] for case in cases} == {outcome}
    assert project.planned() == {}
    assert project.regbench("retry", "--config", "toy.yaml", "--mark-only").returncode == 0
    planned = project.planned()
    assert (planned["environment"], planned["register"]) == (1, 1)


def test_an_environment_is_shared_and_built_once(project: ToyProject, cache: Path) -> None:
    (plugin,) = read_methods(project.root / "methods" / "tool_one")
    assert plugin.environment is not None
    build(plugin.environment)
    assert plugin.environment.folder.parent == cache
    before = plugin.environment.folder.resolve()
    copied = Environment(Path(shutil.copy(plugin.environment.lock, cache.parent / "copy.txt")))
    build(copied)
    assert copied.folder.resolve() == before


def test_the_fingerprint_has_the_lock(project: ToyProject, wheels: Path) -> None:
    def key() -> str:
        return keys.register(resolve(project.config, project.root).runs[1], 0)

    lock = project.root / "methods" / "tool_one" / "requirements.txt"
    text, first = lock.read_text(), key()
    lock.write_text(text.replace("shifter==1.0", "shifter==2.0"))
    assert key() != first
    lock.write_text(text)
    assert key() == first


def test_a_cache_that_has_gone_is_built_again(project: ToyProject, tmp_path: Path) -> None:
    (plugin,) = read_methods(project.root / "methods" / "tool_two")
    own = plugin.environment
    assert own is not None
    build_recorded(own, tmp_path / "record.json")
    own.folder.unlink()
    assert obstacle(own, tmp_path / "record.json") == ""
    assert own.built


BUILD = (
    "import sys; from pathlib import Path\n"
    "from regbench.execution.environment import build\n"
    "from regbench.plugins.environment import Environment\n"
    "build(Environment(Path(sys.argv[1])))\n"
)


def test_two_builders_and_a_killed_one(
    wheels: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("REGBENCH_ENVIRONMENTS", str(tmp_path / "cache"))
    lock = tmp_path / "requirements.txt"
    write_lock(lock, wheels, "shifter==1.0")
    command = [sys.executable, "-c", BUILD, str(lock)]
    killed = subprocess.Popen(command, stderr=subprocess.DEVNULL)
    own = Environment(lock)
    while not list(own.folder.parent.glob(f"{own.id}.*/bin")):
        assert killed.poll() is None
        time.sleep(0.01)
    killed.send_signal(signal.SIGKILL)
    killed.wait()
    assert not own.built
    both = [subprocess.Popen(command, stderr=subprocess.DEVNULL) for _ in range(2)]
    assert [process.wait() for process in both] == [0, 0]
    assert own.built
    # One folder, one link: nothing is left of the killed build.
    assert len([path for path in own.folder.parent.iterdir() if path.name[0] != "."]) == 2
    made = subprocess.run(
        [own.interpreter, "-c", "import shifter; print(shifter.shift())"],
        capture_output=True,
        text=True,
        check=True,
    )
    assert made.stdout == "1.0\n"


def test_another_python_runs_the_worker(
    project: ToyProject, wheels: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Only as far as the handshake: NumPy's compiled parts are of this Python."""
    other = other_python()
    write_method(tmp_path / "shift_other", wheels, "1.0", more=f'python: "{other}"\n')
    (plugin,) = read_methods(tmp_path / "shift_other")
    own = plugin.environment
    assert own is not None and own.id != Environment(own.lock).id
    build(own)
    said = subprocess.run([own.interpreter, "--version"], capture_output=True, text=True)
    assert f"Python {other}." in said.stdout


def other_python() -> str:
    for version in ("3.10", "3.12", "3.13"):
        if version == "{}.{}".format(*sys.version_info):
            continue
        found = shutil.which(f"python{version}")
        if found and subprocess.run([found, "--version"], capture_output=True).returncode == 0:
            return version
    pytest.skip("there is no other Python here")


def test_a_build_without_a_cache_folder_is_one_line(
    wheels: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "file").write_text("")
    monkeypatch.setenv("REGBENCH_ENVIRONMENTS", str(tmp_path / "file" / "below"))
    lock = tmp_path / "requirements.txt"
    write_lock(lock, wheels)
    with pytest.raises(BadInput, match="cannot be built") as caught:
        build(Environment(lock))
    one_line(caught.value, lock, "Not a directory")
    record = tmp_path / "record.json"
    build_recorded(Environment(lock), record)
    assert "cannot be built" in json.loads(record.read_text())["reason"]
    # What is recorded is not tried again.
    monkeypatch.setenv("REGBENCH_ENVIRONMENTS", str(tmp_path / "cache"))
    assert "Not a directory" in obstacle(Environment(lock), record)


@pytest.mark.parametrize(
    ("lock", "more", "words"),
    [
        ("numpy>=2\nnibabel==5\n", "", "is not pinned; expected name==version; found numpy>=2"),
        ("numpy==2.*\nnibabel==5\n", "", "is not pinned"),
        ("./shifter-1.0-py3-none-any.whl\n", "", "is not pinned"),
        ("-r other.txt\n", "", "names another file; expected one file; found -r other.txt"),
        ("numpy==2.0 # here\n", "", "lacks nibabel; expected nibabel==VERSION"),
        (None, "", "is not a file in its folder"),
        ("numpy==2.0\nnibabel==5\n", "requires: [torch]\n", "environment does not go with it"),
        ("numpy==2.0\nnibabel==5\n", 'python: "2"\n', "python"),
    ],
)
def test_a_bad_lock_is_one_line(tmp_path: Path, lock: str | None, more: str, words: str) -> None:
    write_method(tmp_path / "bad", tmp_path, "1.0", more)
    file = tmp_path / "bad" / "requirements.txt"
    file.unlink()
    if lock is not None:
        file.write_text(lock)
    with pytest.raises(BadInput) as caught:
        read_methods(tmp_path / "bad")
    one_line(caught.value, words, tmp_path / "bad")


def test_a_conda_file_is_refused(tmp_path: Path) -> None:
    write_method(tmp_path / "bad", tmp_path, "1.0")
    (tmp_path / "bad" / "requirements.txt").rename(tmp_path / "bad" / "environment.yml")
    file = tmp_path / "bad" / "method.yaml"
    file.write_text(file.read_text().replace("requirements.txt", "environment.yml"))
    with pytest.raises(BadInput, match="not a conda file or an image"):
        read_methods(tmp_path / "bad")
