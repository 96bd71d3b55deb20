"""Boxes, accuracy against time, learning curves: what is drawn, as numbers and as pictures."""

import math
from dataclasses import replace
from itertools import combinations
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import pandas as pd
import pytest
from helpers import REPOSITORY, kind_module, one_line

from regbench.base.errors import BadInput
from regbench.plugins.catalog import discover
from regbench.plugins.kinds import ReportPlugin
from regbench.reports.charts import Chart, Series, draw
from regbench.reports.drawing import METHODS, fitted, method_marks, organ_colours, pictures
from regbench.reports.model import Table
from regbench.reports.request import Drawing, Request
from regbench.reports.results import Results

cliques = kind_module("critical_difference").cliques
tradeoff = kind_module("tradeoff")
CATALOG = discover(REPOSITORY)
METRICS = CATALOG.metrics


def _run(title: str, kind: str = "learned") -> SimpleNamespace:
    return SimpleNamespace(title=title, method=SimpleNamespace(title=title, kind=kind))


CONFIG: Any = SimpleNamespace(name="toy", catalog=CATALOG, runs=[_run("A"), _run("B")])
DICE = {"a": [80.0, 90.0, 85.0], "b": [70.0, math.nan, 71.0]}


def _report(kind: str, **content: Any) -> ReportPlugin:
    return ReportPlugin("r", "R", kind, None, "", (), (), Path("r.yaml"), content)


def _results() -> Results:
    rows = []
    for run, values in DICE.items():
        for i, value in enumerate(values):
            status = "failed: no luck" if math.isnan(value) else "ok"
            rows.append(["t", run, 0, f"c{i}", "dice", "liver", value, status])
            rows.append(["t", run, 0, f"c{i}", "dice", "spleen", value - 10, status])
            rows.append(["t", run, 0, f"c{i}", "register_s", "", 1.0 + i, status])
    names = ["task", "run", "seed", "case", "metric", "label", "value", "status"]
    task = {
        **dict.fromkeys(("title", "data", "dataset", "fixed", "moving", "split"), "x"),
        **{"synthetic": False, "version": 1, "settings": {}, "interpolation": "nearest"},
        **{"cases": 3, "training": 0, "validation": 0, "labels": {"liver": [1], "spleen": [2]}},
    }
    runs = [
        {"task": "t", "run": run, "method": run, "title": run.upper(), "kind": "learned"}
        | {"seeds": [0], "settings": {"checkpoint": "x"}, "threads": 1}
        for run in DICE
    ]
    facts = {"config": "toy", "tasks": {"t": task}, "runs": runs, "seeds": [0]}
    frame = pd.DataFrame(rows, columns=names)
    return Results.of(frame, facts | {"timing": "shared", "hardware": "an abacus"})


def _build(report: ReportPlugin, results: Results) -> Table:
    request = Request(CONFIG, report, None)
    # As if it had been read.
    vars(request)["results"] = results
    made = request.build()
    assert isinstance(made, Drawing)
    return made.table


def _texts(table: Table) -> list[list[str]]:
    return [[row.title, *(cell.text for cell in row.cells)] for row in table.rows]


def test_a_box_for_every_organ_and_method() -> None:
    results = _results()
    assert _texts(_build(_report("boxes", metric="dice"), results)) == [
        ["A", "x: liver", "82.50", "85.00", "87.50", "3"],
        ["B (n=2/3)", "x: liver", "70.25", "70.50", "70.75", "2"],
        ["A", "x: spleen", "72.50", "75.00", "77.50", "3"],
        ["B (n=2/3)", "x: spleen", "60.25", "60.50", "60.75", "2"],
    ]
    with pytest.raises(BadInput) as error:
        _build(_report("boxes", metric="dize"), results)
    one_line(error.value, "'dize'", "r.yaml")


