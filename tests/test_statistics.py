"""Paired comparisons and rankings: known answers, small n, missing cases, the two reports."""

import math
from dataclasses import replace
from typing import Any

import numpy as np
import pandas as pd
import pytest
from helpers import kind_module, one_line
from report_rows import built, by_title, make_report, results, statistics_table

from regbench.base.errors import BadInput
from regbench.plugins.kinds import ReportPlugin
from regbench.reports.formats import to_csv
from regbench.reports.reference import pick_reference
from regbench.reports.results import RunFacts
from regbench.statistics import (
    Comparison,
    compare,
    critical_difference,
    rank_in_cases,
    rank_methods,
    rank_over_metrics,
)

_kind = kind_module("statistics")
holm, verdict = _kind.holm, _kind.verdict
# -- pairs ------------------------------------------------------------------------------------


def test_ten_differences_of_one_sign_reach_the_smallest_p() -> None:
    found = compare(np.arange(1.0, 11.0))
    assert found.p == found.smallest_p == 2 / 2**10
    assert (found.effect, found.greater, found.smaller, found.mean) == (1, 10, 0, 5.5)
    assert 1 < found.low < 5.5 < found.high < 10


def test_the_effect_is_the_difference_of_the_shares_of_the_rank_sum() -> None:
    # Ranks 1 to 4; the positive ones have 1 and 4 of 10.
    assert compare([1.0, -2.0, -3.0, 4.0]).effect == pytest.approx(0.0)
    assert compare([-1.0, 2.0, 3.0, 4.0]).effect == pytest.approx(0.8)
    mirrored = compare([1.0, -2.0, -3.0, -4.0])
    assert mirrored.effect == pytest.approx(-0.8)
    assert mirrored.p == compare([-1.0, 2.0, 3.0, 4.0]).p == pytest.approx(2 * 2 / 2**4)


def test_tied_differences_are_tested_exactly() -> None:
    """Five equal differences: two of the 32 patterns of signs are as extreme."""
    assert compare([2.0] * 5 + [0.0] * 3).p == pytest.approx(2 / 32)
    # 0.1 + 0.2 is not 0.3 in floating point, but a tie all the same.
    assert compare([0.1 + 0.2, 0.3, -0.3]).p == pytest.approx(1.0)


def test_small_and_degenerate_samples_have_no_test_and_no_traceback() -> None:
    assert compare([]) == Comparison(0)
    one = compare([3.0])
    assert (one.n, one.mean) == (1, 3)
    assert all(math.isnan(x) for x in (one.low, one.p, one.smallest_p, one.effect))
    same = compare([0.0] * 4)
    assert (same.low, same.high, same.greater, same.smaller) == (0, 0, 0, 0)
    assert math.isnan(same.p) and math.isnan(same.effect)
    constant = compare([-1.5] * 4)
    assert (constant.low, constant.high, constant.effect) == (-1.5, -1.5, -1)
    assert constant.p == pytest.approx(2 / 2**4)


def test_the_interval_is_the_same_each_time() -> None:
    sample = np.random.default_rng(7).normal(1.0, 1.0, 20)
    assert compare(sample, resamples=500) == compare(sample, resamples=500)


def test_holm_is_holm_s_and_leaves_out_what_was_not_tested() -> None:
    assert holm([0.01, 0.04, 0.03]) == pytest.approx([0.03, 0.06, 0.06])
    found = holm([0.02, math.nan, 0.03])
    assert found[0] == pytest.approx(0.04) and found[2] == pytest.approx(0.04)
    assert math.isnan(found[1])
    assert holm([]) == []


def test_too_few_cases_are_not_called_alike() -> None:
    four = compare([1.0, 2.0, 3.0, 4.0])
    assert four.smallest_p == 0.125
    assert verdict(four, four.p, 1, "higher") == "too few cases"
    ten = compare([1.0, -2.0, 3.0, -4.0, 5.0, -6.0, 7.0, -8.0, 9.0, -10.0])
    assert verdict(ten, ten.p, 1, "higher") == "not told apart"
    # Ten cases, but so many rows that Holm leaves none below the level.
    assert verdict(ten, 1.0, 30, "higher") == "too few cases"


# -- ranks ------------------------------------------------------------------------------------


def _grid(n: int = 6) -> pd.DataFrame:
    """A is best in each case, C worst."""
    cases = np.arange(n, dtype=float)
    return pd.DataFrame({"a": 90 + cases, "b": 80 + cases, "c": 70 + cases})


def test_ranks_follow_the_direction() -> None:
    up = rank_methods(rank_in_cases(_grid(), higher=True))
    assert dict(up.ranks) == {"a": 1, "b": 2, "c": 3}
    down = rank_methods(rank_in_cases(_grid(), higher=False))
    assert dict(down.ranks) == {"a": 3, "b": 2, "c": 1}
    # Chi-square of 12 with two degrees of freedom.
    assert up.friedman_p == pytest.approx(math.exp(-6))
    assert up.nemenyi_p is not None
    assert up.nemenyi_p.loc["a", "c"] < 0.05 < up.nemenyi_p.loc["a", "b"]


