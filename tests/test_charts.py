"""Boxes, accuracy against time, learning curves: what is drawn, as numbers and as pictures."""

import math
from dataclasses import replace
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pandas as pd
import pytest
from helpers import REPOSITORY, one_line

from regbench.base.errors import BadInput
from regbench.plugins.catalog import discover
from regbench.plugins.kinds import ReportPlugin, report_kind
from regbench.reports.charts import Chart, Series, draw
from regbench.reports.kinds.tradeoff import log_ticks
from regbench.reports.model import Table
from regbench.reports.request import Request
from regbench.reports.results import Results

METRICS = discover(REPOSITORY).metrics
CONFIG: Any = SimpleNamespace(name="toy", catalog=SimpleNamespace(metrics=METRICS))
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
    table: Table = report_kind(report.kind).build(request).table
    return table


def _texts(table: Table) -> list[list[str]]:
    return [[row.title, *(cell.text for cell in row.cells)] for row in table.rows]


def test_a_box_for_every_organ_and_method() -> None:
    results = _results()
    assert _texts(_build(_report("boxes", metric="dice"), results)) == [
        ["A", "t: liver", "82.50", "85.00", "87.50", "3"],
        ["B", "t: liver", "70.25", "70.50", "70.75", "2"],
        ["A", "t: spleen", "72.50", "75.00", "77.50", "3"],
        ["B", "t: spleen", "60.25", "60.50", "60.75", "2"],
    ]
    with pytest.raises(BadInput) as error:
        _build(_report("boxes", metric="dize"), results)
    one_line(error.value, "'dize'", "r.yaml")


def test_time_is_the_best_kind_that_was_measured() -> None:
    results = _results()
    report = _report("tradeoff", metric="dice")
    assert _texts(_build(report, results)) == [
        ["A", "t", "2.00", "80.00"],
        ["B", "t", "2.00", "65.50"],
    ]
    alone = results.frame[results.frame["metric"] == "register_s"].head(1)
    extra = alone.assign(metric="register_alone_s", value=0.5)
    results = replace(results, frame=pd.concat([results.frame, extra]))
    assert _texts(_build(report, results))[0] == ["A", "t", "0.50", "80.00"]
    extra = alone.assign(metric="register_gpu_alone_s", value=0.1)
    results = replace(results, frame=pd.concat([results.frame, extra]))
    assert _texts(_build(report, results))[0] == ["A", "t", "0.10", "80.00"]


@pytest.mark.parametrize("kind", ["boxes", "tradeoff", "learning"])
def test_the_picture_is_the_same_bytes_for_the_same_numbers(kind: str) -> None:
    series = tuple(Series(f"$m_{i} & <{i}>", "learned", (1.0, 2.0), (3.0, i)) for i in range(12))
    point = tuple(Series(s.name, s.kind, s.x[:1], s.y[:1]) for s in series)
    chart = Chart("t", "x", "y", point if kind == "tradeoff" else series)
    style = report_kind(kind).STYLE
    for ending, start in (("png", b"\x89PNG"), ("pdf", b"%PDF")):
        first, second = (draw([chart], style, ending) for _ in range(2))
        assert first == second and first.startswith(start)
    assert draw([], style, "png") != draw([chart], style, "png")


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
    assert log_ticks(low, high) == ticks
