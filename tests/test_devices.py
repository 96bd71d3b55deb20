"""Devices are handed out by lock; what needs a GPU skips without one."""

import json
import multiprocessing
import os
from pathlib import Path

import pytest
import torch
from helpers import read_report
from toy_project import ToyProject, make_project

from regbench.base.devices import NoDevice, device, visible_gpus


@pytest.fixture(autouse=True)
def locks(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("REGBENCH_DEVICE_LOCKS", str(tmp_path / "locks"))


@pytest.mark.parametrize(
    ("named", "gpus"),
    [
        ("", []),
        ("-1", []),
        ("NoDevFiles", []),
        ("0", ["0"]),
        ("2, GPU-ab/c", ["2", "GPU-ab/c"]),
    ],
)
def test_the_visible_gpus(monkeypatch: pytest.MonkeyPatch, named: str, gpus: list[str]) -> None:
    monkeypatch.setenv("CUDA_VISIBLE_DEVICES", named)
    assert visible_gpus() == gpus


def test_a_slurm_job_has_the_gpus_that_it_was_given(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(Path, "glob", lambda folder, pattern: [Path("/dev/nvidia0")])
    monkeypatch.delenv("CUDA_VISIBLE_DEVICES", raising=False)
    monkeypatch.delenv("SLURM_JOB_ID", raising=False)
    assert visible_gpus() == ["0"]
    monkeypatch.setenv("SLURM_JOB_ID", "12")
    assert visible_gpus() == []
    monkeypatch.setenv("CUDA_VISIBLE_DEVICES", "0")
    assert visible_gpus() == ["0"]


def test_slurm_jobs_on_a_node_do_not_wait_for_each_other(monkeypatch: pytest.MonkeyPatch) -> None:
    # Where Slurm shows a job its own devices only, each job's first GPU is called 0.
    monkeypatch.setenv("CUDA_VISIBLE_DEVICES", "0")
    monkeypatch.setenv("SLURM_JOB_ID", "12")
    with device("cuda") as first:
        monkeypatch.setenv("SLURM_JOB_ID", "13")
        with device("cuda") as second:
            assert first == second == "cuda:0"


def test_without_a_gpu_auto_is_the_cpu_and_cuda_an_error(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("CUDA_VISIBLE_DEVICES", "")
    with device("auto") as name:
        assert name == "cpu"
    with pytest.raises(NoDevice, match="shows no GPU"), device("cuda"):
        pass


def test_cpu_takes_no_gpu(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("CUDA_VISIBLE_DEVICES", "0")
    with device("cpu") as first, device("auto") as second:
        assert (first, second) == ("cpu", "cuda:0")


def _hold(answers: "multiprocessing.SimpleQueue[str]") -> None:
    with device("auto") as name:
        answers.put(name)
        # Dies without a word, as a killed job does.
        os._exit(0)


def test_two_runs_never_share_a_gpu_and_a_dead_one_frees_its(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setenv("CUDA_VISIBLE_DEVICES", "5,7")
    # Not forked: a child would inherit the locks of its parent.
    context = multiprocessing.get_context("spawn")
    answers = context.SimpleQueue()
    with device("auto") as first:
        with device("auto") as second:
            assert {first, second} == {"cuda:0", "cuda:1"}
            third = context.Process(target=_hold, args=(answers,))
            third.start()
            third.join(3)
            assert third.is_alive() and answers.empty()
        # The second one is free now: the third gets it, and dies with it.
        third.join(30)
        assert answers.get() == second
        with device("auto") as fourth:
            assert fourth == second


@pytest.mark.verify
def test_a_gpu_that_is_not_there_is_a_failed_row(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("CUDA_VISIBLE_DEVICES", "")
    project = make_project(tmp_path)
    project.config |= {
        "device": "cuda",
        "methods": ["identity", {"method": "tiny", "settings": {"steps": 2}}],
    }
    done = project.snakemake("reports/table.csv", check=False)
    assert done.returncode == 3
    notes, rows = read_report(project.root, "table")
    assert {row["Method"]: row["Cases"] for row in rows} == {"Moving": "3", "Tiny": "0"}
    assert any("shows no GPU" in note for note in notes)


@pytest.mark.skipif(not torch.cuda.is_available(), reason="no GPU on this machine")
def test_on_a_gpu_it_learns_and_registers_as_on_the_cpu(tmp_path: Path) -> None:
    fields = {}
    for name in ("cpu", "cuda"):
        project: ToyProject = make_project(tmp_path / name)
        project.config |= {
            "device": name,
            "methods": [{"method": "tiny", "settings": {"steps": 20}}],
        }
        project.snakemake("reports/table.csv")
        folder = project.folder("tiny@steps=20")
        record = json.loads((folder / "training.json").read_text())
        assert record["device"].startswith(name)
        fields[name] = record["best_validation_loss"]
    assert fields["cuda"] == pytest.approx(fields["cpu"], rel=0.05)
