"""Learning curves: which trainings they are of, and what their numbers are."""

import json
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pandas as pd
import pytest
from helpers import REPOSITORY, kind_module, one_line

from regbench.base.errors import BadInput
from regbench.plugins.catalog import discover
from regbench.plugins.kinds import ReportPlugin
from regbench.reports.charts import Chart
from regbench.reports.model import Table
from regbench.reports.request import Drawing, Request
from regbench.reports.results import COLUMNS, Results

learning = kind_module("learning")
CONFIG: Any = SimpleNamespace(name="toy", runs=(), catalog=discover(REPOSITORY))
REPORT = ReportPlugin("learning", "Learning", "learning", None, "", (), (), Path("r.yaml"), {})
HEAD = (
    "step,training_loss,validation_loss,validation_dice,validation_epe,validation_slope,cpu_seconds"
)


@pytest.fixture(autouse=True)
def here(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)


def _results(tasks: tuple[str, ...] = ("t",), seeds: tuple[int, ...] = (0, 1)) -> Results:
    about = {
        **dict.fromkeys(("title", "data", "dataset", "fixed", "moving", "split"), "x"),
        **{"synthetic": False, "version": 1, "settings": {}, "interpolation": "nearest"},
        **{"cases": 3, "training": 2, "validation": 2, "labels": {"liver": [1]}},
    }
    runs = [
        {"task": task, "run": run, "method": run, "title": run.upper(), "threads": 1}
        | {"kind": "control" if run == "still" else "learned", "seeds": list(seeds)}
        | {"settings": {"checkpoint": "x"}}
        for task in tasks
        for run in ("still", "a", "b")
    ]
    facts = {"config": "toy", "tasks": dict.fromkeys(tasks, about), "runs": runs, "seeds": [0]}
    frame = pd.DataFrame(columns=list(COLUMNS))
    return Results.of(frame, facts | {"timing": "shared", "hardware": "an abacus"})


def _write(run: str, seed: int, curve: str, task: str = "t", **record: Any) -> None:
    folder = Path("results/toy", task, run, f"seed{seed}")
    folder.mkdir(parents=True, exist_ok=True)
    (folder / "loss.csv").write_text(curve)
    if record:
        (folder / "training.json").write_text(json.dumps(record))


def _curve(*rows: str) -> str:
    return "\n".join((HEAD, *rows, ""))


def _build(results: Results) -> tuple[Table, list[Chart]]:
    """The table, and the charts that are drawn."""
    request = Request(CONFIG, REPORT, None)
    # As if it had been read.
    vars(request)["results"] = results
    drawn: list[list[Chart]] = []
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(learning, "picture", lambda _, charts, look: drawn.append(charts))
        made = learning.build(request)
        assert isinstance(made, Drawing)
    return made.table, drawn[0]


def _texts(table: Table) -> list[list[str]]:
    assert all(len(row.cells) == len(table.columns) for row in table.rows)
    return [[row.title, *(cell.text for cell in row.cells)] for row in table.rows]


def test_a_line_is_the_mean_of_the_seeds_and_its_band_their_range() -> None:
    rows = (
        ("10,1,0.5,60,2,0.1,4", "20,1,0.4,70,1.5,0.3,8"),
        ("10,1,0.3,80,1,0.5,6", "20,1,0.2,90,1,0.5,12"),
    )
    for seed in (0, 1):
        _write("a", seed, _curve(*rows[seed]), outcome="ok", steps=20, seconds=5.0 + seed)
    table, charts = _build(_results())
    assert [column.title for column in table.columns] == [
        *("Task", "Seeds", "Steps", "Time (s)", "CPU (s)"),
        *("Loss", "Dice (%)", "EPE (voxel)", "Slope"),
    ]
    assert _texts(table) == [
        ["A", "t", "2/2", "20", "6 (5 to 6)", "10 (8 to 12)"]
        + ["0.3000 (0.2000 to 0.4000)", "80.00 (70.00 to 90.00)", "1.25 (1.00 to 1.50)"]
        + ["0.40 (0.30 to 0.50)"]
    ]
    assert [(c.x, c.y) for c in charts[:2]] == [
        ("step", "validation loss"),
        ("step", "validation Dice (%)"),
    ]
    assert len(charts) == 8 and charts[4].x == "CPU seconds"
    (line,) = charts[5].series
    assert (line.x, line.y) == ((5, 10), (70, 80)) and line.band == ((60, 70), (80, 90))
    assert any(note.startswith("displacement_slope: ") for note in table.notes)


