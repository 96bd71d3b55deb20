"""Tables: summaries with missing cases, what is bold, and the notes."""

import io
import math
from pathlib import Path
from typing import Any

import pandas as pd
import pytest
from helpers import one_line, plain_number
from report_rows import built

from regbench.base.errors import BadInput
from regbench.plugins.kinds import ReportPlugin
from regbench.reports.cells import Summary, seed_spread, summarise
from regbench.reports.formats import to_csv
from regbench.reports.model import Cell, Column, Table, TableRow, mark_best
from regbench.reports.results import Results

FOLDS = {"metric": "folds", "better": "lower"}
COLUMNS = ({"metric": "asd"}, {"metric": "dice"}, FOLDS, {"fact": "cases"})
#: What the csv has of a mean.
PARTS = ("", " std", " n")


def _frame(rows: list[tuple[Any, ...]]) -> pd.DataFrame:
    """(run, case, metric, label, value[, status[, seed]]) as collected rows."""
    names = ["task", "run", "method", "seed", "case", "metric", "label", "value", "unit", "status"]
    full = []
    for run, case, metric, label, value, *more in rows:
        status, seed = (*more, *("ok", 0)[len(more) :])
        full.append(["t", run, run, seed, case, metric, label, value, "", status])
    frame = pd.DataFrame(full, columns=names)
    return frame.astype({"run": "category", "metric": "category", "label": "category"})


def _rows(run: str, dice: list[float | None], **more: float) -> list[tuple[Any, ...]]:
    """Cases c0, c1, ... with a Dice each; None is a case that failed."""
    rows: list[tuple[Any, ...]] = []
    for i, value in enumerate(dice):
        case, status = f"c{i}", "ok" if value is not None else "failed: no luck"
        rows.append((run, case, "dice", "liver", math.nan if value is None else value, status))
        rows.append((run, case, "register_s", "", 1.0 + i if value is not None else None, status))
        for metric, number in more.items():
            label = "liver" if metric == "asd" else ""
            rows.append((run, case, metric, label, number, status))
    return rows


def _run(name: str, kind: str = "optimisation", seeds: tuple[int, ...] = (0,)) -> dict[str, Any]:
    return {
        "task": "t",
        "run": name,
        "method": name,
        "title": name.upper(),
        "kind": kind,
        "seeds": list(seeds),
        "settings": {},
        "threads": 1,
    }


def _facts(runs: list[dict[str, Any]], cases: int = 2) -> dict[str, Any]:
    task = {
        "title": "T",
        "data": "Toys",
        "dataset": "toy",
        "synthetic": True,
        "version": 3,
        "settings": {"size": 4},
        "fixed": "MR",
        "moving": "CT",
        "split": "test",
        "cases": cases,
        "training": 5,
        "validation": 1,
        "labels": {"liver": [1]},
        "interpolation": "nearest",
    }
    return {
        "config": "toy",
        "description": "",
        "tasks": {"t": task},
        "runs": runs,
        "seeds": [0],
        "timing": "shared",
        "hardware": "an abacus",
    }


def _report(kind: str = "table", task: str | None = "t", **more: Any) -> ReportPlugin:
    known = {"rows": (), "columns": COLUMNS, **more}
    return ReportPlugin("r", "A table", kind, task, "Of toys.", file=Path("r.yaml"), **known)


def _table(values: list[tuple[Any, ...]], runs: list[dict[str, Any]], **more: Any) -> Table:
    return built(_report(**more), Results.of(_frame(values), _facts(runs)))


def _cell(table: Table, row: str, column: str) -> Cell:
    place = [c.title for c in table.columns].index(column)
    return next(r for r in table.rows if r.title == row).cells[place]


