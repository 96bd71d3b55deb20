"""Many methods on the same cases: mean ranks, Friedman's test and Nemenyi's comparison."""

import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import pandas as pd
from scikit_posthocs import posthoc_nemenyi_friedman
from scipy.stats import friedmanchisquare, studentized_range

#: With fewer cases or methods Friedman's test is not made.
FEWEST_CASES = 5
FEWEST_METHODS = 3
LEVEL = 0.05


@dataclass(frozen=True)
class Ranking:
    """Mean ranks of methods over cases; 1 is best, ties share their mean rank.

    Attributes:
        ranks: method to its mean rank.
        n: cases.
        friedman_p: of Friedman's test that all methods are alike; nan if it was not made.
        nemenyi_p: methods by methods, the p of each pair; None if the test was not made.
        critical_difference: mean ranks further apart than this differ at the level 0.05; nan if
            the test was not made.
    """

    ranks: pd.Series
    n: int
    friedman_p: float = math.nan
    nemenyi_p: pd.DataFrame | None = None
    critical_difference: float = math.nan


def rank_in_cases(values: pd.DataFrame, *, higher: bool) -> pd.DataFrame:
    """Ranks within each case.

    Args:
        values: one row for each case, one column for each method, no value missing.
        higher: whether the highest value is best, rank 1.
    """
    return values.rank(axis=1, ascending=not higher)


def rank_methods(ranks: pd.DataFrame) -> Ranking:
    """Mean ranks, with the tests if there are enough cases and methods.

    Args:
        ranks: from `rank_in_cases`: one row for each case, one column for each method.

    Source: Demsar, Journal of Machine Learning Research 7 (2006) 1-30.
    """
    n, k = ranks.shape
    means = ranks.mean()
    alike = bool((ranks.nunique(axis=1) == 1).all())
    if n < FEWEST_CASES or k < FEWEST_METHODS or alike:
        return Ranking(means, n)
    overall = friedmanchisquare(*(ranks[name] for name in ranks)).pvalue
    pairs = posthoc_nemenyi_friedman(ranks.to_numpy())
    pairs.index = pairs.columns = ranks.columns
    return Ranking(means, n, float(overall), pairs, critical_difference(n, k))


def critical_difference(n: int, k: int) -> float:
    """The difference above which mean ranks of k methods over n cases differ (Nemenyi, 0.05)."""
    quantile = studentized_range.ppf(1 - LEVEL, k, np.inf) / math.sqrt(2)
    return float(quantile * math.sqrt(k * (k + 1) / (6 * n)))


def rank_over_metrics(tables: Sequence[pd.DataFrame]) -> pd.DataFrame:
    """Ranks within each case, from the mean of the case's ranks over metrics.

    The case stays the unit: a case with five metrics is one case, not five.

    Args:
        tables: one or more, a table for each metric, with one row for each case and one column for
            each method. Cases and methods that a table lacks are left out.
    """
    cases = sorted(set.intersection(*(set(table.index) for table in tables)))
    methods = [m for m in tables[0] if all(m in table for table in tables)]
    # Ranked again among the remaining methods.
    common = [table.loc[cases, methods].rank(axis=1) for table in tables]
    mean = sum(common[1:], start=common[0]) / len(common)
    return rank_in_cases(mean.round(9), higher=False)
