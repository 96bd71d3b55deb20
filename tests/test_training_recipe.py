"""What a training does with its settings, its pairs and its seed, step by step."""

import contextlib
import math
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from tiny_training import equal, job_of, run, tiny_project
from toy_project import ToyProject

from regbench.data.layout import Case
from regbench.data.pair import read_side
from regbench.learning import trainer as trainer_module
from regbench.learning.checkpoint import load
from regbench.learning.loss import mind
from regbench.learning.network import to_input
from regbench.learning.pairs import Draw, TrainingPairs
from regbench.learning.train import make_trainer, train, training_of
from regbench.learning.trainer import Trainer
from regbench.learning.validation import Measures, Validation
from regbench.plugins.kinds import read_methods
from regbench.plugins.loading import load_entry
from regbench.spatial.nifti import read_volume, write_volume
from regbench.spatial.volume import Volume


@pytest.fixture(scope="module")
def project(tmp_path_factory: pytest.TempPathFactory) -> ToyProject:
    return tiny_project(tmp_path_factory.mktemp("recipe"))


class Ready(BaseException):
    """Ends a training where its first step would be."""


def ready_trainer(
    project: ToyProject,
    folder: Path,
    monkeypatch: pytest.MonkeyPatch,
    seed: int = 0,
    task: dict[str, Any] | None = None,
    **settings: Any,
) -> Trainer:
    """The trainer as `train` starts it."""
    trainers: list[Trainer] = []

    def start(trainer: Trainer) -> None:
        trainers.append(trainer)
        raise Ready

    with monkeypatch.context() as patch, pytest.raises(Ready):
        patch.setattr(Trainer, "run", start)
        train(training_of(job_of(project, folder, seed, task, **settings)))
    return trainers[0]


def images(cases: tuple[Case, ...]) -> list[tuple[torch.Tensor, torch.Tensor]]:
    """(fixed, moving) network input of each case."""
    sides = [(read_side(case.fixed).image, read_side(case.moving).image) for case in cases]
    return [(to_input(fixed), to_input(moving)) for fixed, moving in sides]