@pytest.mark.parametrize(
    ("values", "expected", "text"),
    [
        ([86.0, 88.0, 93.0], Summary(89.0, 13**0.5, 3, 3), "89.00±3.61"),
        ([86.0, 88.0, math.nan], Summary(87.0, 2**0.5, 2, 3), "87.00±1.41 (n=2)"),
        ([86.0], Summary(86.0, math.nan, 1, 3), "86.00 (n=1)"),
        ([], Summary(math.nan, math.nan, 0, 3), "-"),
    ],
)
def test_a_summary_says_over_how_many_cases(
    values: list[float], expected: Summary, text: str
) -> None:
    rows = [
        ("a", f"c{i}", "dice", "", v, "ok" if v == v else "empty: no voxel")
        for i, v in enumerate(values)
    ]
    found = summarise(_frame(rows), [0], 3)
    assert (found.n, found.total) == (expected.n, 3)
    assert found.mean == pytest.approx(expected.mean, nan_ok=True)
    assert found.std == pytest.approx(expected.std, nan_ok=True)
    assert found.text(2) == text


def test_a_case_counts_only_with_all_its_seeds() -> None:
    rows = [("a", "c0", "dice", "", v, "ok", s) for s, v in ((0, 80.0), (1, 90.0))]
    rows += [("a", "c1", "dice", "", 10.0, "ok", 0)]
    rows += [("a", "c1", "dice", "", math.nan, "failed: x", 1)]
    found = summarise(_frame(rows), [0, 1], 2)
    assert (found.mean, found.n) == (85, 1)


def test_a_method_without_a_time_has_finished_all_the_same() -> None:
    rows = _rows("a", [80, 90]) + _rows("b", [81, 91]) + _rows("c", [82, None])
    rows = [(*r[:4], None, r[5]) if r[2] == "register_s" and r[0] != "a" else r for r in rows]
    columns = (*COLUMNS, {"fact": "time_cpu"})
    table = _table(rows, [_run("a"), _run("b"), _run("c")], columns=columns)
    assert [_cell(table, r.title, "Cases").text for r in table.rows] == ["2/2", "2/2", "1/2"]
    assert [_cell(table, r.title, "Time CPU (s)").text for r in table.rows] == ["1.50", "-", "-"]
    assert _cell(table, "B", "Dice liver (%)").best
    assert "no time: the fields of B, C were made elsewhere" in table.notes


@pytest.mark.parametrize(
    ("measured", "gpu", "cpu"),
    [
        ({}, "-", "1.50"),
        # The cases ran on a GPU: their seconds are not the processor's.
        ({"register_gpu_s": [1.0, 2.0]}, "1.50", "-"),
        ({"register_alone_s": [20.0, 22.0, 90.0]}, "-", "22.00"),
        # As the paper prints them, whatever the cases ran on.
        ({"register_alone_s": [20.0], "register_gpu_alone_s": [0.3]}, "0.30", "20.00"),
        (
            {
                "register_gpu_s": [1.0, 2.0],
                "register_alone_s": [20.0],
                "register_gpu_alone_s": [0.3, 0.4, 0.9],
            },
            "0.40",
            "20.00",
        ),
        # A method of the GPU alone has no time on a processor.
        ({"register_alone_s": [math.nan], "register_gpu_alone_s": [0.3]}, "0.30", "-"),
    ],
)
def test_times_on_both_devices_stand_side_by_side(
    measured: dict[str, list[float]], gpu: str, cpu: str
) -> None:
    rows = _rows("a", [80, 90])
    alone = {name: "c0" for name in measured if "alone" in name}
    for name, values in measured.items():
        cases = (alone.get(name, f"c{i}") for i in range(len(values)))
        rows += [("a", case, name, "", s, "ok") for case, s in zip(cases, values, strict=True)]
    columns = ({"fact": "time_gpu"}, {"fact": "time_cpu"})
    table = _table(rows, [_run("a")], columns=columns)
    assert [cell.text for cell in table.rows[0].cells] == [gpu, cpu]


def test_columns_are_the_labels_of_the_task_and_units_are_named() -> None:
    table = _table(_rows("a", [80, 90], asd=2.0, folds=12), [_run("a")])
    titles = [column.title for column in table.columns]
    assert titles == ["ASD liver (mm)", "Dice liver (%)", "Folds", "Cases"]
    assert _cell(table, "A", "Dice liver (%)").text == "85.00±7.07"
    assert _cell(table, "A", "Cases").text == "2/2"
    assert plain_number(_cell(table, "A", "Folds").text) == 12