def test_measures_that_nothing_has_are_left_out() -> None:
    """Landmarks only, and a curve of an earlier version, without times."""
    _write("a", 0, _curve("10,1,0.5,,,,4"), outcome="ok", steps=20)
    _write(
        "b",
        0,
        "step,training_loss,validation_loss\n10,1,0.25\n",
        outcome="ok",
        steps=10,
        seconds=2.0,
    )
    table, charts = _build(_results(seeds=(0,)))
    assert table.columns[-1].title == "Loss"
    assert _texts(table) == [
        ["A", "t", "1/1", "10", "-", "4", "0.5000"],
        ["B", "t", "1/1", "10", "2", "-", "0.2500"],
    ]
    assert [(c.x, [s.name for s in c.series]) for c in charts] == [
        ("step", ["A", "B"]),
        ("CPU seconds", ["A"]),
    ]
    assert charts[0].series[0].band is None


def test_a_failed_and_an_unfinished_training_are_told_and_do_not_count() -> None:
    _write("a", 0, _curve("10,1,0.5,,,,4", "20,1,0.4,,,,8"), outcome="ok", steps=20)
    _write("a", 1, _curve("10,1,9.5,,,,4"), outcome="failed", reason="the loss is not finite")
    _write("b", 0, _curve("10,1,0.7,,,,4"))
    # Nothing was measured before it failed.
    _write("b", 1, _curve(), outcome="failed", reason="no luck")
    table, charts = _build(_results())
    assert [row[2:4] + row[-1:] for row in _texts(table)] == [
        ["1/2", "20", "0.4000"],
        ["0/2", "-", "-"],
    ]
    assert charts[0].series[0].y == (0.5, 0.4)
    # What there is of a method is drawn.
    assert charts[0].series[1].y == (0.7,)
    told = [note for note in table.notes if "did not end" in note]
    assert told == [
        "warning: A on t, seed 1: the training did not end: the loss is not finite",
        "warning: B on t, seed 0: the training did not end: it is unfinished",
        "warning: B on t, seed 1: the training did not end: no luck",
    ]


def test_a_task_without_a_training_of_its_own_has_no_curve() -> None:
    _write("a", 0, _curve("10,1,0.5,,,,4"), outcome="ok", steps=20)
    _write("a", 0, _curve("10,1,0.5,,,,4"), task="back", outcome="ok", steps=10, trained_on="t")
    # A checkpoint that was given; the curve is of an earlier training.
    _write("b", 0, _curve("10,1,0.5,,,,4"), outcome="ok", checkpoint="x.pt")
    table, _ = _build(_results(("t", "back"), (0,)))
    assert [row[:2] for row in _texts(table)] == [["A", "t"]]
    assert "no curve of task back: nothing was trained on it" in table.notes
    request = Request(CONFIG, REPORT, None)
    vars(request)["results"] = _results(("back",), (0,))
    empty = learning.build(request)
    assert empty.table.rows == () and empty.picture("png").startswith(b"\x89PNG")


@pytest.mark.parametrize("text", ["no curve\n", "step,validation_loss\n1,much\n", ""])
def test_a_damaged_curve_is_named(text: str) -> None:
    _write("a", 0, text, outcome="ok", steps=20)
    with pytest.raises(BadInput) as error:
        _build(_results())
    one_line(error.value, "seed0/loss.csv", "is no training curve")
