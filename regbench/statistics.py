"""Comparing methods on the same cases: pure functions of numbers, the case as the unit.

Of two methods: mean difference, interval, test and effect size. Of many: mean ranks, Friedman's
test and Nemenyi's comparison.
"""

import math
import warnings
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import combinations

import numpy as np
import pandas as pd
from numpy.typing import ArrayLike, NDArray
from scipy import stats

#: Differences that agree to this many decimals are ties: rounding errors must not break them.
_DECIMALS = 9
#: With more cases the mean is normally distributed, and resampling would take gigabytes.
MOST_RESAMPLED = 1000
#: Up to this many cases with tied differences, every pattern of signs is enumerated.
_ENUMERATED = 13
#: With fewer cases or methods Friedman's test is not made.
FEWEST_CASES = 5
FEWEST_METHODS = 3
LEVEL = 0.05


@dataclass(frozen=True)
class Comparison:
    """Paired differences between two methods, one for each case.

    Attributes:
        n: cases that both methods have.
        mean: of the differences; nan for no case.
        low, high: 95 % bootstrap interval of the mean (BCa); with more than MOST_RESAMPLED cases
            from the normal distribution; nan if there is none.
        greater, smaller: cases with a positive and with a negative difference.
        p: two-sided, of Wilcoxon's signed-rank test; nan if there is nothing to test.
        smallest_p: `p` if all differences have the same sign, the smallest possible value.
        effect: matched-pairs rank-biserial correlation, -1 to 1: the share of the rank sum with a
            positive difference minus the share with a negative one (Kerby, 2014,
            doi:10.2466/11.IT.3.1); nan if there is no difference.
    """

    n: int
    mean: float = math.nan
    low: float = math.nan
    high: float = math.nan
    greater: int = 0
    smaller: int = 0
    p: float = math.nan
    smallest_p: float = math.nan
    effect: float = math.nan


def compare(differences: ArrayLike, *, resamples: int = 9999, seed: int = 0) -> Comparison:
    """The comparison of paired differences.

    Cases without a difference do not count in the test (Wilcoxon's rule). The test is exact for up
    to 50 cases, or 13 if differences are tied; for more it is the normal approximation.

    Args:
        differences: (n,) one for each case, finite.
        resamples: of the bootstrap.
        seed: of the bootstrap; equal differences then give equal intervals.
    """
    values = np.round(np.asarray(differences, float), _DECIMALS)
    if not values.size:
        return Comparison(0)
    low, high = _interval(values, resamples, seed)
    moved = values[values != 0]
    # A single case has a sign, but cannot be tested.
    tested = values.size > 1 and moved.size > 0
    return Comparison(
        n=values.size,
        mean=float(values.mean()),
        low=low,
        high=high,
        greater=int((values > 0).sum()),
        smaller=int((values < 0).sum()),
        p=float(_test(moved).pvalue) if tested else math.nan,
        smallest_p=2.0 ** (1 - moved.size) if tested else math.nan,
        effect=_rank_biserial(moved) if tested else math.nan,
    )


def _interval(values: NDArray[np.float64], resamples: int, seed: int) -> tuple[float, float]:
    if values.size < 2:
        return math.nan, math.nan
    if (values == values[0]).all():
        # Every resample has the same mean.
        return float(values[0]), float(values[0])
    if values.size > MOST_RESAMPLED:
        half = float(stats.norm.ppf(0.975) * stats.sem(values))
        return float(values.mean()) - half, float(values.mean()) + half
    with warnings.catch_warnings():
        # Where the method has no interval it returns nan, which the table shows.
        warnings.simplefilter("ignore")
        interval = stats.bootstrap(
            (values,), np.mean, n_resamples=resamples, random_state=np.random.default_rng(seed)
        ).confidence_interval
    return float(interval.low), float(interval.high)


def _test(moved: NDArray[np.float64], alternative: str = "two-sided"):  # type: ignore[no-untyped-def]
    tied = len(np.unique(np.abs(moved))) < moved.size
    enumerate_all = tied and moved.size <= _ENUMERATED
    method = stats.PermutationMethod(n_resamples=np.inf) if enumerate_all else "auto"
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        return stats.wilcoxon(moved, method=method, alternative=alternative)


def _rank_biserial(moved: NDArray[np.float64]) -> float:
    # The statistic of the one-sided test is the rank sum of the positive differences.
    positive = float(_test(moved, "greater").statistic)
    return 4 * positive / (moved.size * (moved.size + 1)) - 1


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

    overall = stats.friedmanchisquare(*(ranks[name] for name in ranks)).pvalue
    pairs = posthoc_nemenyi_friedman(ranks.to_numpy())
    pairs.index = pairs.columns = ranks.columns
    return Ranking(means, n, float(overall), pairs, critical_difference(n, k))


def critical_difference(n: int, k: int) -> float:
    """The difference above which mean ranks of k methods over n cases differ (Nemenyi, 0.05)."""
    quantile = stats.studentized_range.ppf(1 - LEVEL, k, np.inf) / math.sqrt(2)
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
    values = stats.rankdata(table.to_numpy(), axis=None).reshape(table.shape)
    teams, size = table.shape[1], np.maximum(weights.sum(axis=1), 1)
    won = np.zeros((len(weights), teams))
    for one, other in combinations(range(teams), 2):
        above = (np.sign(values[:, None, one] - values[None, :, other]) + 1) / 2
        # Mann and Whitney's U, as a normal deviate.
        u = np.einsum("rs,rs->r", weights @ above, weights)
        z = (u - size**2 / 2) / np.sqrt(size**2 * (2 * size + 1) / 12)
        won[:, one] += z > stats.norm.ppf(1 - LEVEL / 2)
        won[:, other] += z < stats.norm.ppf(LEVEL / 2)
    ranks: NDArray = stats.rankdata(won, axis=1)
    return 0.1 + 0.9 * (ranks - 1) / max(teams - 1, 1)