def test_the_cost_is_cpu_seconds_or_said_to_be_wall_seconds_of_a_gpu() -> None:
    results = _results()
    wall = results.frame[results.frame["metric"] == "register_s"]
    assert _texts(_build(_report("tradeoff", metric="dice"), results)) == []
    worked = wall.assign(metric="register_cpu_s", value=3.0)
    results = replace(results, frame=pd.concat([results.frame, worked]))
    report = _report("tradeoff", metric="dice")
    shown = _texts(_build(report, results))
    assert [row[:4] for row in shown] == [
        ["A", "x", "3.00", "80.00"],
        ["B (n=2/3)", "x", "3.00", "65.50"],
    ]
    # The interval holds the mean.
    assert float(shown[0][4]) < 80 < float(shown[0][5])
    on_gpu = worked[worked["run"] == next(r.run for r in results.runs if r.title == "A")].assign(
        metric="register_gpu_s", value=0.1
    )
    results = replace(results, frame=pd.concat([results.frame, on_gpu]))
    assert _texts(_build(report, results))[0][:3] == ["A (GPU, wall)", "x", "0.10"]


@pytest.mark.parametrize("kind", ["boxes", "tradeoff", "learning", "forest"])
def test_the_picture_is_the_same_bytes_for_the_same_numbers(kind: str) -> None:
    series = tuple(Series(f"$m_{i} & <{i}>", (1.0, 2.0), (3.0, i)) for i in range(12))
    point = tuple(Series(s.name, s.x[:1], s.y[:1]) for s in series)
    chart = Chart("t", "x", "y", point if kind in ("tradeoff", "forest") else series, ("Z",))
    marks = method_marks(CONFIG, [s.name for s in series])
    style = kind_module(kind).STYLE
    made: list[dict[str, bytes]] = []
    # In either order: of one figure.
    orders = (("png", "pdf"), ("pdf", "png"))
    for picture, order in ((pictures(lambda: draw([chart], style, marks)), o) for o in orders):
        made.append({ending: picture(ending) for ending in order})
    assert made[0] == made[1]
    assert made[0]["png"].startswith(b"\x89PNG") and made[0]["pdf"].startswith(b"%PDF")
    assert made[0]["png"] != pictures(lambda: draw([], style, marks))("png")


@pytest.mark.parametrize(
    ("low", "high", "ticks"),
    [
        (0.009, 5000.0, [0.01, 1.0, 100.0]),
        (0.05, 20.0, [0.1, 1.0, 10.0]),
        (0.3, 4.0, [0.3, 1.0, 3.0]),
        (2.1e-4, 5.1e-4, [2.5e-4, 3.5e-4, 4.5e-4]),
        (1.01, 1.02, [1.01, 1.02]),
    ],
)
def test_ticks_of_a_time_axis_are_few_and_round(
    low: float, high: float, ticks: list[float]
) -> None:
    assert tradeoff.log_ticks(low, high) == ticks


def test_a_method_has_one_mark_whatever_is_drawn_beside_it() -> None:
    names = [f"m{i}" for i in range(30)]
    config: Any = SimpleNamespace(runs=[_run("Moving", "control"), *map(_run, names)])
    marks = method_marks(config, ["m3", "new", "Moving"])
    assert len({(m.colour, m.marker) for m in marks.values()}) == 32
    assert {marks[name] for name in ("m3",)} == {method_marks(config)["m3"]}
    assert marks["Moving"].colour not in METHODS
    # A title with settings and the bare one of a sweep are one method.
    item = SimpleNamespace(title="V (a=1)", method=SimpleNamespace(title="V", kind="learned"))
    one = method_marks(SimpleNamespace(runs=[_run("U"), item]))  # type: ignore[arg-type]
    assert one["V"] == one["V (a=1)"] != one["U"]


#: Machado, Oliveira and Fernandes (2009), severity 1: what is left of linear RGB.
_SEEN = {
    "all": [[1, 0, 0], [0, 1, 0], [0, 0, 1]],
    "protanopia": [
        [0.152286, 1.052583, -0.204868],
        [0.114503, 0.786281, 0.099216],
        [-0.003882, -0.048116, 1.051998],
    ],
    "deuteranopia": [
        [0.367322, 0.860646, -0.227968],
        [0.280085, 0.672501, 0.047413],
        [-0.011820, 0.042940, 0.968881],
    ],
    "tritanopia": [
        [1.255528, -0.076749, -0.178779],
        [-0.078411, 0.930809, 0.147602],
        [0.004733, 0.691367, 0.303900],
    ],
}


