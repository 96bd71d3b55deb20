"""Fine-tuning on each pair: it lowers the loss, leaves no trace, and shares the training."""

from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from helpers import one_line, random_image
from tiny_training import job_of, tiny_project
from toy_project import PLUGINS, ToyProject

from regbench.base.errors import BadInput
from regbench.base.paths import layout_file
from regbench.learning.checkpoint import save
from regbench.learning.loss import loss, mind
from regbench.learning.method import LearnedMethod, identity
from regbench.learning.network import to_input
from regbench.plan.config import resolve
from regbench.plan.jobs import Job
from regbench.plugins.interface import Context
from regbench.plugins.kinds import read_methods
from regbench.plugins.loading import load_entry
from regbench.spatial.convert import to_torch
from regbench.spatial.field import Field
from regbench.spatial.volume import Volume

SHAPE = (16, 16, 12)
HOW = {"instance_rate": 0.01, "instance_steps": 4}


@pytest.fixture(scope="module")
def project(tmp_path_factory: pytest.TempPathFactory) -> ToyProject:
    return tiny_project(tmp_path_factory.mktemp("instance"))


def method(folder: Path, **changes: Any) -> LearnedMethod:
    """The toy method with random weights that are the same every time."""
    (plugin,) = read_methods(PLUGINS / "methods" / "tiny")
    settings = {**plugin.settings, **changes}
    entry = load_entry(plugin.folder, str(plugin.entry))
    torch.manual_seed(0)
    file = folder / "checkpoint.pt"
    weights = entry.build(settings).state_dict()
    save(file, {"identity": identity(entry, settings), "network": weights})
    made = entry(settings, Context(1, 0, "cpu", True, folder, file))
    assert isinstance(made, LearnedMethod)
    return made


def pair(number: int) -> tuple[Volume, Volume]:
    return random_image(number, SHAPE), random_image(number + 1, SHAPE)


def cost(field: Field, fixed: Volume, moving: Volume, weight: float) -> float:
    """The training loss of a field."""
    displacement = to_torch(field)
    return float(loss(to_input(moving), mind(to_input(fixed)), displacement, weight))


def test_the_loss_of_the_pair_falls(tmp_path: Path) -> None:
    fixed, moving = pair(1)
    costs = [
        cost(method(tmp_path, **how).register(fixed, moving), fixed, moving, 0.6)
        for how in ({}, HOW, {**HOW, "instance_steps": 12})
    ]
    assert costs[0] > costs[1] > costs[2]


def test_lambda_is_that_of_the_training(tmp_path: Path) -> None:
    """A field that may cost nothing ends smoother the more its differences cost."""
    fixed, moving = pair(1)
    rough = [
        np.abs(np.diff(method(tmp_path, **HOW, **{"lambda": weight}).register(fixed, moving)
                       .displacement, axis=0)).mean()
        for weight in (0.0, 50.0)
    ]  # fmt: skip
    assert rough[1] < rough[0]


def test_no_pair_leaves_a_trace(tmp_path: Path) -> None:
    """Fields do not depend on what was registered before, and the weights stay as trained."""
    pairs = [pair(number) for number in (1, 5, 9)]
    one = method(tmp_path, **HOW)
    before = {name: value.clone() for name, value in one.network.state_dict().items()}
    there = [one.register(*images).displacement for images in pairs]
    back = [one.register(*images).displacement for images in reversed(pairs)]
    assert all(np.array_equal(*fields) for fields in zip(there, reversed(back), strict=True))
    assert all(torch.equal(before[k], value) for k, value in one.network.state_dict().items())
    assert not any(weight.grad is not None for weight in one.network.parameters())


def test_recomputing_changes_no_number(tmp_path: Path) -> None:
    fields = [
        method(tmp_path, **HOW, recompute=recompute).register(*pair(1)).displacement
        for recompute in (False, True)
    ]
    assert np.array_equal(*fields)


def test_steps_that_diverge_say_so(tmp_path: Path) -> None:
    with pytest.raises(BadInput) as error:
        method(tmp_path, instance_steps=50, instance_rate=1e30).register(*pair(1))
    one_line(error.value, "the loss is not finite at step")


@pytest.mark.parametrize(
    ("bad", "words"),
    [
        ({"instance_steps": -1}, ["instance_steps", ">= 0", "-1"]),
        ({"instance_steps": 2.5}, ["instance_steps", "whole number", "2.5"]),
        ({"instance_rate": 0}, ["instance_rate", "> 0"]),
    ],
)
def test_bad_settings(
    project: ToyProject, tmp_path: Path, bad: dict[str, Any], words: list[str]
) -> None:
    with pytest.raises(BadInput) as error:
        job_of(project, tmp_path, **bad)
    one_line(error.value, *words)


def test_fine_tuned_runs_share_a_training_across_data_sets(
    project: ToyProject, tmp_path: Path
) -> None:
    """The other data set's pairs are of another shape, and only the fine-tuned run is on them."""
    data = {
        **project.config,
        "name": "shared",
        "datasets": {
            **project.config["datasets"],
            "real": {"plugin": "toy", "settings": {"shape": [16, 20, 12]}},
        },
        "methods": [
            {"method": "tiny", "settings": {"steps": 3}, "tasks": ["toy"]},
            {"method": "tiny", "settings": {"steps": 3, "instance_steps": 2}},
            {"method": "tiny", "settings": {"steps": 4, "instance_steps": 2}},
        ],
    }
    data["tasks"] = {
        "toy": project.config["tasks"]["toy"],
        "there": {"dataset": "real", "trained_on": "toy"},
    }
    config = resolve(data, project.root)
    jobs = {
        (run.task.id, run.id): Job(
            config,
            run,
            0,
            tmp_path / run.task.id / run.id,
            project.root / layout_file("toy", "toy"),
        )
        for run in config.runs
    }
    sources = {key: (job.source().run.task.id, job.source().run.id) for key, job in jobs.items()}
    plain, tuned, other = (
        "tiny@steps=3",
        "tiny@instance_steps=2@steps=3",
        "tiny@instance_steps=2@steps=4",
    )
    assert sources == {
        ("toy", plain): ("toy", plain),
        ("toy", tuned): ("toy", plain),
        ("there", tuned): ("toy", plain),
        ("toy", other): ("toy", other),
        ("there", other): ("toy", other),
    }


def test_the_penalties_on_folds_are_those_of_the_training(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """FAIM's own penalty is a sum: leaving it out fine-tunes by another loss."""
    given = []

    def recorded(*arguments: Any, **more: Any) -> torch.Tensor:
        given.append(arguments[3:])
        return loss(*arguments, **more)

    monkeypatch.setattr("regbench.learning.method.loss", recorded)
    changes = {"lambda": 0.5, "fold_weight": 2.0, "fold_sum_weight": 0.25}
    method(tmp_path, **HOW, **changes).register(*pair(1))
    assert given == [(0.5, 2.0, 0.25)] * HOW["instance_steps"]