def test_a_metric_without_any_value_is_no_column() -> None:
    titles = [column.title for column in _table(_rows("a", [80, 90]), [_run("a")]).columns]
    assert titles == ["Dice liver (%)", "Cases"]


def test_rows_stand_in_the_reports_order_then_as_configured() -> None:
    names = ["z", "y", "x", "w"]
    rows = [row for name in names for row in _rows(name, [1, 2])]
    table = _table(rows, [_run(n) for n in names], rows=("x", "absent", "z"))
    assert [row.title for row in table.rows] == ["X", "Z", "Y", "W"]


def test_the_best_is_bold_by_the_metrics_direction() -> None:
    rows = _rows("a", [80, 90], asd=2.0, folds=5) + _rows("b", [70, 81], asd=1.0, folds=5)
    rows += _rows("c", [70, 71], asd=3.0, folds=6)
    table = _table(rows, [_run("a"), _run("b"), _run("c")])
    bold = {
        (row.title, column.title)
        for row in table.rows
        for column, cell in zip(table.columns, row.cells, strict=True)
        if cell.best
    }
    tie = {("A", "Folds"), ("B", "Folds")}
    assert bold == {("A", "Dice liver (%)"), ("B", "ASD liver (mm)"), *tie}


def test_controls_and_failed_methods_are_never_bold() -> None:
    rows = _rows("best", [99, 99]) + _rows("lucky", [98, None])
    rows += _rows("a", [80, 90]) + _rows("b", [70, 80])
    runs = [_run("best", "control"), _run("lucky"), _run("a"), _run("b")]
    table = _table(rows, runs)
    assert [_cell(table, r.title, "Dice liver (%)").best for r in table.rows] == [
        False,
        False,
        True,
        False,
    ]
    assert _cell(table, "LUCKY", "Dice liver (%)").text == "98.00 (n=1)"
    assert _cell(table, "LUCKY", "Cases").text == "1/2"
    assert any("lucky on t: 1 cases failed: no luck: c1" in note for note in table.notes)


def test_a_mean_over_fewer_cases_is_never_bold() -> None:
    """A method that loses an organ in its worst case must not win by it."""
    lost = [("b", "c1", "dice", "liver", math.nan, "empty: no voxel in the warped mask")]
    rows = _rows("a", [80, 80]) + [r for r in _rows("b", [90, 90]) if r[1:3] != ("c1", "dice")]
    table = _table(rows + lost + _rows("c", [70, 70]), [_run("a"), _run("b"), _run("c")])
    assert _cell(table, "B", "Dice liver (%)").text == "90.00 (n=1)"
    assert not _cell(table, "B", "Dice liver (%)").best
    assert _cell(table, "A", "Dice liver (%)").best


def test_an_organ_that_no_case_of_any_method_has_twice_is_still_ranked() -> None:
    """Missing in the fixed image, it is missing for all methods alike."""
    rows = []
    for run, value in (("a", 80.0), ("b", 90.0)):
        rows += [r for r in _rows(run, [value, value]) if r[1:3] != ("c1", "dice")]
        rows += [(run, "c1", "dice", "liver", math.nan, "empty: no voxel in the fixed mask")]
    table = _table(rows, [_run("a"), _run("b")])
    assert [_cell(table, r, "Dice liver (%)").best for r in "AB"] == [False, True]


def test_a_tie_of_all_has_no_best() -> None:
    rows = [TableRow(name, (Cell("0", 0.0, n=2),), True) for name in "ab"]
    found = mark_best(rows, [Column("x", direction="lower")])
    assert not any(cell.best for row in found for cell in row.cells)


@pytest.mark.parametrize("direction", ["none", "higher"])
def test_one_value_alone_is_not_the_best(direction: str) -> None:
    rows = [TableRow("a", (Cell("1", 1.0),), True), TableRow("b", (Cell("-"),), True)]
    found = mark_best(rows, [Column("x", direction=direction)])
    assert not any(cell.best for row in found for cell in row.cells)


