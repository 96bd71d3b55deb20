"""Intervals, corrections and verdicts, where a nearby definition would give another answer."""

import math

import numpy as np
import pytest
from helpers import kind_module
from report_rows import by_title, statistics_table
from scipy.stats import binom, bootstrap, wilcoxon

from regbench.statistics import compare

_kind = kind_module("statistics")
holm, verdict = _kind.holm, _kind.verdict
#: Many small gains and one great loss: the ranks say gain, the mean says loss.
GAINS = [*np.arange(1.0, 20.0), -1000.0]


def skewed() -> np.ndarray:
    """Twenty values of a lognormal distribution, moved to about 0."""
    return np.random.default_rng(5).lognormal(0.0, 1.5, 20) - 2.0


def interval(values: np.ndarray, method: str, level: float) -> tuple[float, float]:
    settings = {"confidence_level": level, "method": method, "n_resamples": 9999}
    rng = np.random.default_rng(0)
    found = bootstrap((values,), np.mean, random_state=rng, **settings).confidence_interval
    return float(found.low), float(found.high)


def test_the_interval_is_scipy_s_bca_interval_at_95_percent() -> None:
    values = np.round(skewed(), 9)
    found = compare(skewed())
    assert (found.low, found.high) == pytest.approx(interval(values, "BCa", 0.95), rel=1e-9)
    # On such a sample neither of these is near it.
    for method, level in (("BCa", 0.9), ("percentile", 0.95), ("basic", 0.95)):
        other = interval(values, method, level)
        assert max(abs(found.low - other[0]), abs(found.high - other[1])) > 0.05


def test_beyond_a_thousand_cases_the_interval_is_1_96_standard_errors() -> None:
    values = np.random.default_rng(6).exponential(2.0, 1001)
    found = compare(values)
    half = 1.959964 * values.std(ddof=1) / math.sqrt(1001)
    assert found.low == pytest.approx(values.mean() - half, rel=1e-6)
    assert found.high == pytest.approx(values.mean() + half, rel=1e-6)


def test_the_interval_covers_as_often_as_it_says() -> None:
    """Of 200 intervals, in the range that holds 999 of 1000 counts at 95 %."""
    samples = np.random.default_rng(7).normal(1.0, 1.0, (200, 40))
    found = [compare(sample, resamples=999) for sample in samples]
    covered = sum(item.low <= 1 <= item.high for item in found)
    least, most = binom.ppf([0.0005, 0.9995], 200, 0.95)
    assert least <= covered <= most


def test_p_is_wilcoxon_s_two_sided_and_exact() -> None:
    values = skewed()
    expected = wilcoxon(values, alternative="two-sided", method="exact").pvalue
    assert compare(values).p == pytest.approx(float(expected), rel=1e-9)


def test_the_verdict_has_the_sign_of_the_ranks_and_not_of_the_mean() -> None:
    item = compare(GAINS)
    assert item.mean < 0 < item.effect and item.p < 0.01
    assert verdict(item, item.p, 1, "higher") == "better"
    assert verdict(item, item.p, 1, "lower") == "worse"
    assert verdict(item, item.p, 1, "none") == "higher"
    turned = compare([-x for x in GAINS])
    assert verdict(turned, turned.p, 1, "higher") == "worse"
    assert verdict(turned, turned.p, 1, "lower") == "better"
    assert verdict(turned, turned.p, 1, "none") == "lower"


def test_the_verdict_is_at_the_level_of_five_percent() -> None:
    item = compare(np.arange(1.0, 11.0))
    assert verdict(item, 0.0499, 1, "higher") == "better"
    assert verdict(item, 0.05, 1, "higher") == "not told apart"


def _rows(values: dict[str, list[float]]) -> dict[str, dict[str, str]]:
    return by_title(statistics_table(values, reference="ref"))


def test_the_rows_of_a_metric_are_corrected_together() -> None:
    # All ten differences of A have one sign, and so have those of B: 2 of 1024 patterns of signs
    # are as extreme. C's ranks 1 and 2 are negative: 10 patterns are. Holm: 3, 2 and 1 times p, and
    # never below a smaller p's.
    rising = [float(x) for x in range(1, 11)]
    some = [-1.0, -2.0, *rising[2:]]
    values = {"ref": [0.0] * 10, "a": rising, "b": [-x for x in rising], "c": some}
    rows = _rows(values)
    p = [compare(values[name]).p for name in "abc"]
    assert p[0] == p[1] == 2 / 1024 and p[2] == 10 / 1024
    assert [rows[name]["p"] for name in "ABC"] == ["0.002", "0.002", "0.010"]
    assert [rows[name]["p (Holm)"] for name in "ABC"] == ["0.006", "0.006", "0.010"]
    assert holm(p) == pytest.approx([6 / 1024, 6 / 1024, 10 / 1024])
    assert [rows[name]["Verdict"] for name in "ABC"] == ["better", "worse", "better"]


def test_a_difference_that_the_correction_takes_away_is_no_verdict() -> None:
    # Only rank 5 of ten is negative: 20 of 1024 patterns of signs are as extreme.
    some = [1.0, 2.0, 3.0, 4.0, -5.0, 6.0, 7.0, 8.0, 9.0, 10.0]
    values = {"ref": [0.0] * 10, "a": some, "b": some, "c": some}
    rows = _rows(values)
    assert compare(some).p < 0.05 < 3 * compare(some).p
    assert {row["Verdict"] for row in rows.values()} == {"not told apart"}


def test_the_table_s_verdict_is_that_of_the_ranks() -> None:
    row = _rows({"ref": [0.0] * 20, "a": GAINS})["A"]
    assert row["Difference"].startswith("-")
    assert (row["Better"], row["Worse"], row["Verdict"]) == ("19", "1", "better")
