"""Trainings of the smallest network on toy pairs, in this process: a fraction of a second each."""

from pathlib import Path
from typing import Any

import torch
from toy_project import ToyProject, make_project

from regbench.base.paths import layout_file
from regbench.execution.prepare import prepare
from regbench.learning.train import train, training_of
from regbench.plan.config import resolve
from regbench.plan.jobs import Job


def tiny_project(root: Path) -> ToyProject:
    """A project with the toy data set prepared: two training pairs, one validation pair."""
    project = make_project(root)
    config = resolve(project.config, project.root)
    prepare(config.datasets["toy"], project.root / layout_file("toy", "toy"))
    return project


def job_of(
    project: ToyProject,
    folder: Path,
    seed: int = 0,
    task: dict[str, Any] | None = None,
    **settings: Any,
) -> Job:
    """A training into the folder; `task` and `settings` change those of the project."""
    tasks = {"toy": {**project.config["tasks"]["toy"], **(task or {})}}
    methods = [{"method": "tiny", "settings": {"steps": 12, **settings}}]
    config = resolve({**project.config, "tasks": tasks, "methods": methods}, project.root)
    return Job(config, config.runs[0], seed, folder, project.root / layout_file("toy", "toy"))


def run(project: ToyProject, folder: Path, seed: int = 0, **settings: Any) -> dict[str, Any]:
    """Train into the folder; the record."""
    return train(training_of(job_of(project, folder, seed, **settings)))


def equal(one: Any, two: Any) -> bool:
    """Nested equality, of tensors by value."""
    if isinstance(one, torch.Tensor):
        return torch.equal(one, two)
    if isinstance(one, dict):
        return one.keys() == two.keys() and all(equal(one[k], two[k]) for k in one)
    if isinstance(one, list | tuple):
        return len(one) == len(two) and all(map(equal, one, two))
    return bool(one == two) or (one != one and two != two)
