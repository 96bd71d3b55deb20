"""Training: resumable to the same tensors, refusing what it cannot trust, and it learns."""

import json
import pickle
from dataclasses import replace
from itertools import pairwise
from pathlib import Path
from typing import Any

import pytest
import torch
from helpers import read_report
from tiny_training import equal, job_of, run, tiny_project
from toy_project import ToyProject, make_project

from regbench.base.errors import BadInput
from regbench.learning.checkpoint import load, save
from regbench.learning.method import LearnedMethod, Recipe
from regbench.learning.train import train, training_of
from regbench.learning.trainer import Trainer
from regbench.plugins.models import LearnedSettings


@pytest.fixture(scope="module")
def project(tmp_path_factory: pytest.TempPathFactory) -> ToyProject:
    return tiny_project(tmp_path_factory.mktemp("training"))


def curve(folder: Path) -> list[list[float]]:
    """The rows of a training's curve, without its times."""
    lines = (folder / "loss.csv").read_text().splitlines()[1:]
    return [[float(cell or "nan") for cell in line.split(",")[:-1]] for line in lines]


class Stop(BaseException):
    """Like Ctrl-C: nothing that handles a failing training may catch it."""


@pytest.mark.parametrize("precision", ["fp32", "bf16"])
def test_interrupted_anywhere_it_ends_with_the_same_tensors(
    project: ToyProject, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, precision: str
) -> None:
    how = {"save_every": 5, "validate_every": 4, "precision": precision, "coarse_steps": 6}
    record = run(project, tmp_path / "whole", **how)
    assert record["outcome"] == "ok", record
    real = Trainer.one_step
    for stop in (3, 7, 11):

        def step(self: Trainer, stop: int = stop) -> torch.Tensor:
            if self.step == stop:
                raise Stop
            return real(self)

        monkeypatch.setattr(Trainer, "one_step", step)
        with pytest.raises(Stop):
            run(project, tmp_path / "broken", **how)
    monkeypatch.setattr(Trainer, "one_step", real)
    again = run(project, tmp_path / "broken", **how)
    assert again["outcome"] == "ok"
    for name in ("training.pt", "checkpoint.pt"):
        whole, broken = (load(tmp_path / kind / name) for kind in ("whole", "broken"))
        # The time that it took is no tensor of it.
        for content in (whole, broken):
            times = [content.pop(key, 0) for key in ("seconds", "cpu_seconds")]
            times += [row.pop() for row in content.get("curve", ())]
            assert all(time >= 0 for time in times)
        assert equal(whole, broken), name
    curves = [curve(tmp_path / x) for x in ("whole", "broken")]
    assert equal(curves[0], curves[1]) and len(curves[0]) == 3


def test_another_seed_or_setting_is_another_training(project: ToyProject, tmp_path: Path) -> None:
    run(project, tmp_path / "a")
    run(project, tmp_path / "b", seed=1)
    weights = [load(tmp_path / x / "checkpoint.pt")["network"] for x in "ab"]
    assert not equal(*weights)
    # The state of other settings is not taken up.
    run(project, tmp_path / "a", seed=1)
    assert equal(load(tmp_path / "a" / "checkpoint.pt")["network"], weights[1])


#: A network whose start and whose gradients are the same for every seed.
SHIFT = """
import torch
from torch import nn

from regbench.learning.method import LearnedMethod


class Shift(nn.Module):
    def __init__(self):
        super().__init__()
        self.shift = nn.Parameter(torch.zeros(3))

    def forward(self, pair):
        return self.shift.view(1, 3, 1, 1, 1).expand(-1, -1, *pair.shape[2:])


class Tiny(LearnedMethod):
    multiple = 4

    @classmethod
    def build(cls, settings):
        return Shift()
"""


def test_it_learns_the_shift(tmp_path: Path) -> None:
    """One pair, one displacement for all voxels: the seed has no part in it."""
    (tmp_path / "project").mkdir()
    project = tiny_project(tmp_path / "project")
    (project.root / "methods" / "tiny" / "method.py").write_text(SHIFT)
    how = {"steps": 150, "learning_rate": 0.02, "validate_every": 25}
    how |= {"swap_roles": False, "flip": False}
    curves = []
    for seed in range(3):
        training = training_of(job_of(project, tmp_path / str(seed), seed, **how))
        (case,) = training.held_out
        record = train(replace(training, cases=(case, case)))
        assert record["outcome"] == "ok"
        rows = curve(tmp_path / str(seed))
        assert rows[-1][2] < 0.9 * rows[0][2]
        assert len(rows) == 6 and rows[-1][0] == 150
        learned = load(tmp_path / str(seed) / "checkpoint.pt")["network"]["shift"]
        # The moving box lies one voxel further along x.
        assert torch.allclose(learned, torch.tensor([1.0, 0, 0]), atol=1e-3)
        curves.append(rows)
    assert equal(curves[1], curves[0]) and equal(curves[2], curves[0])