def _lab(colour: str, seen: str) -> np.ndarray:
    """CIE Lab (D65) of a colour as it is seen."""
    rgb = np.array([int(colour[k : k + 2], 16) for k in (1, 3, 5)]) / 255
    linear = np.where(rgb <= 0.04045, rgb / 12.92, ((rgb + 0.055) / 1.055) ** 2.4)
    linear = np.clip(np.array(_SEEN[seen]) @ linear, 0, 1)
    to_xyz = [[0.4124, 0.3576, 0.1805], [0.2126, 0.7152, 0.0722], [0.0193, 0.1192, 0.9505]]
    x, y, z = np.cbrt(np.array(to_xyz) @ linear / [0.9505, 1.0, 1.089])
    return np.array([116 * y - 16, 500 * (x - y), 200 * (y - z)])


@pytest.mark.parametrize("seen", _SEEN)
def test_organs_and_the_arrow_are_told_apart_with_every_kind_of_colour_vision(seen: str) -> None:
    drawn = [*organ_colours(["liver", "kidney", "spleen"]), "#ffffff"]
    apart = [
        float(np.linalg.norm(_lab(a, seen) - _lab(b, seen))) for a, b in combinations(drawn, 2)
    ]
    # About 2 is just noticeable; the paper's red and green are 10 apart with deuteranopia.
    assert min(apart) > 20
    assert all(np.linalg.norm(_lab(c, seen) - _lab("#808080", seen)) > 30 for c in drawn)


def test_a_forest_has_paired_differences_and_names_what_is_missing() -> None:
    table = _build(_report("forest", metric="dice", reference="a"), _results())
    ((title, chart, mean, low, high, cases),) = _texts(table)
    # Cases 0 and 2: 70 - 80 and 71 - 85, the same for both organs.
    assert (title, chart, mean, cases) == ("B (n=2/3)", "x", "-12.00", "2")
    assert -14 <= float(low) <= -12 <= float(high) <= -10
    nothing = _results()
    nothing = replace(nothing, frame=nothing.frame[nothing.frame["run"] != "b"])
    table = _build(_report("boxes", metric="dice"), nothing)
    assert "x: liver: no value of B" in table.notes


def test_ranks_are_of_complete_methods_and_others_are_named() -> None:
    table = _build(_report("critical_difference", metric="dice"), _results())
    assert _texts(table) == [["A", "x", "1.00", "3"]]
    assert "x: no value of B (n=2/3)" in table.notes


def test_bars_join_what_cannot_be_told_apart() -> None:
    assert cliques([1.0, 1.5, 2.2, 4.0], 1.0) == [(0, 1), (1, 2)]
    assert cliques([1.0, 1.5, 1.9, 4.0], 1.0) == [(0, 2)]
    assert cliques([1.0, 3.0], 1.0) == [] and cliques([1.0, 1.1], math.nan) == []


def test_the_frontier_is_what_nothing_outdoes() -> None:
    points = [(2.0, 80.0), (1.0, 70.0), (3.0, 79.0), (0.5, 60.0), (1.0, 75.0)]
    assert tradeoff.frontier(points) == [(0.5, 60.0), (1.0, 75.0), (2.0, 80.0)]


def test_an_organ_has_one_colour() -> None:
    kidney, again, spleen, *bones = organ_colours(["left kidney", "Kidney", "spleen", "a", "b"])
    assert kidney == again != spleen and len({spleen, *bones}) == 3
    assert organ_colours(["liver"], "paper") != organ_colours(["liver"])


def test_a_name_too_long_for_its_picture_loses_its_middle() -> None:
    assert fitted("SyN", 1.0, 10) == "SyN"
    cut = fitted("VM-2 (precision=fp32, steps=4)", 1.0, 10)
    assert cut == "VM-2 (\u2026eps=4)"
