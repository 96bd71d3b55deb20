"""What the table of results says of its tasks."""

from pathlib import Path

import pytest
from toy_project import make_project

from regbench.base.paths import layout_file
from regbench.execution.prepare import prepare
from regbench.plan.config import resolve
from regbench.reports.results import _task_facts


def test_the_facts_name_the_modalities_of_the_task_s_direction(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    project = make_project(tmp_path)
    monkeypatch.chdir(tmp_path)
    task = project.config["tasks"]["toy"]
    project.config["tasks"] |= {
        "there": {**task, "direction": {"fixed": 0, "moving": 1}},
        "back": {**task, "direction": {"fixed": 1, "moving": 0}},
    }
    config = resolve(project.config, project.root)
    prepare(config.datasets["toy"], layout_file("toy", "toy"))
    found = {name: _task_facts(config, item) for name, item in config.tasks.items()}
    sides = {name: (about.fixed, about.moving) for name, about in found.items()}
    assert sides == {"toy": ("A", "B"), "there": ("A", "B"), "back": ("B", "A")}