def test_a_report_of_another_task_or_metric_is_one_line() -> None:
    with pytest.raises(BadInput) as error:
        _table(_rows("a", [1, 2]), [_run("a")], task="lung")
    one_line(error.value, "'lung'", "one of t")
    with pytest.raises(BadInput) as error:
        _table(_rows("a", [1, 2]), [_run("a")], columns=({"metric": "dize"},))
    one_line(error.value, "'dize'")


def test_the_leaderboard_marks_the_best_of_each_task() -> None:
    frame = _frame(_rows("a", [80, 90]) + _rows("b", [70, 80]))
    facts = _facts([_run("a"), _run("b")])
    frame = pd.concat([frame, frame.assign(task="u")])
    facts["tasks"]["u"] = facts["tasks"]["t"]
    facts["runs"] += [{**run, "task": "u"} for run in facts["runs"]]
    results = Results.of(frame, facts)
    table = built(_report("leaderboard", None), results)
    cells = [[cell.text for cell in row.cells[:2]] for row in table.rows]
    assert cells == [["t", "Toys"], ["t", "Toys"], ["u", "Toys"], ["u", "Toys"]]
    assert [any(cell.best for cell in row.cells) for row in table.rows] == [True, False] * 2


def test_csv_has_a_mean_its_deviation_and_n_and_the_notes_lie_beside_it() -> None:
    rows = _rows("a", [80, 90], asd=2.0) + _rows("b", [70, None], asd=1.0)
    table = _table(rows, [_run("a"), _run("b")])
    frame = pd.read_csv(io.StringIO(to_csv(table)), index_col="Method")
    means = [f"{name}{part}" for name in ("ASD liver (mm)", "Dice liver (%)") for part in PARTS]
    assert list(frame) == [*means, "Cases", "Cases total"]
    dice = frame.loc["A", [f"Dice liver (%){part}" for part in PARTS]]
    assert dice.tolist() == pytest.approx([85, 50**0.5, 2], abs=1e-8)
    short = frame.loc["B", [f"Dice liver (%){part}" for part in PARTS]]
    assert short.tolist() == pytest.approx([70, math.nan, 1], nan_ok=True)
    assert frame["Cases"].tolist() == [2, 1] and set(frame["Cases total"]) == {2}
    for word in ("synthetic phantom", "config: toy", "an abacus", "ddof 1", "5 training"):
        assert any(word in note for note in table.notes)
    assert "task t: fewer cases than 2: B (n=1)" in table.notes


def test_a_method_without_any_case_is_named() -> None:
    table = _table(_rows("a", [80, 90]) + _rows("b", [None, None]), [_run("a"), _run("b")])
    assert "task t: no case of B" in table.notes


def _better(*columns: dict[str, str], oracle: bool = True) -> set[tuple[str, str]]:
    """Which cells are bold, of runs whose std J are 0.1 and 0.3 where the true field's is 0.25."""
    rows = _rows("a", [80, 90], std_jacobian=0.1, folds=0) + _rows(
        "b", [70, 80], std_jacobian=0.3, folds=4
    )
    runs = [_run("a"), _run("b")]
    if oracle:
        rows += _rows("oracle", [99, 99], std_jacobian=0.25, folds=0)
        runs.append(_run("oracle", "control"))
    table = _table(rows, runs, columns=columns)
    return {
        (row.title, column.title)
        for row in table.rows
        for column, cell in zip(table.columns, row.cells, strict=True)
        if cell.best
    }


def test_what_has_no_better_side_is_bold_only_where_the_report_says_what_is_good() -> None:
    assert _better({"metric": "std_jacobian"}, {"metric": "folds"}) == set()
    said = ({"metric": "std_jacobian", "better": "truth"}, {"metric": "folds", "better": "lower"})
    assert _better(*said) == {("B", "Std J"), ("A", "Folds")}
    assert _better(*said, oracle=False) == {("A", "Folds")}


