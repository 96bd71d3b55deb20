"""Failure is data: whatever a method does, its case has a status and the others are done."""

import json
import os
import shutil
import subprocess
import sys
import time
from pathlib import Path

import numpy as np
import psutil
import pytest
from toy_project import MARK, ToyProject, make_project, still_running

from regbench.base.files import read_json, seal, write_json
from regbench.base.paths import layout_file
from regbench.base.records import Status
from regbench.data.layout import read_layout
from regbench.execution import process
from regbench.execution.launcher import launch
from regbench.execution.prepare import prepare
from regbench.execution.register import time_alone
from regbench.plan.config import resolve
from regbench.plan.jobs import Job
from regbench.plan.resources import Shard
from regbench.spatial.field import read_field
from regbench.spatial.nifti import write_volume
from regbench.spatial.volume import Volume

WHOLE = Shard()


@pytest.fixture(scope="module")
def project(tmp_path_factory: pytest.TempPathFactory) -> ToyProject:
    made = make_project(tmp_path_factory.mktemp("launcher"))
    config = resolve(made.config, made.root)
    prepare(config.datasets["toy"], made.root / layout_file("toy", "toy"))
    return made


def register(
    project: ToyProject, method: str, folder: Path, shard: Shard = WHOLE, **settings: object
) -> list[Status]:
    limits = settings.pop("limits", {})
    raw = {
        **project.config,
        "methods": [{"method": method, "settings": settings}],
        "limits": limits,
    }
    config = resolve(raw, project.root)
    layout = project.root / layout_file("toy", "toy")
    return launch(Job(config, config.runs[0], 0, folder, layout), shard, folder / "log.txt")


@pytest.mark.parametrize(
    ("how", "outcome", "words"),
    [
        ("raise", "failed", "ValueError: no such luck second line"),
        ("exit", "failed", "ended with code 7"),
        ("crash", "failed", "signal 11"),
        ("killed", "out-of-memory", "killed by the system"),
        ("memory error", "out-of-memory", "no room"),
        ("wrong shape", "failed", "expected (12, 10, 8, 3); found (2, 3, 4, 3)"),
        ("nan", "failed", "not finite"),
        ("nothing", "failed", "expected regbench.spatial.field.Field; found NoneType"),
        ("float64", "failed", "expected float32; found float64"),
    ],
)
def test_a_bad_case_is_a_status_and_the_rest_is_done(
    project: ToyProject, tmp_path: Path, how: str, outcome: str, words: str
) -> None:
    statuses = register(project, "trouble", tmp_path, how=how)
    assert [s.outcome for s in statuses] == ["ok", outcome, "ok"]
    assert words in statuses[1].reason
    assert "\n" not in statuses[1].reason
    assert not (tmp_path / statuses[1].case / "displacement.nii.gz").exists()
    assert (tmp_path / statuses[2].case / "displacement.nii.gz").exists()


def test_a_users_own_files_are_read_before_a_method_sees_them(
    project: ToyProject, tmp_path: Path
) -> None:
    listing = project.root / layout_file("toy", "toy")
    own = shutil.copytree(listing.parent, tmp_path / "own") / listing.name
    linked = {"plugin": "learn2reg", "settings": {"path": str(own)}}
    config = resolve({**project.config, "datasets": {"toy": linked}}, project.root)
    prepare(config.datasets["toy"], tmp_path / "linked.json")
    job = Job(config, config.runs[0], 0, tmp_path / "run", tmp_path / "linked.json")
    first = job.cases[0]
    write_volume(first.fixed.labels.resolve(), Volume(np.ones((2, 2, 2), int), np.eye(4)))
    bad, *others = launch(job, WHOLE, tmp_path / "log.txt")
    assert (bad.case, bad.outcome) == (first.id, "failed")
    assert "the labels do not fit the image" in bad.reason
    assert {status.outcome for status in others} == {"ok"}


