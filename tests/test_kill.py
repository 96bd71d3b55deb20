"""Killed at any moment, the same command goes on: nothing finished is lost, nothing is stale."""

import os
import platform
import random
import signal
import subprocess
import sys
import time
from pathlib import Path

import psutil
import pytest
from helpers import read_report
from toy_project import ToyProject, kill_group, make_project

from regbench.base.paths import layout_file
from regbench.base.project import WORKFLOW_PID
from regbench.execution.prepare import prepare
from regbench.plan.config import resolve

CASES = 8


@pytest.fixture(scope="module")
def reference(tmp_path_factory: pytest.TempPathFactory) -> ToyProject:
    project = killable(tmp_path_factory.mktemp("unbroken"))
    project.snakemake()
    return project


def killable(root: Path, cases: int = CASES) -> ToyProject:
    project = make_project(root)
    project.config["datasets"]["toy"]["splits"] = {"test": {"count": cases, "seed": 300}}
    project.config["methods"] = [
        "identity",
        {"method": "shift", "settings": {"sleep_s": 0.6}},
        {"method": "shift-two", "settings": {"sleep_s": 0.6}},
    ]
    return project


def own_processes(root: Path) -> list[psutil.Process]:
    found = []
    for process in psutil.process_iter():
        try:
            if process.cwd().startswith(str(root)) and process.pid != os.getpid():
                found.append(process)
        except (psutil.AccessDenied, psutil.NoSuchProcess, FileNotFoundError):
            continue
    return found


def end_by_themselves(project: ToyProject) -> None:
    """Wait until every process of the project has ended; what runs on would finish its cases."""
    before = slow_cases(project)
    deadline = time.monotonic() + 60
    while own_processes(project.root):
        assert time.monotonic() < deadline, "a job goes on without its workflow"
        time.sleep(0.1)
    # Each of two jobs may finish the case that it was at, and one more before it notices.
    assert slow_cases(project) <= before + 4


def slow_cases(project: ToyProject) -> int:
    """How many cases are finished of the methods that take their time: 2 * CASES at the end."""
    return sum("shift" in folder.parts[-3] for folder in finished_cases(project))


def wait_for_cases(
    project: ToyProject, count: int, process: subprocess.Popen[bytes], within_s: float = 120.0
) -> None:
    """Wait until so many cases are finished, or the process has ended."""
    deadline = time.monotonic() + within_s
    while len(finished_cases(project)) < count and process.poll() is None:
        assert time.monotonic() < deadline, "no case was finished"
        time.sleep(0.1)


def finished_cases(project: ToyProject) -> dict[Path, tuple[int, bytes]]:
    return {
        path.parent: (path.stat().st_mtime_ns, (path.parent / "displacement.nii.gz").read_bytes())
        for path in (project.root / "results").glob("toy/toy/*/seed0/*/status.json")
    }


def numbers(project: ToyProject) -> list[str]:
    """The table's lines without the seconds."""
    _, rows = read_report(project.root, "table")
    return [str({k: v for k, v in r.items() if not k.startswith(("Time", "CPU"))}) for r in rows]


@pytest.mark.verify
def test_five_kills_of_the_whole_tree(reference: ToyProject, tmp_path: Path) -> None:
    project = killable(tmp_path)
    moments = random.Random(20)
    kept: dict[Path, tuple[int, bytes]] = {}
    for attempt in range(5):
        process = project.started()
        if attempt:
            # By progress and not by the clock: a busy machine finishes fewer cases in a second.
            wait_for_cases(project, len(kept) + moments.randint(1, 4), process)
        time.sleep(moments.uniform(0, 0.6 if attempt else 3))
        kill_group(process)
        # A job that was forked while the tree was being killed ends by itself, or the test fails.
        end_by_themselves(project)
        now = finished_cases(project)
        # What was finished before this attempt is still the very same file.
        assert kept.items() <= now.items()
        kept = now
    assert kept, "no attempt finished a case: the kills prove nothing"
    project.snakemake()
    final = finished_cases(project)
    assert kept.items() <= final.items()
    assert len(final) == 3 * CASES
    assert not list((project.root / "results").rglob("*.tmp"))
    assert numbers(project) == numbers(reference)
    assert project.planned() == {}


@pytest.mark.verify
def test_killing_the_workflow_alone_ends_its_jobs(tmp_path: Path) -> None:
    project = killable(tmp_path)
    process = project.started()
    wait_for_cases(project, 1, process)
    assert finished_cases(project)
    os.kill(process.pid, signal.SIGKILL)
    process.wait()
    end_by_themselves(project)
    before = finished_cases(project)
    time.sleep(1.5)
    assert finished_cases(project) == before


#: The command line, on a system where a process that is killed takes its time to be gone.
SLOW_TO_KILL = """
import sys, time
from regbench.cli.main import main
from regbench.execution import process
kill = process._kill
process._kill = lambda processes: (kill(processes), processes and time.sleep(3))
sys.exit(main(sys.argv[1:]))
"""


def test_a_worker_that_ends_with_the_workflow_is_no_failed_case(tmp_path: Path) -> None:
    project = killable(tmp_path)
    project.config["methods"] = [{"method": "shift", "settings": {"sleep_s": 60.0}}]
    project.write_config()
    data = resolve(project.config, tmp_path).datasets["toy"]
    prepare(data, tmp_path / layout_file("toy", "toy"))
    words = ["stage", "register", "--config", str(project.config_file), "--task", "toy"]
    words += ["--run", "shift@sleep_s=60.0", "--seed", "0", "--shard", "1-of-1"]
    workflow = subprocess.Popen(["sleep", "600"])
    job = subprocess.Popen(
        [sys.executable, "-c", SLOW_TO_KILL, *words],
        cwd=tmp_path,
        env={**project.environment, WORKFLOW_PID: f"{platform.node()}/{workflow.pid}"},
    )
    try:
        deadline = time.monotonic() + 60
        # The launcher, and the worker below it.
        while len(psutil.Process(job.pid).children(recursive=True)) < 2:
            assert job.poll() is None and time.monotonic() < deadline, "no worker was started"
            time.sleep(0.1)
    finally:
        workflow.kill()
        workflow.wait()
    assert job.wait(timeout=60) == -signal.SIGKILL
    assert not list((tmp_path / "results").rglob("status.json"))


@pytest.mark.verify
def test_ctrl_c_keeps_finished_cases_and_ends_everything(tmp_path: Path) -> None:
    project = killable(tmp_path, cases=4)
    del project.config["methods"][0]
    process = project.started()
    wait_for_cases(project, 1, process)
    os.killpg(process.pid, signal.SIGINT)
    process.wait(timeout=60)
    end_by_themselves(project)
    kept = finished_cases(project)
    assert kept
    project.snakemake()
    assert kept.items() <= finished_cases(project).items()
