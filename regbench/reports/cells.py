"""Cells: from a row a case to one number a method, and how every number is printed."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

from regbench.plugins.kinds import MetricPlugin

if TYPE_CHECKING:
    import pandas as pd


def number(value: float, form: str) -> str:
    """A number in that format; `-` for nan."""
    return "-" if math.isnan(value) else format(value, form)


def decimals(value: float, precision: int = 2) -> str:
    """A number with so many decimals; `-` for nan."""
    return number(value, f".{precision}f")


def significant(value: float) -> str:
    """Six significant digits, where a value is compared with a known one."""
    return f"{value:.6g}"


def setting(value: float) -> str:
    """A setting's value, as it was typed."""
    return f"{value:g}"


def p_value(value: float) -> str:
    """A p: three decimals, below 0.001 its order of magnitude."""
    return number(value, ".3f" if value >= 0.001 else ".1e")


def millions(count: int) -> str:
    """Parameters of a network, in millions."""
    return decimals(count / 1e6, 3)


def share(part: int, whole: int) -> str:
    """So many of so many, as `9/10`."""
    return f"{part}/{whole}"


def with_unit(title: str, unit: str) -> str:
    """`Dice (%)`; the title alone where there is no unit."""
    return f"{title} ({unit})" if unit else title


def axis(metric: MetricPlugin) -> str:
    """A metric's title with its unit."""
    return with_unit(metric.title, metric.unit)


@dataclass(frozen=True)
class Summary:
    """Mean and standard deviation over cases of the per-case mean over seeds.

    Attributes:
        mean: nan where there is no value.
        std: ddof 1; nan for fewer than two cases.
        n: cases with a value for every seed.
        total: cases there are.
    """

    mean: float
    std: float
    n: int
    total: int

    def text(self, precision: int) -> str:
        """`86.65±3.42`, with the number of cases where not all of them count."""
        if self.n == 0:
            return "-"
        spread = "" if math.isnan(self.std) else f"±{decimals(self.std, precision)}"
        short = f" (n={self.n})" if self.n < self.total else ""
        return f"{decimals(self.mean, precision)}{spread}{short}"


def begins(texts: pd.Series, *starts: str) -> pd.Series:
    """Whether each text begins with one of `starts`; each different text is looked at once."""
    known = texts.astype("category").cat.categories
    return texts.isin([text for text in known if str(text).startswith(starts)])


def seed_spread(frame: pd.DataFrame, seeds: Sequence[int], total: int) -> float:
    """Standard deviation (ddof 1) over seeds of a metric's mean over labels and cases.

    Args:
        frame: rows of one run and metric.
        seeds: of the run.
        total: cases there are; nan when a seed lacks a value of one of them, or for one seed.
    """
    good = frame[frame["status"] == "ok"]
    if len(seeds) < 2 or good["case"].nunique() < total or len(good) < len(frame):
        return math.nan
    return float(good.groupby("seed", observed=True)["value"].mean().std(ddof=1))


def finished(frame: pd.DataFrame, seeds: Sequence[int]) -> int:
    """Cases that are ok for each seed.

    Args:
        frame: the rows of one run and of a cost, which need not have a value: a method that is
            handed its fields has no time.
        seeds: of the run.
    """
    good = frame[frame["status"] == "ok"]
    return int((good.groupby("case", observed=True).size() == len(seeds)).sum())


def summarise(frame: pd.DataFrame, seeds: Sequence[int], total: int) -> Summary:
    """Summarise the rows of one run, metric and label."""
    return summary_of(case_means(frame, 1, len(seeds)), total)


def summary_of(means: pd.Series, total: int) -> Summary:
    """Mean and standard deviation of `case_means`, out of `total` cases."""
    if means.empty:
        return Summary(math.nan, math.nan, 0, total)
    return Summary(float(means.mean()), float(means.std(ddof=1)), len(means), total)


def case_means(frame: pd.DataFrame, labels: int, seeds: int) -> pd.Series:
    """Case to its mean over labels and seeds.

    A case counts only when it has a value for each label and seed: a mean over fewer would be of
    another thing.

    Args:
        frame: rows of one run and metric.
        labels, seeds: how many of each there must be.
    """
    good = frame[frame["status"] == "ok"]
    per_case = good.groupby("case", observed=True)["value"].agg(["mean", "count"])
    return per_case.loc[per_case["count"] == labels * seeds, "mean"]
