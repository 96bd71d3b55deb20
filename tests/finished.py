"""Finished workflows that several test files look at: each is run once, every file has a copy."""

import os
import shutil
from collections.abc import Callable
from pathlib import Path

import pytest
import yaml
from toy_project import ToyProject, make_project

from regbench.base.files import locked


def copy_of(
    factory: pytest.TempPathFactory, name: str, run: Callable[[ToyProject], object]
) -> ToyProject:
    """A project that `run` has run, with the engine: files keep their times, so nothing is stale.

    Args:
        factory: of pytest; its workers share what the first of them has run.
        name: of what is run.
        run: configures a new project and runs its workflow.
    """
    own = factory.getbasetemp()
    shared = own.parent if "PYTEST_XDIST_WORKER" in os.environ else own
    first = ToyProject(shared / f"finished-{name}")
    mark = shared / f"finished-{name}.yaml"
    with locked(shared / f".lock-finished-{name}"):
        if not mark.is_file():
            shutil.rmtree(first.root, ignore_errors=True)
            first.root.mkdir()
            first = make_project(first.root, engine=True)
            run(first)
            shutil.copy(first.config_file, mark)
    root = factory.mktemp(name) / "project"
    shutil.copytree(first.root, root, symlinks=True)
    # What Snakemake knows of a job names some of its inputs by their whole path.
    for record in filter(Path.is_file, (root / ".snakemake" / "metadata").rglob("*")):
        record.write_text(record.read_text().replace(str(first.root), str(root)))
    return ToyProject(root, read_config(mark))


def read_config(file: Path) -> dict[str, object]:
    """A config that a project has written."""
    return dict(yaml.safe_load(file.read_text()))


def pair_of_methods(factory: pytest.TempPathFactory) -> ToyProject:
    """`identity` and `shift`, with all reports that they have."""

    def run(project: ToyProject) -> None:
        project.config["methods"] = ["identity", "shift"]
        project.snakemake()

    return copy_of(factory, "pair", run)