def test_images_in_the_unit_interval_can_be_used_as_they_are(
    project: ToyProject, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    trainer = ready_trainer(project, tmp_path, monkeypatch, rescale=False)
    case = job_of(project, tmp_path).split("training")[0]
    raw = torch.from_numpy(read_volume(case.fixed.image).data.copy())
    assert torch.equal(trainer.pairs.images[0][0][0, 0], raw)
    held_out = trainer.validation.cases[0]
    assert torch.equal(held_out.fixed[0, 0], torch.from_numpy(held_out.image.data))
    assert not torch.equal(to_input(read_volume(case.fixed.image))[0, 0], raw)


def test_each_augmentation_is_asked_for_by_its_own_setting(
    project: ToyProject, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for swap in (False, True):
        pairs = ready_trainer(project, tmp_path, monkeypatch, swap_roles=swap, flip=not swap).pairs
        assert (pairs.swap_roles, pairs.flip) == (swap, not swap)


def test_a_broken_case_is_not_trained_on(
    project: ToyProject, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    training = training_of(job_of(project, tmp_path))
    first, *rest = training.cases
    broken = replace(first, problem="cut", fixed=replace(first.fixed, image=tmp_path / "gone"))
    method = load_entry(training.method.folder, str(training.method.entry))
    trainer = make_trainer(replace(training, cases=(broken, *rest, *rest)), method, "cpu")
    assert len(trainer.pairs) == 2 * len(rest)


# -- steps ------------------------------------------------------------------------------------


def test_each_step_is_taken_at_its_own_rate(
    project: ToyProject, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    trainer = ready_trainer(project, tmp_path, monkeypatch, steps=8, learning_rate=0.5)
    rates: list[float] = []
    trainer.optimizer.register_step_pre_hook(
        lambda optimizer, *_: rates.append(optimizer.param_groups[0]["lr"])
    )
    trainer.run()
    assert rates == pytest.approx([0.25 * (1 + math.cos(math.pi * k / 8)) for k in range(8)])


@pytest.mark.parametrize("clip", [1e-4, 1e4, "none"])
def test_the_gradient_s_norm_is_clipped(
    project: ToyProject, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, clip: float | str
) -> None:
    trainer = ready_trainer(project, tmp_path, monkeypatch, steps=3, clip=clip)
    norms: list[float] = []

    def note(*_: Any) -> None:
        gradients = [p.grad.flatten() for p in trainer.network.parameters() if p.grad is not None]
        norms.append(float(torch.cat(gradients).norm()))

    trainer.optimizer.register_step_pre_hook(note)
    trainer.run()
    assert len(norms) == 3
    if clip == 1e-4:
        assert norms == pytest.approx([clip] * 3, rel=0.01)
    else:
        # Not clipped, they are far above the small clip.
        assert all(1e-3 < norm < 1e4 for norm in norms)


@pytest.mark.parametrize("weights", ["last", "best"])
def test_the_checkpoint_has_the_weights_of_the_last_step_or_of_the_best_validation(
    project: ToyProject, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, weights: str
) -> None:
    seen: list[dict[str, torch.Tensor]] = []

    def measure(_: Validation, network: torch.nn.Module) -> Measures:
        seen.append({k: v.detach().clone() for k, v in network.state_dict().items()})
        return Measures([3.0, 1.0, 2.0][len(seen) - 1])

    monkeypatch.setattr(Validation, "measure", measure)
    record = run(project, tmp_path, steps=6, validate_every=2, weights=weights)
    assert (record["best_step"], record["best_validation_loss"]) == (4, 1.0)
    assert record["weights"] == weights
    saved = load(tmp_path / "checkpoint.pt")["network"]
    one, other = (1, 2) if weights == "best" else (2, 1)
    assert equal(saved, seen[one])
    assert not equal(saved, seen[other])
    # The state to go on from is the last.
    assert equal(load(tmp_path / "training.pt")["network"], seen[2])


def test_the_penalty_on_folds_is_a_sum_in_the_scale_of_faim_s_authors(
    project: ToyProject, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    folded = torch.zeros(1, 3, 8, 8, 8)
    # u = -2x: the Jacobian determinant is -1 at each of the 512 voxels.
    folded[:, 0] = -2 * torch.arange(8.0)[:, None, None]
    image, values = torch.rand(1, 1, 8, 8, 8), []
    monkeypatch.setattr("regbench.learning.method.forward", lambda *_, **__: folded)
    for number, weight in enumerate((0.0, 0.001)):
        folder = tmp_path / str(number)
        recipe = ready_trainer(project, folder, monkeypatch, fold_sum_weight=weight).recipe
        _, value = recipe.field_and_loss(torch.nn.Identity(), Draw(image, image, mind(image)))
        values.append(float(value))
    assert values[1] - values[0] == pytest.approx(0.001 * 512, rel=1e-4)
    faim = read_methods(Path(__file__).parent.parent / "methods" / "faim")[0]
    assert (faim.settings["fold_sum_weight"], faim.settings["fold_weight"]) == (0.001, 0)


# -- pairs ------------------------------------------------------------------------------------


def test_it_trains_on_the_training_pairs_and_validates_on_the_others(
    project: ToyProject, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    trainer = ready_trainer(project, tmp_path, monkeypatch)
    layout = job_of(project, tmp_path).layout
    assert equal(trainer.pairs.images, images(layout.cases["training"]))
    held_out = [(case.fixed, case.moving) for case in trainer.validation.cases]
    assert equal(held_out, images(layout.cases["validation"]))
    assert not equal(held_out[0], trainer.pairs.images[0])


def test_a_turned_task_is_trained_in_its_own_direction(
    project: ToyProject, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    turned = {"direction": {"fixed": 1, "moving": 0}}
    trainer = ready_trainer(project, tmp_path, monkeypatch, task=turned)
    layout = job_of(project, tmp_path).layout
    expected = [(moving, fixed) for fixed, moving in images(layout.cases["training"])]
    assert equal(trainer.pairs.images, expected)
    held_out = [(case.fixed, case.moving) for case in trainer.validation.cases]
    assert equal(held_out, [pair[::-1] for pair in images(layout.cases["validation"])])


def test_the_first_weights_and_the_pairs_are_drawn_from_the_seed(
    project: ToyProject, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    trainers = [ready_trainer(project, tmp_path, monkeypatch, seed=seed) for seed in (1, 2, 1)]
    first, second, again = (trainer.network.state_dict() for trainer in trainers)
    assert equal(dict(first), dict(again))
    assert not equal(first["0.weight"], second["0.weight"])
    assert [trainer.generator.initial_seed() for trainer in trainers] == [1, 2, 1]


def test_the_network_is_given_the_moving_and_then_the_fixed_image(
    project: ToyProject, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    trainer, seen = ready_trainer(project, tmp_path, monkeypatch), []
    trainer.network.register_forward_pre_hook(lambda _, given: seen.append(given[0]))
    pair = trainer.pairs.draw(trainer.generator)
    trainer.recipe.field_and_loss(trainer.network, pair)
    (x, y, z), (given,) = pair.fixed.shape[2:], seen
    assert torch.equal(given[..., :x, :y, :z], torch.cat([pair.moving, pair.fixed], dim=1))


@pytest.mark.parametrize("split", ["training", "validation"])
def test_a_changed_image_is_another_training(tmp_path: Path, split: str) -> None:
    project = tiny_project(tmp_path)
    run(project, tmp_path / "one", steps=4)
    before = load(tmp_path / "one" / "training.pt")
    layout = job_of(project, tmp_path).layout
    file = layout.cases[split][0].moving.image
    image = read_volume(file)
    write_volume(file, Volume(np.ascontiguousarray(image.data[:, ::-1]), image.affine))
    run(project, tmp_path / "one", steps=4)
    run(project, tmp_path / "two", steps=4)
    after, fresh = (load(tmp_path / name / "training.pt") for name in ("one", "two"))
    curves = [[row[:-1] for row in state["curve"]] for state in (before, after, fresh)]
    assert not equal(curves[0], curves[1]) and equal(curves[1], curves[2])
    assert equal(after["network"], fresh["network"])


# -- augmentation -----------------------------------------------------------------------------


def draws(project: ToyProject, **how: bool) -> tuple[TrainingPairs, list[Draw]]:
    """Draws enough to see every choice."""
    layout = job_of(project, project.root).layout
    pairs = TrainingPairs(list(layout.cases["training"]), **how)
    generator = torch.Generator().manual_seed(0)
    return pairs, [pairs.draw(generator) for _ in range(40)]


def choices(
    pairs: TrainingPairs, drawn: list[Draw]
) -> tuple[set[tuple[int, bool, bool]], list[Draw]]:
    """(number, swapped, flipped) of each draw that is a pair as a whole, and the draws that are
    none."""
    known, strange = set(), []
    for draw in drawn:
        matches = [
            (number, swapped, flipped)
            for number, pair in enumerate(pairs.images)
            for swapped in (False, True)
            for flipped in (False, True)
            for fixed, moving in [pair[::-1] if swapped else pair]
            if torch.equal(draw.fixed, fixed.flip(2) if flipped else fixed)
            and torch.equal(draw.moving, moving.flip(2) if flipped else moving)
        ]
        known.update(matches)
        if len(matches) != 1:
            strange.append(draw)
    return known, strange


@pytest.mark.parametrize("swap", [False, True])
@pytest.mark.parametrize("flip", [False, True])
def test_a_pair_is_swapped_and_flipped_as_a_whole_and_only_where_asked(
    project: ToyProject, swap: bool, flip: bool
) -> None:
    pairs, drawn = draws(project, swap_roles=swap, flip=flip)
    known, strange = choices(pairs, drawn)
    assert strange == []
    expected = {
        (number, swapped, flipped)
        for number in range(2)
        for swapped in {False, swap}
        for flipped in {False, flip}
    }
    assert known == expected


def test_the_features_are_those_of_the_fixed_image_in_every_augmentation(
    project: ToyProject,
) -> None:
    _, drawn = draws(project, swap_roles=True, flip=True)
    for draw in drawn:
        assert torch.allclose(draw.fixed_features, mind(draw.fixed), atol=1e-5)


class Recorded:
    """Stands for torch's graph: what is called while it is open is called again by a replay."""

    def __init__(self) -> None:
        self.replays = 0

    def replay(self) -> None:
        self.replays += 1


def test_a_step_is_recorded_after_its_warm_up_and_replayed_with_new_images(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    graphs: list[Recorded] = []

    def graph() -> Recorded:
        graphs.append(Recorded())
        return graphs[-1]

    monkeypatch.setattr(
        trainer_module.CapturedStep, "_aside", lambda self, drawn: self._step(drawn)
    )
    monkeypatch.setattr(torch.cuda, "CUDAGraph", graph)
    monkeypatch.setattr(torch.cuda, "graph", lambda graph: contextlib.nullcontext())
    monkeypatch.setattr(torch.cuda, "device", lambda device: contextlib.nullcontext())
    seen: list[Draw] = []

    def step(drawn: Draw) -> torch.Tensor:
        seen.append(drawn)
        return drawn.fixed.sum()

    captured = trainer_module.CapturedStep(step)
    pairs = [Draw(*(torch.full((1, 1, 2, 2, 2), float(k)),) * 3) for k in range(6)]
    for pair in pairs:
        captured(pair)
    assert len(seen) == trainer_module.WARM_UP + 1  # The last of these is the recording.
    assert [graph.replays for graph in graphs] == [len(pairs) - trainer_module.WARM_UP]
    # The recorded images are not those of the caller, and hold the newest ones.
    assert seen[-1].fixed is not pairs[trainer_module.WARM_UP].fixed
    assert torch.equal(seen[-1].fixed, pairs[-1].fixed)


def test_a_step_that_cannot_be_recorded_is_taken_as_it_is(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    def refuse(self: Any, drawn: Draw) -> Any:
        raise RuntimeError("operation not permitted when stream is capturing\nmore")

    monkeypatch.setattr(
        trainer_module.CapturedStep, "_aside", lambda self, drawn: self._step(drawn)
    )
    monkeypatch.setattr(trainer_module.CapturedStep, "_record", refuse)
    monkeypatch.setattr(torch.cuda, "device", lambda device: contextlib.nullcontext())
    captured = trainer_module.CapturedStep(lambda drawn: drawn.fixed.sum())
    pair = Draw(*(torch.ones(1, 1, 2, 2, 2),) * 3)
    assert [float(captured(pair)) for _ in range(6)] == [8.0] * 6
    assert (
        capsys.readouterr().out.count("not recorded as a CUDA graph: operation not permitted") == 1
    )


@pytest.mark.skipif(not torch.cuda.is_available(), reason="no GPU on this machine")
def test_on_a_gpu_a_replayed_training_has_the_losses_of_a_plain_one(
    project: ToyProject, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    losses = []
    for recorded in (False, True):
        job = job_of(project, tmp_path / str(recorded), steps=30)
        training = training_of(job)
        method = load_entry(training.method.folder, str(training.method.entry))
        trainer = make_trainer(training, method, "cuda:0")
        if not recorded:
            monkeypatch.setattr(trainer, "_update", trainer._learn)
        losses.append([float(trainer.one_step()) for _ in range(30)])
    assert np.allclose(*losses, rtol=1e-3)
