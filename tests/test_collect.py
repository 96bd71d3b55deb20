"""What the table of results says of its tasks, and of what a case took."""

import json
from pathlib import Path

import numpy as np
import pytest
from helpers import make_affine
from toy_project import make_project

from regbench.base.paths import layout_file
from regbench.data.layout import Case, Entry
from regbench.execution.prepare import prepare
from regbench.plan.config import resolve
from regbench.reports.notes import _data
from regbench.reports.results import _costs, _task_facts, dimensions
from regbench.spatial.nifti import write_volume
from regbench.spatial.volume import Volume


def test_the_facts_name_the_modalities_of_the_task_s_direction(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    project = make_project(tmp_path)
    monkeypatch.chdir(tmp_path)
    task = project.config["tasks"]["toy"]
    project.config["tasks"] |= {
        "there": {**task, "direction": {"fixed": 0, "moving": 1}, "notes": ["ten cases only"]},
        "back": {**task, "direction": {"fixed": 1, "moving": 0}},
    }
    config = resolve(project.config, project.root)
    prepare(config.datasets["toy"], layout_file("toy", "toy"))
    found = {name: _task_facts(config, item) for name, item in config.tasks.items()}
    sides = {name: (about.fixed, about.moving) for name, about in found.items()}
    assert sides == {"toy": ("A", "B"), "there": ("A", "B"), "back": ("B", "A")}
    # A phantom may be a miniature: every table says how large it is.
    assert all(x.remarks[-1].startswith("true dimensions: ") for x in found.values())
    said = {name: "task a: ten cases only" in _data("a", about) for name, about in found.items()}
    assert said == {"toy": False, "there": True, "back": False}


def test_a_phantom_s_dimensions_are_those_of_its_labels(tmp_path: Path) -> None:
    labels = np.zeros((30, 20, 10), np.uint8)
    labels[:10, :10, :10] = 1
    labels[20:, :5, :2] = 2
    file = tmp_path / "labels.nii.gz"
    write_volume(file, Volume(labels, make_affine((2.0, 2.0, 2.0), flips=(-1, 1, 1))))
    side = Entry(image=tmp_path / "absent.nii.gz", labels=file)
    (line,) = dimensions([Case(side, side)], {"liver": [1], "both": [1, 2]})
    assert line == (
        "true dimensions: 60 x 40 x 20 mm in all, liver 8 ml, both 8.8 ml (fixed images, mean of 1"
        " cases)"
    )
    assert list(dimensions([Case(side, side, problem="broken")], {"liver": [1]})) == []


def test_costs_say_how_much_of_its_processors_a_method_may_have_lost(tmp_path: Path) -> None:
    """Of four processors others kept 2.5 busy: two threads lost a quarter of their time."""
    facts = {"register_cpu_s": 3.0, "load": 2.5, "cpus": 4}
    status = {"case": "a", "outcome": "ok", "register_s": 2.0, "peak_memory_mb": 1.0}
    old = {**status, "case": "b", "facts": {}}
    # The processors of a method that computes on a GPU wait for it.
    gpu = {**status, "case": "c", "facts": {**facts, "device": "cuda"}}
    (tmp_path / "cases.json").write_text(json.dumps([status | {"facts": facts}, old, gpu]))
    rows = _costs(tmp_path, "shared", 2)
    found = {(row.case, row.metric): row.value for row in rows.itertuples()}
    assert found["a", "register_lost"] == pytest.approx(0.25)
    assert (found["a", "register_load"], found["a", "register_cpu_s"]) == (2.5, 3.0)
    assert {metric for case, metric in found if case == "b"} == {"register_s", "peak_memory_mb"}
    assert ("c", "register_load") in found and ("c", "register_cpu_s") not in found
