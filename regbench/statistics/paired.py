"""Two methods on the same cases: mean difference, interval, test and effect size."""

import math
import warnings
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike, NDArray
from scipy.stats import PermutationMethod, bootstrap, norm, sem, wilcoxon
from statsmodels.stats.multitest import multipletests

#: Differences that agree to this many decimals are ties: rounding errors must not break them.
_DECIMALS = 9
#: With more cases the mean is normally distributed, and resampling would take gigabytes.
MOST_RESAMPLED = 1000
#: Up to this many cases with tied differences, every pattern of signs is enumerated.
_ENUMERATED = 13


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


def holm(values: Sequence[float]) -> list[float]:
    """Holm's correction of a family of p. A nan (nothing was tested) stays out of the family."""
    known = [p for p in values if not math.isnan(p)]
    corrected = iter(multipletests(known, method="holm")[1] if known else ())
    return [p if math.isnan(p) else float(next(corrected)) for p in values]


def _interval(values: NDArray[np.float64], resamples: int, seed: int) -> tuple[float, float]:
    if values.size < 2:
        return math.nan, math.nan
    if (values == values[0]).all():
        # Every resample has the same mean.
        return float(values[0]), float(values[0])
    if values.size > MOST_RESAMPLED:
        half = float(norm.ppf(0.975) * sem(values))
        return float(values.mean()) - half, float(values.mean()) + half
    with warnings.catch_warnings():
        # Where the method has no interval it returns nan, which the table shows.
        warnings.simplefilter("ignore")
        interval = bootstrap(
            (values,), np.mean, n_resamples=resamples, random_state=np.random.default_rng(seed)
        ).confidence_interval
    return float(interval.low), float(interval.high)


def _test(moved: NDArray[np.float64], alternative: str = "two-sided"):  # type: ignore[no-untyped-def]
    tied = len(np.unique(np.abs(moved))) < moved.size
    enumerate_all = tied and moved.size <= _ENUMERATED
    method = PermutationMethod(n_resamples=np.inf) if enumerate_all else "auto"
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        return wilcoxon(moved, method=method, alternative=alternative)


def _rank_biserial(moved: NDArray[np.float64]) -> float:
    # The statistic of the one-sided test is the rank sum of the positive differences.
    positive = float(_test(moved, "greater").statistic)
    return 4 * positive / (moved.size * (moved.size + 1)) - 1
