"""A grid of one setting behind a report: its runs, its table, its picture, its warning."""

import json
from functools import partial
from pathlib import Path
from typing import Any

import pytest
import yaml
from helpers import kind_module, read_report
from toy_project import ToyProject, make_project

from regbench.plan.config import load_config
from regbench.reports.cells import Summary
from regbench.reports.charts import draw
from regbench.reports.drawing import Mark, pictures

KIND = kind_module("sweep")
REPORT = {
    "title": "Sweep",
    "kind": "sweep",
    "task": "toy",
    "caption": "Of toys.",
    "setting": "lambda",
    "metric": "dice",
    "grids": {
        "default": {"values": [0.5, 0.0], "methods": ["tiny"], "settings": {"steps": 4}},
        "full": {"values": [0.1, 0.2, 0.3], "methods": ["tiny"]},
    },
}


@pytest.fixture
def project(tmp_path: Path) -> ToyProject:
    project = make_project(tmp_path)
    (project.root / "reports" / "curve.yaml").write_text(yaml.safe_dump(REPORT))
    project.config["methods"] = ["identity"]
    return project


def runs(project: ToyProject, **changes: Any) -> list[tuple[str, str, str]]:
    project.config |= changes
    project.write_config()
    config = load_config(project.config_file, project.root)
    return [(r.task.id, r.id, r.task.split) for r in config.sweep_runs]


def test_the_grid_is_of_ordinary_runs_on_validation_cases(project: ToyProject) -> None:
    assert runs(project) == [
        ("curve", "tiny@lambda=0.5@steps=4", "validation"),
        ("curve", "tiny@lambda=0.0@steps=4", "validation"),
    ]
    assert runs(project, selection="test")[0][2] == "auto"
    assert len(runs(project, grid="full")) == 3


def test_a_grid_without_settings_varies_what_the_config_trains(project: ToyProject) -> None:
    """A point that the config has, too, is not trained again."""
    own = {"steps": 6, "lambda": 0.2, "validate_every": 3}
    project.config["methods"] = ["identity", {"method": "tiny", "settings": own}]
    known = "tiny@lambda=0.2@steps=6@validate_every=3"
    found = runs(project, grid="full")
    assert [run for _, run, _ in found] == [known.replace("0.2", x) for x in ("0.1", "0.2", "0.3")]
    config = load_config(project.config_file, project.root)
    assert [run.task.trained_on for run in config.sweep_runs] == ["curve", "toy", "curve"]
    # A value that is the method's own: the run of the config has it without naming it.
    default = config.catalog.methods["tiny"].settings["lambda"]
    project.config["methods"] = ["tiny"]
    report = {**REPORT, "grids": {"full": {"values": [default], "methods": ["tiny"]}}}
    (project.root / "reports" / "curve.yaml").write_text(yaml.safe_dump(report))
    assert runs(project, grid="full") == [("curve", "tiny", "validation")]
    # With settings of its own, a grid is what it says.
    grids = {"full": {**report["grids"]["full"], "settings": {"steps": 2}}}
    (project.root / "reports" / "curve.yaml").write_text(yaml.safe_dump({**report, "grids": grids}))
    assert runs(project, grid="full")[0][1] == f"tiny@lambda={default}@steps=2"


@pytest.mark.verify
def test_the_workflow_draws_it_and_leaves_the_other_tables_alone(project: ToyProject) -> None:
    project.snakemake("reports/curve.csv", "reports/table.csv")
    _, (row,) = read_report(project.root, "curve")
    parts = ("", " std", " n")
    means = [f"{name}{part}" for name in ("lambda=0", "lambda=0.5") for part in parts]
    assert list(row) == ["Method", *means, "Best lambda"]
    assert row["Method"] == "Tiny" and row["Best lambda"] in ("0", "0.5")
    assert all(50 < float(row[name]) <= 100 for name in ("lambda=0", "lambda=0.5"))
    about = json.loads((project.root / "reports" / "curve.notes.json").read_text())
    assert "Measured on validation cases (n=1)" in about["caption"]
    for ending in ("png", "pdf", "md", "tex", "html"):
        assert (project.root / "reports" / f"curve.{ending}").stat().st_size > 500
    table = (project.root / "reports" / "table.md").read_text()
    assert "Tiny" not in table and "warning: selection" not in table
    # Nothing is left to do, and the grid is no unfinished business of the verdict.
    assert project.planned("reports/curve.csv") == {}
    assert project.regbench("verdict", "--config", "toy.yaml").returncode == 0


@pytest.mark.verify
def test_selection_on_test_cases_is_a_warning_in_every_table(project: ToyProject) -> None:
    project.config["selection"] = "test"
    project.snakemake("reports/table.csv", "reports/leaderboard.csv")
    for name in ("table", "leaderboard"):
        text = "\n".join(read_report(project.root, name)[0])
        assert "warning: selection: test (as in the paper)" in text


def test_the_picture_is_the_same_bytes_for_the_same_numbers() -> None:
    points = {"A": [Summary(80.0, 1.0, 2, 2), Summary(85.0, 1.0, 2, 2)]}
    sweep = KIND.Sweep(
        "lambda", "Average Dice (%)", (0.5, 1.5), points, higher=True, cases="cases (n=2)"
    )
    assert sweep.best("A") == 1
    for ending, start in (("png", b"\x89PNG"), ("pdf", b"%PDF")):
        chart, marks = KIND._chart(sweep, "toys"), {"A": Mark("#000000", "o", "-")}
        picture = partial(draw, [chart], KIND.STYLE, marks)
        first, second = (pictures(picture)(ending) for _ in range(2))
        assert first == second
        assert first.startswith(start)


def test_a_value_that_misses_a_case_is_not_the_best() -> None:
    points = {"A": [Summary(90.0, 1.0, 1, 2), Summary(85.0, 1.0, 2, 2)]}
    sweep = KIND.Sweep("lambda", "Dice", (0.5, 1.5), points, higher=True, cases="")
    assert sweep.best("A") == 1
