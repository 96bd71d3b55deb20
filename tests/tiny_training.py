"""Trainings of the smallest network on toy pairs, in this process: a fraction of a second each."""

from pathlib import Path
from typing import Any

import torch
from toy_project import ToyProject, make_project

from regbench.base.paths import layout_file
from regbench.data.layout import Layout, read_layout
from regbench.execution.prepare import prepare
from regbench.learning.train import train
from regbench.plan.config import Config, RunConfig, resolve


def tiny_project(root: Path) -> ToyProject:
    """A project with the toy data set prepared: two training pairs, one validation pair."""
    project = make_project(root)
    config = resolve(project.config, project.root)
    prepare(config.datasets["toy"], project.root / layout_file("toy", "toy"))
    return project


def pieces(
    project: ToyProject, task: dict[str, Any] | None = None, **settings: Any
) -> tuple[Config, RunConfig, Layout]:
    """What a training is made of; `task` and `settings` change those of the project."""
    tasks = {"toy": {**project.config["tasks"]["toy"], **(task or {})}}
    methods = [{"method": "tiny", "settings": {"steps": 12, **settings}}]
    config = resolve({**project.config, "tasks": tasks, "methods": methods}, project.root)
    return config, config.runs[0], read_layout(project.root / layout_file("toy", "toy"))


def run(project: ToyProject, folder: Path, seed: int = 0, **settings: Any) -> dict[str, Any]:
    """Train into the folder; the record."""
    config, item, layout = pieces(project, **settings)
    return train(config, item, seed, layout, folder)


def equal(one: Any, two: Any) -> bool:
    """Nested equality, of tensors by value."""
    if isinstance(one, torch.Tensor):
        return torch.equal(one, two)
    if isinstance(one, dict):
        return one.keys() == two.keys() and all(equal(one[k], two[k]) for k in one)
    if isinstance(one, list | tuple):
        return len(one) == len(two) and all(map(equal, one, two))
    return bool(one == two) or (one != one and two != two)
