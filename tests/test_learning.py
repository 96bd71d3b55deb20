"""Training on coarse copies, and the measures of a validation."""

from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from helpers import REPOSITORY
from tiny_training import job_of, tiny_project
from toy_project import ToyProject

from regbench.learning import train as training
from regbench.learning.loss import OFFSETS, mind
from regbench.learning.method import LearnedMethod
from regbench.learning.pairs import TrainingPairs, halve
from regbench.learning.train import train, training_of
from regbench.learning.trainer import Trainer
from regbench.learning.validation import METRICS, HeldOut, Measures, Validation
from regbench.plugins.catalog import discover
from regbench.plugins.loading import load_metric
from regbench.spatial.convert import to_grid
from regbench.spatial.field import Field, write_field

KNOWN = discover(REPOSITORY).metrics


@pytest.fixture(scope="module")
def project(tmp_path_factory: pytest.TempPathFactory) -> ToyProject:
    return tiny_project(tmp_path_factory.mktemp("learning"))


def test_half_the_resolution_is_the_mean_of_eight_voxels() -> None:
    image = torch.rand(1, 1, 4, 6, 5)
    half = halve(image)
    assert half.shape == (1, 1, 2, 3, 3)
    assert half[0, 0, 1, 2, 0] == pytest.approx(float(image[0, 0, 2:, 4:, :2].mean()))
    # The odd side is as if its last plane stood twice.
    assert half[0, 0, 0, 0, 2] == pytest.approx(float(image[0, 0, :2, :2, 4].mean()))


def test_coarse_pairs_are_drawn_and_augmented_as_the_others(project: ToyProject) -> None:
    layout = job_of(project, project.root).layout
    pairs = TrainingPairs(list(layout.cases["training"]), swap_roles=True, flip=True)
    coarse = pairs.halved()
    # Sides of even length: halving and mirroring may change places.
    assert not any(side % 2 for side in pairs.images[0][0].shape[2:])
    ways = [torch.Generator().manual_seed(3) for _ in range(2)]
    for _ in range(20):
        fine, half = (p.draw(way) for p, way in zip((pairs, coarse), ways, strict=True))
        assert torch.allclose(half.fixed, halve(fine.fixed), atol=1e-6)
        assert torch.allclose(half.moving, halve(fine.moving), atol=1e-6)
        assert torch.allclose(half.fixed_features, mind(half.fixed), atol=1e-5)
        assert half.fixed_features.shape[1] == len(OFFSETS)


def test_the_first_steps_are_coarse_and_the_others_are_not(
    project: ToyProject, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    seen: list[int] = []
    real = TrainingPairs.draw

    def draw(self: TrainingPairs, generator: torch.Generator) -> Any:
        drawn = real(self, generator)
        seen.append(drawn.fixed.shape[2])
        return drawn

    monkeypatch.setattr(TrainingPairs, "draw", draw)
    record = train(training_of(job_of(project, tmp_path, steps=5, coarse_steps=3)))
    assert record["outcome"] == "ok" and record["cpu_seconds"] > 0
    assert seen == [seen[-1] // 2] * 3 + [seen[-1]] * 2


def test_a_loss_that_is_not_finite_is_named_with_its_step(
    project: ToyProject, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    real = Trainer.one_step

    def step(self: Trainer) -> torch.Tensor:
        return real(self) * (float("nan") if self.step == 3 else 1.0)

    monkeypatch.setattr(Trainer, "one_step", step)
    record = train(training_of(job_of(project, tmp_path, steps=9)))
    assert record["outcome"] == "failed"
    assert record["reason"] == "the loss is not finite at step 3; found nan"
    assert not (tmp_path / "training.pt").exists()


class Shift(torch.nn.Module):
    """Moves every voxel by the same displacement."""

    def forward(self, pair: torch.Tensor) -> torch.Tensor:
        shift = torch.tensor([0.5, 0.0, 0.0]).view(1, 3, 1, 1, 1)
        return shift.expand(-1, -1, *pair.shape[2:])


def _held_out(project: ToyProject, folder: Path, displacement: Any = None) -> Validation:
    """The validation of the project; its case has this displacement as the true one."""
    job = job_of(project, folder)
    (case,) = job.split("validation")
    given = training_of(job)
    case = replace(case, true_field=None)
    recipe = training.make_trainer(given, _Tiny, "cpu").recipe
    held = HeldOut.read(case, given.groups, recipe)
    if displacement is not None:
        truth = np.zeros((*held.image.shape, 3), np.float32)
        truth[held.inside] = displacement
        write_field(folder / "true.nii.gz", Field(truth, held.image.affine))
        held = HeldOut.read(replace(case, true_field=folder / "true.nii.gz"), given.groups, recipe)
    metrics = {name: load_metric(KNOWN[name]) for name in METRICS}
    return Validation([held], given.groups, metrics, recipe)


class _Tiny(LearnedMethod):
    multiple = 4

    @classmethod
    def build(cls, settings: Any) -> torch.nn.Module:
        return torch.nn.Conv3d(2, 3, 3, padding=1)


def test_error_and_slope_are_measured_where_the_truth_is_known(
    project: ToyProject, tmp_path: Path
) -> None:
    found = _held_out(project, tmp_path, (2.0, 0.0, 0.0)).measure(Shift())
    assert found.epe == pytest.approx(1.5) and found.slope == pytest.approx(0.25)
    # The moving box lies one voxel further along x, and labels go to the nearest voxel.
    assert found.dice == 100 and found.loss > 0
    still = _held_out(project, tmp_path, (0.0, 0.0, 0.0)).measure(Shift())
    assert still.epe == pytest.approx(0.5) and np.isnan(still.slope)


def test_without_labels_or_truth_there_is_the_loss(project: ToyProject, tmp_path: Path) -> None:
    validation = _held_out(project, tmp_path)
    found = validation.measure(Shift())
    assert np.isnan([found.epe, found.slope]).all() and found.dice > 0
    (case,) = validation.cases
    bare = replace(validation, cases=[replace(case, masks={}, moving_labels=None)])
    assert np.isnan(bare.measure(Shift())[1:]).all()
    assert bare.measure(Shift()).loss == found.loss
    # An absent metric is an absent measure.
    assert np.isnan(replace(validation, metrics={}).measure(Shift()).dice)


def test_the_curve_has_every_measure_and_leaves_unknown_ones_empty(
    project: ToyProject, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(Validation, "measure", lambda *_: Measures(0.5, epe=1.25))
    train(training_of(job_of(project, tmp_path, steps=2)))
    head, row = (tmp_path / "loss.csv").read_text().splitlines()
    assert head == (
        "step,training_loss,validation_loss,validation_dice,validation_epe,validation_slope,"
        "cpu_seconds"
    )
    step, _, *measures, seconds = row.split(",")
    assert step == "2" and measures == ["0.500000", "", "1.2500", ""] and float(seconds) >= 0


def test_a_grid_on_another_device_is_made_there() -> None:
    """`meta` stands for a GPU: tensors that the host makes would not mix with it."""
    field = torch.zeros(1, 3, 4, 5, 6, device="meta")
    assert to_grid(field).device.type == "meta"
