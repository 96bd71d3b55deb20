"""The protocol of a study: what it trains next, what it chooses, and what stopping it costs."""

import json
import math
from pathlib import Path
from typing import Any

import pytest
from toy_project import ToyProject, make_project

from regbench.plan.models import StudyEntry
from regbench.study.protocol import Point, Record, state_of

PROTOCOL = StudyEntry.model_validate({"lambda": [0.5, 1.0], "steps": [100, 200, 400]}), (0, 1)
GRID = {Point(0.5, 100, 0): Record("ok", 0.1, 80.0), Point(1.0, 100, 0): Record("ok", 0.2, 82.0)}


def test_the_grid_comes_first() -> None:
    state = state_of(*PROTOCOL, {})
    assert state.needed == list(GRID)
    assert state.weight is None
    assert not state.done


def test_the_highest_dice_chooses_lambda_and_the_loss_does_not() -> None:
    state = state_of(*PROTOCOL, GRID)
    assert state.weight == 1.0
    assert state.needed == [Point(1.0, 200, 0)]
    # A machine with room to spare may begin what is likely to follow.
    assert Point(1.0, 200, 1) in state.likely
    assert not set(state.needed) & set(state.likely)


def test_without_labels_the_loss_chooses() -> None:
    grid = {point: Record("ok", record.loss) for point, record in GRID.items()}
    assert state_of(*PROTOCOL, grid).weight == 0.5


@pytest.mark.parametrize(
    ("dice", "steps"),
    [
        ((82.29,), 100),
        ((82.4, 82.6), 200),
        ((82.4, 82.8), 400),
    ],
)
def test_the_first_length_whose_doubling_gains_little(dice: tuple[float, ...], steps: int) -> None:
    records = dict(GRID)
    for value, length in zip(dice, PROTOCOL[0].steps[1:], strict=False):
        records[Point(1.0, length, 0)] = Record("ok", 0.1, value)
    state = state_of(*PROTOCOL, records)
    assert (state.weight, state.steps) == (1.0, steps)
    assert state.needed == [Point(1.0, steps, 1)]
    records[Point(1.0, steps, 1)] = Record("ok", 0.1, 70.0)
    assert state_of(*PROTOCOL, records).done


def test_a_point_that_diverges_is_left_out() -> None:
    records = {**GRID, Point(1.0, 100, 0): Record("failed")}
    assert state_of(*PROTOCOL, records).weight == 0.5
    records[Point(0.5, 200, 0)] = Record("ok", math.nan, 99.0)
    assert state_of(*PROTOCOL, records).steps == 100


def test_where_every_point_diverges_the_method_has_failed() -> None:
    state = state_of(*PROTOCOL, dict.fromkeys(GRID, Record("failed")))
    assert state.done
    assert "failed" in state.failed


@pytest.fixture
def study(tmp_path: Path) -> ToyProject:
    """A toy project with a study of one small network."""
    project: ToyProject = make_project(tmp_path)
    checkpoint = "results/toy/weights/{task}/{method}/seed{seed}.pt"
    project.config |= {
        "methods": [{"method": "tiny", "settings": {"checkpoint": checkpoint}}],
        "study": {"lambda": [0.5, 1.0], "steps": [2, 4], "gain": 0.3},
        "device": "cpu",
    }
    project.write_config()
    return project


@pytest.mark.verify
def test_a_study_trains_keeps_records_and_resumes(study: ToyProject) -> None:
    command = ("study", "--config", str(study.config_file), "--processes", "2")
    study.regbench(*command)
    records = sorted((study.root / "reference" / "toy" / "toy" / "tiny").glob("*.json"))
    contents = {record.stem: json.loads(record.read_text()) for record in records}
    assert {"lambda0.5-steps2-seed0", "lambda1-steps2-seed0"} <= set(contents)
    assert all(
        content["curve"][-1]["step"] == str(content["steps"]) for content in contents.values()
    )
    weights = study.root / "results/toy/weights/toy/tiny/seed0.pt"
    assert weights.is_file()
    # Nothing is trained again, but what is gone.
    times = {record: record.stat().st_mtime_ns for record in records}
    records[0].unlink()
    study.regbench(*command)
    assert records[0].is_file()
    assert all(r.stat().st_mtime_ns == times[r] for r in records[1:])
    # The workflow registers the test cases with the chosen weights, without training.
    study.snakemake("reports/table.csv")
    folder = next((study.root / "results/toy/toy").glob("tiny*/seed0"))
    assert json.loads((folder / "training.json").read_text())["checkpoint"] == str(weights)


@pytest.mark.parametrize(
    ("change", "words"),
    [
        ({"study": {"lambda": [0.5], "steps": [2, 3], "gain": 0.3}}, "twice the one before"),
        (
            {"methods": ["tiny", {"method": "tiny", "settings": {"flip": False}}]},
            "each method once",
        ),
        ({"study": None}, "no study"),
    ],
)
def test_a_study_that_cannot_be_is_one_line(
    study: ToyProject, change: dict[str, Any], words: str
) -> None:
    study.config = {k: v for k, v in (study.config | change).items() if v is not None}
    done = study.regbench("study", "--config", str(study.config_file))
    assert done.returncode == 2
    assert words in done.stderr
    assert len(done.stderr.strip().splitlines()) == 1
    assert not (study.root / "reference").exists()
