"""Many methods on the same cases: average ranks, Friedman's test, Nemenyi's comparison."""

import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import pandas as pd
from scikit_posthocs import posthoc_nemenyi_friedman
from scipy.stats import friedmanchisquare, studentized_range

#: With fewer cases or methods Friedman's test says nothing.
FEWEST_CASES = 5
FEWEST_METHODS = 3
LEVEL = 0.05


@dataclass(frozen=True)
class Ranking:
    """Average ranks of methods over cases; 1 is best, ties share their mean rank.

    Attributes:
        ranks: method to its mean rank.
        n: cases.
        friedman_p: of Friedman's test that all methods are alike; nan where it was not made.
        nemenyi_p: methods by methods, each pair's p; None where it was not made.
        critical_difference: mean ranks further apart than this differ at the level 0.05; nan where
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
        values: a row a case, a column a method, no value missing.
        higher: whether the highest value is best, rank 1.
    """
    return values.rank(axis=1, ascending=not higher)


def rank_methods(ranks: pd.DataFrame) -> Ranking:
    """Mean ranks, and the tests where there are enough cases and methods.

    Args:
        ranks: a row a case, a column a method, as `rank_in_cases` gives them.

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
    """How far apart mean ranks of k methods over n cases must lie to differ (Nemenyi, 0.05)."""
    quantile = studentized_range.ppf(1 - LEVEL, k, np.inf) / math.sqrt(2)
    return float(quantile * math.sqrt(k * (k + 1) / (6 * n)))


def rank_over_metrics(tables: Sequence[pd.DataFrame]) -> pd.DataFrame:
    """Ranks within each case of the mean over metrics of the case's ranks.

    The case stays the unit: a case with five metrics is one case, not five.

    Args:
        tables: for each metric a row a case, a column a method; cases and methods that one of them
            lacks are left out. At least one.
    """
    cases = sorted(set.intersection(*(set(table.index) for table in tables)))
    methods = [m for m in tables[0] if all(m in table for table in tables)]
    # Ranked anew among the methods that are left.
    common = [table.loc[cases, methods].rank(axis=1) for table in tables]
    mean = sum(common[1:], start=common[0]) / len(common)
    return rank_in_cases(mean.round(9), higher=False)