def test_the_critical_difference_is_that_of_the_books() -> None:
    """Demsar's Table 5: q of 5 methods is 2.728; 4 methods over 14 data sets give 1.25."""
    assert critical_difference(30, 5) == pytest.approx(2.728 * math.sqrt(30 / 180), abs=1e-3)
    assert critical_difference(14, 4) == pytest.approx(1.25, abs=0.01)


def test_few_cases_few_methods_and_ties_have_ranks_but_no_test() -> None:
    tied = pd.DataFrame(2.0, index=range(6), columns=list("abc"))
    for values in (_grid(4), _grid()[["a", "b"]], tied):
        found = rank_methods(rank_in_cases(values, higher=True))
        assert math.isnan(found.friedman_p) and found.nemenyi_p is None
        assert len(found.ranks) == values.shape[1]
    assert set(found.ranks) == {2.0}


def test_over_metrics_a_case_counts_once() -> None:
    first = rank_in_cases(_grid(), higher=True)
    second = rank_in_cases(_grid(), higher=False)
    merged = rank_over_metrics([first, first, second])
    assert merged.shape == (6, 3)
    assert rank_methods(merged).friedman_p == rank_methods(first).friedman_p
    # A method that one metric lacks is left out, the others are ranked anew.
    fewer = rank_over_metrics([first, second.drop(columns="a")])
    assert list(fewer) == ["b", "c"] and set(fewer.to_numpy().ravel()) == {1.5}
    # Its place between the others does not count.
    between = rank_in_cases(_grid()[["a", "c"]], higher=False)
    assert set(rank_over_metrics([first, between]).to_numpy().ravel()) == {1.5}


# -- the reports ------------------------------------------------------------------------------


UP = [80.0 + i for i in range(10)]


def test_a_row_says_how_much_how_sure_and_how_good() -> None:
    values = {"ref": UP, "good": [x + 1 + 0.1 * i for i, x in enumerate(UP)], "same": UP}
    rows = by_title(statistics_table(values, reference="ref"))
    assert set(rows) == {"GOOD", "SAME"}
    good = rows["GOOD"]
    assert (good["Difference"], good["Better"], good["Worse"]) == ("+1.45", "10", "0")
    assert good["Cases"] == "10/10"
    assert (good["p"], good["p (Holm)"], good["Smallest p"]) == ("0.002", "0.002", "0.002")
    assert (good["Effect"], good["Verdict"]) == ("+1.00", "better")
    assert rows["SAME"]["Verdict"] == "equal in every case"
    assert rows["SAME"]["p"] == "-"


def test_lower_is_better_where_the_metric_says_so() -> None:
    ref = [3.0] * 6
    values = {"ref": ref, "good": [2.0 - 0.1 * i for i in range(6)]}
    row = by_title(statistics_table(values, "epe", reference="ref", more={"epe": values}))["GOOD"]
    assert row["Difference"].startswith("-")
    assert (row["Better"], row["Worse"], row["Verdict"]) == ("6", "0", "better")


def test_missing_cases_are_counted_and_not_paired() -> None:
    nan = math.nan
    values = {"ref": [*UP[:9], nan], "half": [nan, *UP[1:]], "lost": [nan] * 10}
    rows = by_title(statistics_table(values, reference="ref"))
    assert rows["HALF"]["Cases"] == "8/10"
    assert rows["LOST"]["Verdict"] == "no common case"
    assert rows["LOST"]["Difference"] == "-"


def test_one_case_one_method_and_no_value_say_so() -> None:
    row = by_title(statistics_table({"ref": [80.0], "b": [81.0]}, reference="ref"))["B"]
    assert (row["Difference"], row["p"], row["Verdict"]) == ("+1.00", "-", "one case: no test")
    alone = statistics_table({"ref": UP}, reference="ref")
    assert alone.rows == ()
    assert any("alone" in note for note in alone.notes)
    empty = statistics_table({"a": [80.0], "b": [80.0]}, "tre")
    assert any("no case has a value of tre" in note for note in empty.notes)
    assert to_csv(empty).splitlines()[-1].startswith("Method,Task")