@pytest.mark.parametrize(
    ("settings", "words"),
    [
        ({"lambda": -1.0}, "lambda is negative; expected >= 0; found -1.0"),
        ({"fold_sum_weight": -1.0}, "fold_sum_weight is negative"),
        ({"steps": 0}, "bad steps of training"),
        ({"learning_rate": -1.0}, "expected a number > 0; found -1.0"),
        ({"network": {}}, "channels"),
        ({"coarse_steps": 13}, "more coarse_steps than steps; expected <= 12; found 13"),
    ],
)
def test_bad_settings_are_a_failed_training(
    project: ToyProject,
    tmp_path: Path,
    capfd: pytest.CaptureFixture[str],
    settings: dict[str, Any],
    words: str,
) -> None:
    record = run(project, tmp_path, **settings)
    # The traceback of an error in a plugin's code is of use; here the line is enough.
    assert ("Traceback" in capfd.readouterr().err) == ("network" in settings)
    assert record["outcome"] == "failed" and words in record["reason"]
    assert not (tmp_path / "checkpoint.pt").exists()


def test_one_training_pair_is_too_few(project: ToyProject, tmp_path: Path) -> None:
    training = training_of(job_of(project, tmp_path))
    record = train(replace(training, cases=training.cases[:1]))
    assert record["outcome"] == "skipped"
    assert "1 training pairs, at least 2" in record["reason"]