def test_a_case_that_hangs_is_ended_with_everything_it_started(
    project: ToyProject, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv(MARK, str(tmp_path))
    statuses = register(project, "trouble", tmp_path, how="hang", limits={"time_s": 4})
    assert [s.outcome for s in statuses] == ["ok", "timeout", "ok"]
    assert "4 s" in statuses[1].reason
    assert still_running(str(tmp_path)) == []


@pytest.mark.verify
def test_a_case_that_takes_too_much_memory_is_ended(project: ToyProject, tmp_path: Path) -> None:
    # Time enough to fill it on a busy machine.
    statuses = register(project, "trouble", tmp_path, how="memory", limits={"time_s": 300})
    assert [s.outcome for s in statuses] == ["ok", "out-of-memory", "ok"]
    assert "the limit is 2.0" in statuses[1].reason


def test_a_method_that_cannot_start_fails_every_case_with_its_reason(
    project: ToyProject, tmp_path: Path
) -> None:
    statuses = register(project, "trouble", tmp_path, how="no start")
    assert {(s.outcome, s.reason) for s in statuses} == {("failed", "RuntimeError: cannot start")}


def test_a_talkative_method_does_not_garble_the_answers(
    project: ToyProject, tmp_path: Path
) -> None:
    statuses = register(project, "trouble", tmp_path, how="print")
    assert [s.outcome for s in statuses] == ["ok"] * 3
    assert (tmp_path / "log.txt").stat().st_size > 3_000_000


@pytest.mark.parametrize(
    ("mode", "outcome", "words"),
    [
        ("zero", "ok", ""),
        ("silent", "failed", "wrote no displacement field"),
        ("fail", "failed", "code 5: the reason is here"),
    ],
)
def test_a_command_line_is_a_method(
    project: ToyProject,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    mode: str,
    outcome: str,
    words: str,
) -> None:
    # As the workflow does for its jobs: the script's Python is this one, whatever PATH says.
    monkeypatch.setenv("REGBENCH_PYTHON", sys.executable)
    statuses = register(project, "shell", tmp_path, mode=mode)
    assert {s.outcome for s in statuses} == {outcome}
    assert words in statuses[0].reason


def test_finished_cases_are_kept_and_only_equal_ones(project: ToyProject, tmp_path: Path) -> None:
    first = register(project, "shift", tmp_path)
    assert register(project, "shift", tmp_path) == first
    changed = register(project, "shift", tmp_path, by=2.0)
    assert {s.key for s in changed}.isdisjoint(s.key for s in first)
    (tmp_path / first[0].case / "status.json").write_text('{"case": ')
    (tmp_path / first[1].case / "displacement.nii.gz").unlink()
    (tmp_path / first[2].case / "displacement.nii.gz").write_bytes(b"torn")
    again = register(project, "shift", tmp_path, by=2.0)
    assert [s.field_sha256 for s in again] == [s.field_sha256 for s in changed]
    for status in again:
        assert read_field(tmp_path / status.case / "displacement.nii.gz").displacement.max() == 2.0
        assert (tmp_path / status.case / "status.json").read_text().endswith("}\n")


@pytest.mark.parametrize("moment", [1, 2, 3, 4])
def test_a_kill_leaves_no_status_without_its_field(
    project: ToyProject, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, moment: int
) -> None:
    register(project, "shift", tmp_path)
    unlink = Path.unlink
    removed: list[Path] = []

    def killed(file: Path, missing_ok: bool = False) -> None:
        unlink(file, missing_ok)
        removed.append(file)
        if len(removed) == moment:
            raise KeyboardInterrupt

    monkeypatch.setattr(Path, "unlink", killed)
    with pytest.raises(KeyboardInterrupt):
        register(project, "shift", tmp_path, by=2.0)
    finished = [file.parent for file in tmp_path.glob("*/status.json")]
    assert finished and all((folder / "displacement.nii.gz").is_file() for folder in finished)


def test_a_failed_case_is_not_repeated(project: ToyProject, tmp_path: Path) -> None:
    first = register(project, "trouble", tmp_path, how="raise")
    before = (tmp_path / first[1].case / "status.json").stat().st_mtime_ns
    time.sleep(0.01)
    assert register(project, "trouble", tmp_path, how="raise") == first
    assert (tmp_path / first[1].case / "status.json").stat().st_mtime_ns == before


def test_shards_share_the_cases(project: ToyProject, tmp_path: Path) -> None:
    whole = [s.case for s in register(project, "identity", tmp_path)]
    parts = [[s.case for s in register(project, "identity", tmp_path, Shard(i, 2))] for i in (1, 2)]
    assert sorted(parts[0] + parts[1]) == sorted(whole)
    assert abs(len(parts[0]) - len(parts[1])) <= 1


def test_what_a_control_needs_and_lacks_is_a_skip(project: ToyProject, tmp_path: Path) -> None:
    file = project.root / layout_file("toy", "toy")
    layout, listing = read_layout(file), read_json(file)
    hidden = {}
    for case in layout.cases["test"]:
        assert case.true_field is not None
        hidden[case.true_field] = case.true_field.with_suffix(".hidden")
        case.true_field.rename(hidden[case.true_field])
    # Data without such fields: a field that was written and is gone would be a damage.
    write_json(file, listing | {"regbench": listing["regbench"] | {"files": {}}})
    seal(file)
    try:
        statuses = register(project, "oracle", tmp_path)
    finally:
        for there, away in hidden.items():
            away.rename(there)
        write_json(file, listing)
        seal(file)
    assert {s.outcome for s in statuses} == {"skipped"}
    assert "true field" in statuses[0].reason


def test_a_missing_package_is_a_skip_with_the_command_that_installs_it(
    project: ToyProject, tmp_path: Path
) -> None:
    yaml = project.root / "methods" / "shift" / "method.yaml"
    text = yaml.read_text()
    yaml.write_text(text + "requires: [no_such_package_at_all]\n")
    try:
        statuses = register(project, "shift", tmp_path)
    finally:
        yaml.write_text(text)
    assert {s.outcome for s in statuses} == {"skipped"}
    assert "pip install no_such_package_at_all" in statuses[0].reason


def test_the_status_says_what_a_case_cost(project: ToyProject, tmp_path: Path) -> None:
    start = time.perf_counter()
    statuses = register(project, "shift", tmp_path, sleep_s=0.2)
    whole = time.perf_counter() - start
    seconds = [status.register_s or 0.0 for status in statuses]
    # The start of the worker is in none of them.
    assert min(seconds) >= 0.2 and sum(seconds) < whole
    status = statuses[0]
    assert status.peak_memory_mb is not None and 10 < status.peak_memory_mb < 2000
    written = json.loads((tmp_path / status.case / "status.json").read_text())
    assert written["facts"]["versions"]["python"].startswith("3.")
    assert written["threads"] == 1 and written["facts"]["cpus"] == len(os.sched_getaffinity(0))
    # It slept: no processor worked for it. What others did is known.
    assert 0 <= written["facts"]["register_cpu_s"] < 0.2
    assert 0 <= written["facts"]["load"] <= written["facts"]["cpus"]


@pytest.mark.parametrize(
    ("gpu", "device", "on"),
    [("0", "auto", ["cpu", "cuda"]), ("0", "cpu", ["cpu"]), ("", "auto", ["cpu"])],
)
def test_a_case_is_timed_alone_on_every_device_that_there_is(
    project: ToyProject,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    gpu: str,
    device: str,
    on: list[str],
) -> None:
    asked: list[str] = []

    def launched(job: Job, shard: Shard, log: Path) -> list[Status]:
        assert [case.id for case in shard.take(job.cases)] == [job.cases[0].id]
        asked.append(job.config.device)
        return [Status(job.cases[0].id, "ok", key="", register_s=float(len(asked)))]

    monkeypatch.setattr("regbench.execution.register.launch", launched)
    monkeypatch.setenv("CUDA_VISIBLE_DEVICES", gpu)
    (tmp_path / "training.json").write_text("{}")
    for method, devices in (("tiny", on), ("shift", ["cpu"])):
        asked.clear()
        config = resolve({**project.config, "methods": [method], "device": device}, project.root)
        layout = project.root / layout_file("toy", "toy")
        time_alone(Job(config, config.runs[0], 0, tmp_path, layout))
        assert asked == devices * 3
        timing = json.loads((tmp_path / "timing.json").read_text())
        both = "cuda" in devices
        assert timing["register_s"] == ([1, 3, 5] if both else [1, 2, 3])
        assert timing["register_gpu_s"] == ([2, 4, 6] if both else [])
        assert [facts["device"] for facts in timing["facts"]] == devices * 3


@pytest.mark.parametrize("listed", [True, False])
def test_memory_counts_what_a_process_starts(listed: bool, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(process, "_LISTS_CHILDREN", listed and process._LISTS_CHILDREN)
    below = "import sys; x = b'1' * 10**8; print(len(x), flush=True); sys.stdin.read()"
    code = f"import subprocess, sys; subprocess.run([sys.executable, '-c', {below!r}])"
    command, pipe = [sys.executable, "-c", code], subprocess.PIPE
    with subprocess.Popen(command, stdin=pipe, stdout=pipe) as child:
        assert child.stdout is not None and child.stdout.readline() == b"100000000\n"
        alone = psutil.Process(child.pid).memory_info().rss
        assert alone < 5e7 < 1e8 < process.tree_memory(child.pid) < alone + 2e8
        child.communicate()
    assert process.tree_memory(child.pid) == 0