def test_the_reference_is_the_named_one_or_a_learned_one_or_no_control() -> None:
    def run(name: str, kind: str) -> RunFacts:
        rest: dict[str, Any] = {"task": "t", "title": name, "seeds": [0], "settings": {}}
        return RunFacts(run=f"{name}@x=1", method=name, kind=kind, threads=1, **rest)

    control, other = run("identity", "control"), run("syn", "optimisation")
    learned, wanted = run("vm-1", "learned"), run("f3rnet-mrb", "learned")
    everything = [control, other, learned, wanted]
    assert pick_reference(everything, "f3rnet-mrb") is wanted
    assert pick_reference(everything, "syn@x=1") is other
    assert pick_reference(everything[:3], "f3rnet-mrb") is learned
    assert pick_reference(everything[:2], "f3rnet-mrb") is other
    assert pick_reference([control], "f3rnet-mrb") is control
    assert pick_reference([], "f3rnet-mrb") is None
    table = statistics_table({"a": UP, "b": UP}, reference="absent")
    assert any("warning: task t has no absent: a stands in" in note for note in table.notes)


def test_a_method_left_out_is_neither_row_nor_reference() -> None:
    table = statistics_table({"oracle": UP, "a": UP, "b": UP}, without=["oracle"])
    assert list(by_title(table)) == ["B"]


def test_bad_reports_are_one_line() -> None:
    given = results({"a": UP})
    with pytest.raises(BadInput) as error:
        built(make_report(task="lung"), given)
    one_line(error.value, "'lung'", "one of t")
    with pytest.raises(BadInput) as error:
        built(make_report("ranking", "dize"), given)
    one_line(error.value, "'dize'")
    bad = make_report()
    with pytest.raises(BadInput) as error:
        built(
            ReportPlugin("r", "R", bad.kind, None, "", (), ({"fact": "cases"},), bad.file),
            given,
        )
    one_line(error.value, "metrics only", "r.yaml")


def test_the_ranking_is_best_first_and_without_controls() -> None:
    dice = {"identity": UP, "b": UP, "a": [x + 5 for x in UP], "c": [x - 5 for x in UP]}
    epe = {"identity": UP, "b": UP, "a": [x - 5 for x in UP], "c": [x + 5 for x in UP]}
    given = results(dice, epe=epe)
    table = built(make_report("ranking", "dice", "epe"), given)
    rows = by_title(table)
    assert list(rows) == ["A", "B", "C"]
    assert [row["All metrics"] for row in rows.values()] == ["1.00", "2.00", "3.00"]
    assert rows["A"]["p to the best"] == "-"
    assert float(rows["C"]["p to the best"]) < 0.05
    assert any("All metrics: 3 methods, 10 cases: Friedman p" in note for note in table.notes)
    assert table.rows[0].cells[1].best and not table.rows[1].cells[1].best


def test_a_method_that_misses_a_case_is_not_ranked_in_that_metric() -> None:
    dice = {"a": UP, "b": [x + 1 for x in UP], "c": [math.nan, *UP[1:]]}
    given = results(dice)
    table = built(make_report("ranking"), given)
    assert by_title(table)["C"]["Dice"] == "-"
    assert any("C has n=9 of 10 cases of dice: not ranked" in note for note in table.notes)
    assert any("no test" in note for note in table.notes)
    nothing = built(make_report("ranking", "tre"), given)
    assert nothing.rows == () and any("nothing to rank" in note for note in nothing.notes)


def test_a_metric_without_a_better_side_is_ranked_only_as_the_report_says() -> None:
    """The least std J is no merit: b is nearest to the true field in each case."""
    spread = {"oracle": [0.20] * 6, "a": [0.10] * 6, "b": [0.19] * 6, "c": [0.30] * 6}
    dice = dict.fromkeys(spread, UP[:6])
    given = results(dice, std_jacobian=spread)
    facts = [replace(r, kind="control") if r.run == "oracle" else r for r in given.runs]
    given = replace(given, runs=facts)
    plain = make_report("ranking", "dice", "std_jacobian")
    assert "Std J" not in by_title(built(plain, given))["A"]
    said = ({"metric": "dice"}, {"metric": "std_jacobian", "better": "truth"})
    rows = by_title(built(replace(plain, columns=said), given))
    assert {name: row["Std J"] for name, row in rows.items()} == {
        "B": "1.00",
        **dict.fromkeys("AC", "2.50"),
    }
    # Where the true field is not known, nothing is near to it.
    unknown = replace(given, runs=[run for run in facts if run.run != "oracle"])
    table = built(replace(plain, columns=said), unknown)
    assert {row["Std J"] for row in by_title(table).values()} == {"-"}
    assert any("no true field: std_jacobian is not ranked" in note for note in table.notes)


def test_a_tie_of_all_is_no_best_rank_and_cases_are_each_method_s_own() -> None:
    nan = math.nan
    table = built(make_report("ranking"), results({"a": UP, "b": UP, "c": [nan] * 10}))
    assert not any(cell.best for row in table.rows for cell in row.cells)
    assert {row: cells["Cases"] for row, cells in by_title(table).items()} == {
        **dict.fromkeys("AB", "10/10"),
        "C": "0/10",
    }
    assert any("C has no case of dice" in note for note in table.notes)