def test_a_full_disk_leaves_the_checkpoint_before(
    project: ToyProject, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    run(project, tmp_path)
    before = (tmp_path / "checkpoint.pt").read_bytes()
    state = (tmp_path / "training.pt").read_bytes()

    def full(*_: Any) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr("os.fsync", full)
    record = run(project, tmp_path, seed=5)
    assert record["outcome"] == "interrupted" and "No space left" in record["reason"]
    assert (tmp_path / "checkpoint.pt").read_bytes() == before
    assert (tmp_path / "training.pt").read_bytes() == state
    assert not list(tmp_path.glob("*.tmp"))


def test_checkpoints_that_are_not_trusted(tmp_path: Path) -> None:
    file = tmp_path / "a.pt"
    save(file, {"network": {"w": torch.arange(3.0)}})
    assert torch.equal(load(file)["network"]["w"], torch.arange(3.0))
    (tmp_path / "short.pt").write_bytes(file.read_bytes()[:100])
    marker = tmp_path / "was-run"

    class Evil:
        def __reduce__(self) -> tuple[Any, ...]:
            return (Path.touch, (marker,))

    (tmp_path / "pickle.pt").write_bytes(pickle.dumps(Evil()))
    torch.save({"format": "regbench-checkpoint-1", "x": Evil()}, tmp_path / "object.pt")
    torch.save({"w": torch.zeros(1)}, tmp_path / "other.pt")
    for name in ("short", "pickle", "object", "other", "absent"):
        with pytest.raises(BadInput) as error:
            load(tmp_path / f"{name}.pt")
        assert "\n" not in str(error.value) and f"{name}.pt" in str(error.value)
    assert not marker.exists()


def plain_recipe(**settings: Any) -> Recipe:
    """A hundred steps that start at a rate of 2."""
    known = LearnedSettings().model_dump(by_alias=True)
    return Recipe(LearnedMethod, {**known, "steps": 100, "learning_rate": 2.0, **settings})


def test_cosine_decay() -> None:
    recipe = plain_recipe()
    assert recipe.rate(0) == 2.0
    assert recipe.rate(50) == pytest.approx(1.0)
    assert recipe.rate(100) == pytest.approx(0.0)


def test_a_constant_rate_and_one_that_starts_again_after_the_coarse_steps() -> None:
    constant = plain_recipe(schedule="constant", coarse_steps=60)
    assert {constant.rate(step) for step in range(100)} == {2.0}
    coarse = plain_recipe(coarse_steps=60)
    rates = [coarse.rate(step) for step in range(101)]
    assert rates[0] == 2.0 and rates[30] == pytest.approx(1.3)
    assert rates[59] == pytest.approx(0.6, abs=1e-2)
    assert rates[60] == pytest.approx(1.2) and rates[100] == pytest.approx(0.0)
    assert all(a > b for a, b in pairwise(rates[:60])) and rates[60:] == sorted(rates[60:])[::-1]


@pytest.mark.verify
def test_a_task_takes_over_what_another_trained(tmp_path: Path) -> None:
    project = make_project(tmp_path)
    task = project.config["tasks"]["toy"]
    back = {**task, "direction": {"fixed": 1, "moving": 0}, "trained_on": "toy"}
    project.config["tasks"]["back"] = back
    project.config["datasets"]["other"] = {"plugin": "toy", "settings": {"shape": [14, 12, 8]}}
    project.config["tasks"]["there"] = {"dataset": "other", "trained_on": "toy"}
    tuned = {"method": "tiny", "settings": {"steps": 4, "instance_steps": 2}, "tasks": ["there"]}
    project.config["methods"] = [{"method": "tiny", "settings": {"steps": 4}}, tuned]
    assert project.planned()["train"] == 4
    project.snakemake("reports/leaderboard.csv")
    # On other data, and fine-tuned on each pair, the weights are those of the one training.
    far = project.folder("tiny@instance_steps=2@steps=4", task="there")
    plain = project.folder("tiny@steps=4", task="there")
    weights = {(folder / "checkpoint.pt").read_bytes() for folder in (far, plain)}
    assert weights == {(project.folder("tiny@steps=4") / "checkpoint.pt").read_bytes()}
    fields = [sorted(folder.glob("*/displacement.nii.gz")) for folder in (far, plain)]
    assert len(fields[0]) == 3
    assert all(a.read_bytes() != b.read_bytes() for a, b in zip(*fields, strict=True))
    there, again = (project.folder("tiny@steps=4", task=task) for task in ("toy", "back"))
    record = json.loads((again / "training.json").read_text())
    assert record["trained_on"] == "toy"
    assert Path(record["checkpoint"]) == (again / "checkpoint.pt").relative_to(project.root)
    assert (again / "checkpoint.pt").read_bytes() == (there / "checkpoint.pt").read_bytes()
    assert not (again / "training.pt").exists()
    notes = "\n".join(read_report(project.root, "leaderboard")[0])
    assert "training for task back: on the pairs of task toy; Tiny 4 steps" in notes
    # Without that run there are no weights to take over: one line, before any job.
    project.config["methods"] = [{"method": "tiny", "tasks": ["back"]}]
    done = project.snakemake("-n", check=False)
    assert done.returncode == 2 and "tiny on task back is not trained" in done.stderr
    project.config["tasks"]["toy"] = {**task, "trained_on": "back"}
    done = project.snakemake("-n", check=False)
    assert done.returncode == 2 and "is not trained itself" in done.stderr


@pytest.mark.verify
def test_the_workflow_trains_registers_and_goes_on_after_a_kill(tmp_path: Path) -> None:
    project = make_project(tmp_path)
    project.config |= {
        "methods": ["identity", {"method": "tiny", "settings": {"steps": 20}}],
        "seeds": [0, 1],
    }
    project.snakemake("reports/table.csv")
    row = next(row for row in read_report(project.root, "table")[1] if row["Method"] == "Tiny")
    assert (row["Cases"], row["Cases total"], row["Params (M)"]) == ("3", "3", "0.001")
    folders = [project.folder("tiny@steps=20", seed=seed) for seed in (0, 1)]
    records = [json.loads((f / "training.json").read_text()) for f in folders]
    assert [r["outcome"] for r in records] == ["ok", "ok"]
    # A lost record: the training is found finished, its tensors equal, the cases kept.
    cases = {p: p.stat().st_mtime_ns for p in folders[0].glob("*/status.json")}
    (folders[0] / "training.json").unlink()
    measured = str(folders[0].relative_to(project.root) / "metrics.csv")
    project.snakemake(measured, "--forcerun", "train")
    assert cases == {p: p.stat().st_mtime_ns for p in folders[0].glob("*/status.json")}
    # A checkpoint for another variant is refused, as a status.
    other = {"checkpoint": str(folders[0] / "checkpoint.pt"), "network": {"channels": 6}}
    project.config |= {"seeds": [0], "methods": [{"method": "tiny", "settings": other}]}
    done = project.snakemake("reports/table.csv", check=False)
    assert done.returncode == 3 and "is of another method or variant" in done.stderr
