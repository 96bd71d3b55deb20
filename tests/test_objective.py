"""The audit of the objective: its arithmetic, what is missing, and fields that another run made."""

import math
from dataclasses import replace
from types import SimpleNamespace
from typing import Any

import pytest
from helpers import kind_module, one_line
from report_rows import CATALOG, make_report, request, results

from regbench.base.errors import BadInput
from regbench.reports.jobs import ReportJobs
from regbench.reports.model import Table
from regbench.reports.results import Results

objective = kind_module("objective")
NAN = math.nan
LOSS = objective.METRICS
#: Two pairs: unregistered 0.10 and 0.20; the truth gains 0.02 and 0.06 for a smoothness of 0.01.
SIMILARITY = {
    "identity": [0.10, 0.20],
    "oracle": [0.08, 0.14],
    "deeds": [0.07, 0.15],
    "direct-dense": [0.05, NAN],
}
SMOOTHNESS = {
    "identity": [0.0, 0.0],
    "oracle": [0.01, 0.01],
    "deeds": [0.02, 0.02],
    "direct-dense": [0.04, NAN],
}


def made(leave_out: str = "", **changes: Any) -> Results:
    keep = [name for name in SIMILARITY if name != leave_out]
    tables = {
        name: {
            run: changes.get(run, values[run]) if name == LOSS[0] else values[run] for run in keep
        }
        for name, values in zip(LOSS, (SIMILARITY, SMOOTHNESS), strict=True)
    }
    given = results({run: [80.0, 90.0] for run in keep}, **tables)
    runs = [
        replace(run, settings={"lambda": 3.0} if run.method == "direct-dense" else {})
        for run in given.runs
    ]
    return replace(given, runs=runs)


def audit(given: Results, *metrics: str) -> Table:
    report = make_report("objective", reference="deeds")
    table: Table = objective.build(request(report, given, *LOSS, *metrics)).table
    return table


def rows(table: Table, pair: str) -> dict[str, dict[str, str]]:
    titles = [column.title for column in table.columns]
    at = titles.index("Pair")
    found = [row for row in table.rows if row.cells[at].text == pair]
    return {
        row.title: dict(zip(titles, (cell.text for cell in row.cells), strict=True))
        for row in found
    }


def test_break_even_and_loss_of_a_pair() -> None:
    first = rows(audit(made(), "dice"), "c0")
    assert first["ORACLE"] == {
        **{"Task": "t", "Pair": "c0", "Similarity": "0.0800", "Smoothness": "0.0100"},
        # (0.10 - 0.08) / 0.01, and 0.08 + 3 * 0.01.
        **{"Break-even lambda": "2.00", "Loss (lambda 3)": "0.1100"},
        **{"Over the reference (lambda 3)": "0.0000", "Dice (%)": "80.00"},
    }
    assert first["IDENTITY"]["Break-even lambda"] == "-"
    assert first["DEEDS"]["Over the reference (lambda 3)"] == "0.0200"
    # 0.05 + 3 * 0.04 against 0.11.
    assert first["DIRECT-DENSE"]["Over the reference (lambda 3)"] == "0.0600"


def test_means_are_over_pairs_and_a_missing_pair_is_told() -> None:
    table = audit(made())
    mean = rows(table, "2 pairs")
    assert mean["ORACLE"]["Break-even lambda"] == "4.00±2.83"
    assert mean["DIRECT-DENSE"]["Similarity"] == "0.0500 (n=1)"
    assert rows(table, "c1")["DIRECT-DENSE"]["Loss (lambda 3)"] == "-"
    # At lambda 3 the truth of the first pair costs more than no registration (2 < 3 < 6).
    assert table.notes[:2] == (
        "task t: the reference is ORACLE",
        "task t: pairs in which the loss prefers the reference to no registration: 1/2 at 3;"
        " break-even lambda 2.00 to 6.00",
    )


def test_a_reference_of_a_like_objective_is_marked() -> None:
    table = audit(made("oracle"))
    assert table.notes[0].startswith("task t: the reference is DEEDS: it minimises a measure of")
    assert CATALOG.methods["deeds"].objective == "self-similarity"
    assert CATALOG.methods["vm-2"].objective == "training"
    assert not CATALOG.methods["syn"].objective
    partly = audit(made("oracle", deeds=[NAN, 0.15]))
    assert "task t: no reference of c0" in partly.notes
    assert rows(partly, "c0")["IDENTITY"]["Over the reference (lambda 3)"] == "-"


@pytest.mark.parametrize("absent", ["identity", "deeds", "direct-dense", "oracle"])
def test_the_report_renders_without_each_run(absent: str) -> None:
    drawing = objective.build(
        request(make_report("objective", reference="deeds"), made(absent), *LOSS)
    )
    assert drawing.picture("png").startswith(b"\x89PNG")
    titles = [column.title for column in drawing.table.columns]
    assert ("Break-even lambda" in titles) == (absent != "identity")
    # Without a method that minimises the loss: the engine's default.
    assert ("Loss (lambda 0.3)" in titles) == (absent == "direct-dense")


def test_nothing_known_is_said_not_raised() -> None:
    given = made("oracle", deeds=[NAN, NAN])
    table = audit(given)
    assert table.notes[0] == ("warning: task t has no reference: no true field, no field of deeds")
    assert not any("Over the reference" in column.title for column in table.columns)
    empty = audit(replace(given, frame=given.frame[given.frame["metric"] == "dice"]))
    assert empty.rows == () and empty.notes[0].startswith("warning: task t has no reference")


def test_it_is_rendered_only_where_its_metrics_are_measured() -> None:
    report = replace(CATALOG.reports["objective"])
    catalog = replace(CATALOG, reports={report.id: report})
    config: Any = SimpleNamespace(name="toy", catalog=catalog, tasks={"t": None}, raw={})
    config.metrics = ("dice", *LOSS)
    assert "reports/objective.png" in ReportJobs(config).wanted()
    config.metrics = ("dice", LOSS[0])
    assert ReportJobs(config).wanted() == []
    with pytest.raises(BadInput) as error:
        ReportJobs(config).inputs("objective")
    one_line(error.value, "objective_smoothness", "'toy' does not name")