@pytest.mark.parametrize(("load", "text"), [(0.0, "1.50"), (0.5, "1.50*")])
def test_a_wall_time_under_load_is_marked_and_cpu_seconds_stand_beside(
    load: float, text: str
) -> None:
    rows = _rows("a", [80, 90])
    for case in ("c0", "c1"):
        rows += [("a", case, "register_load", "", 1 + load, "ok")]
        rows += [("a", case, "register_lost", "", load, "ok")]
        rows += [("a", case, "register_cpu_s", "", 0.75, "ok")]
    columns = ({"fact": "time_cpu"}, {"fact": "cpu_seconds"})
    table = _table(rows, [_run("a")], columns=columns)
    assert [cell.text for cell in table.rows[0].cells] == [text, "0.75"]
    frame = pd.read_csv(io.StringIO(to_csv(table)))
    assert frame["Time CPU (s)"].tolist() == [1.5] and frame["Time CPU (s) n"].tolist() == [2]
    assert any(note.startswith("* taken under load") for note in table.notes) == (load > 0)
    assert any(f"other work while a case ran: A {1 + load}" in note for note in table.notes)
    assert any("wall seconds" in note for note in table.notes)


def test_the_seconds_of_each_device_are_told_apart() -> None:
    """One case ran on a GPU, the other on the processor."""
    rows = [*_rows("a", [80, 90]), ("a", "c1", "register_gpu_s", "", 2.0, "ok")]
    columns = ({"fact": "time_gpu"}, {"fact": "time_cpu"})
    table = _table(rows, [_run("a")], columns=columns)
    assert [cell.text for cell in table.rows[0].cells] == ["2.00 (n=1)", "1.00 (n=1)"]


def test_the_spread_between_seeds_has_its_own_column() -> None:
    values = [
        *(("a", case, "dice", "liver", dice, "ok", 0) for case, dice in (("c0", 80), ("c1", 90))),
        *(("a", case, "dice", "liver", dice, "ok", 1) for case, dice in (("c0", 84), ("c1", 90))),
        *(("b", case, "dice", "liver", 70.0, "ok", 0) for case in ("c0", "c1")),
        *(
            (r, c, "register_s", "", 1.0, "ok", s)
            for r in "ab"
            for c in ("c0", "c1")
            for s in (0, 1)
        ),
    ]
    columns = ({"metric": "dice"}, {"spread": "dice"}, {"fact": "cases"})
    table = _table(values, [_run("a", seeds=(0, 1)), _run("b")], columns=columns)
    # Seed means 85 and 87; over cases, the means over seeds are 82 and 90.
    assert _cell(table, "A", "Dice between seeds (%)").text == "1.41"
    assert _cell(table, "A", "Dice liver (%)").text == "86.00±5.66"
    assert _cell(table, "B", "Dice between seeds (%)").text == "-"
    # With one seed there is no such column.
    table = _table([v for v in values if v[6] == 0], [_run("b")], columns=columns)
    assert [c.title for c in table.columns] == ["Dice liver (%)", "Cases"]


def test_given_weights_name_all_of_their_seeds() -> None:
    given = {"settings": {"checkpoint": "reference"}, "origin": {"steps": 4, "seed": 0}}
    runs = [{**_run("a", "learned", (0, 2)), **given}, {**_run("b", "learned"), **given}]
    notes = _table([*_rows("a", [80, 90]), *_rows("b", [80, 90])], runs).notes
    told = [note.split(": ", 1)[1] for note in notes if "not trained here" in note]
    assert told == ["reference (steps 4, seed 0, and of seed 2)", "reference (steps 4, seed 0)"]


def test_a_failed_case_leaves_no_spread() -> None:
    frame = _frame([("a", "c0", "dice", "liver", 80.0, "ok", s) for s in (0, 1)])
    assert seed_spread(frame, [0, 1], 1) == 0
    assert math.isnan(seed_spread(frame, [0, 1], 2))
    assert math.isnan(seed_spread(frame, [0], 1))
