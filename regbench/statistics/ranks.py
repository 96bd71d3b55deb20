"""Many methods on the same cases: mean ranks, Friedman's test and Nemenyi's comparison."""

import math
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import combinations

import numpy as np
import pandas as pd
from numpy.typing import NDArray
from scipy.stats import friedmanchisquare, norm, rankdata, studentized_range

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
    # Here, not above: a light installation lacks it, and scores challenges.
    from scikit_posthocs import posthoc_nemenyi_friedman

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


def challenge_ranking(
    tables: Sequence[pd.DataFrame], *, resamples: int = 1000, seed: int = 0
) -> pd.DataFrame:
    """The teams of a challenge as Learn2Reg ranks them, and how stable their ranks are.

    In each metric, the number of teams that a team beats in Wilcoxon's rank-sum test gives it 0.1
    (last) to 1; ties share their mean. Its score is the geometric mean over metrics. Beyond the
    challenge, teams of one score are ordered by their mean rank over cases (`rank_over_metrics`).

    Args:
        tables: one for each metric, a row for each sample (levels case and label), a column for
            each team; higher is better, -inf is a failure.
        resamples, seed: of the cases, with replacement.

    Returns:
        a row for each team: score, mean_rank, rank (1 is best), stability (share of the resamples
        in which it has this rank), low and high (95 % interval of its ranks).

    Source: MDL-UzL/L2R, ranking_utils.py; Hering et al., IEEE TMI 42 (2023) 697-712.
    """
    cases = sorted({case for table in tables for case, _ in table.index})
    drawn = np.random.default_rng(seed).integers(len(cases), size=(resamples, len(cases)))
    # How often each case counts: once in the ranking itself, the first row.
    counts = np.stack(
        [np.bincount(row, minlength=len(cases)) for row in [np.arange(len(cases)), *drawn]]
    )
    scores = [
        _scores(table, counts[:, [cases.index(c) for c, _ in table.index]]) for table in tables
    ]
    score = np.exp(np.mean(np.log(scores), axis=0)).round(9)
    means = [table.groupby(level=0).mean().reindex(cases, fill_value=0.0) for table in tables]
    ranks = rank_over_metrics([rank_in_cases(table, higher=True) for table in means])
    mean = (counts @ ranks.to_numpy() / len(cases)).round(9)
    equal = score[:, None] == score[..., None]
    ahead = (score[:, None] > score[..., None]) | (equal & (mean[:, None] < mean[..., None]))
    place = 1 + ahead.sum(axis=2)
    low, high = np.percentile(place[1:], (2.5, 97.5), axis=0, method="inverted_cdf")
    found = {"score": score[0], "mean_rank": mean[0], "rank": place[0], "low": low, "high": high}
    found["stability"] = (place[1:] == place[0]).mean(axis=0)
    return pd.DataFrame(found, index=tables[0].columns)


def _scores(table: pd.DataFrame, weights: NDArray) -> NDArray:
    """Scores (R, teams) in one metric; `weights` (R, samples) is how often each sample counts."""
    # Ranks, since infinities cannot be subtracted.
    values = rankdata(table.to_numpy(), axis=None).reshape(table.shape)
    teams, size = table.shape[1], np.maximum(weights.sum(axis=1), 1)
    won = np.zeros((len(weights), teams))
    for one, other in combinations(range(teams), 2):
        above = (np.sign(values[:, None, one] - values[None, :, other]) + 1) / 2
        # Mann and Whitney's U, as a normal deviate.
        u = np.einsum("rs,rs->r", weights @ above, weights)
        z = (u - size**2 / 2) / np.sqrt(size**2 * (2 * size + 1) / 12)
        won[:, one] += z > norm.ppf(1 - LEVEL / 2)
        won[:, other] += z < norm.ppf(LEVEL / 2)
    ranks: NDArray = rankdata(won, axis=1)
    return 0.1 + 0.9 * (ranks - 1) / max(teams - 1, 1)
