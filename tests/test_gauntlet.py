"""The gauntlet: every metric gives the known answer, and a broken one is seen."""

import math
from typing import Any

import pytest
from helpers import kind_module
from report_rows import CATALOG, request

from regbench.plugins.loading import load_metric
from regbench.reports.formats import to_csv, to_html, to_latex, to_markdown

gauntlet = kind_module("gauntlet")
FUNCTIONS = {name: load_metric(metric) for name, metric in CATALOG.metrics.items()}


def table(functions: dict[str, Any]) -> Any:
    return gauntlet.build_gauntlet(request(CATALOG.reports["gauntlet"]), functions)


def test_every_metric_of_our_own_is_asked_and_right() -> None:
    found = table(FUNCTIONS)
    wrong = [(r.title, [c.text for c in r.cells]) for r in found.rows if r.cells[-1].text != "ok"]
    assert wrong == []
    own = {name for name in CATALOG.metrics if not name.startswith(("l2r_", "objective_"))}
    assert {row.cells[0].text for row in found.rows} >= own
    assert found.notes[0].startswith(f"{len(found.rows)} of {len(found.rows)} ")


@pytest.mark.parametrize(
    ("metric", "factor", "offset"), [("dice", 0.5, 0), ("asd", 10, 0), ("folds", 1, 1)]
)
def test_a_broken_metric_is_seen(metric: str, factor: float, offset: float) -> None:
    whole = FUNCTIONS[metric]
    broken = {metric: lambda view: factor * whole(view) + offset}
    assert any(row.cells[-1].text == "WRONG" for row in table(broken).rows)


def test_where_there_is_no_answer_none_must_be_given() -> None:
    check = gauntlet.Check("empty", "dice", None, math.nan)
    assert gauntlet.passes(check, math.nan)
    assert not gauntlet.passes(check, 0.0)


def test_the_surface_distance_package_agrees() -> None:
    assert "surface_distance" in gauntlet.installed()
    found = table({name: FUNCTIONS[name] for name in ("asd", "hd95", "dice")})
    at = [column.title for column in found.columns].index("surface-distance")
    both = [(row.cells[2].text, row.cells[at].text) for row in found.rows]
    numbers = [(a, b) for a, b in both if a != "nan"]
    assert len(numbers) > 20
    assert all(a == b for a, b in numbers)


@pytest.mark.parametrize("write", [to_csv, to_markdown, to_latex, to_html])
def test_its_first_column_is_the_case(write: Any) -> None:
    text = write(table({"dice": FUNCTIONS["dice"]}))
    assert "Case" in text and "Method" not in text
