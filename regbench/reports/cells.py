"""Cells: from one value for each case to one for each method, and how every number is printed."""

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace

import pandas as pd

from regbench.plugins.kinds import MetricPlugin
from regbench.reports.model import Cell, Column
from regbench.reports.results import RunFacts

#: The first of these metrics that has values tells which case is the worst, and which the median.
YARDSTICKS = ("dice", "tre", "epe")
#: Where other work may have taken more than this share of a method's processors, its wall time is
#: marked.
LOADED, MARK = 0.1, "*"
_GPU = "register_gpu_s"


def number(value: float, form: str) -> str:
    """A number in a format; `-` for nan."""
    return "-" if math.isnan(value) else format(value, form)


def decimals(value: float, precision: int = 2) -> str:
    """A number with `precision` decimals; `-` for nan."""
    return number(value, f".{precision}f")


def setting(value: float) -> str:
    """A setting's value as it was typed."""
    return f"{value:g}"


def p_value(value: float) -> str:
    """A p with three decimals; below 0.001, with two significant digits."""
    return number(value, ".3f" if value >= 0.001 else ".1e")


def millions(count: int) -> str:
    """Parameters of a network, in millions."""
    return decimals(count / 1e6, 3)


def share(part: int, whole: int) -> str:
    """`9/10`."""
    return f"{part}/{whole}"


#: The method id of the control that has the true field.
TRUTH = "oracle"
#: The number of finished cases of all; `share_cell` fills it.
CASES = Column("Cases", more=("Cases total",))


def share_cell(part: int, whole: int) -> Cell:
    """`9/10`; in the csv two numbers."""
    return Cell(share(part, whole), part, more=(whole,))


def with_unit(title: str, unit: str) -> str:
    """`Dice (%)`; the title alone without a unit."""
    return f"{title} ({unit})" if unit else title


def axis(metric: MetricPlugin) -> str:
    """A metric's title with its unit."""
    return with_unit(metric.title, metric.unit)


@dataclass(frozen=True)
class Summary:
    """Mean and standard deviation over cases of the per-case mean over seeds.

    Attributes:
        mean: nan without a value.
        std: ddof 1; nan for fewer than two cases.
        n: number of cases with a value for every seed.
        total: number of all cases.
    """

    mean: float
    std: float
    n: int
    total: int

    def text(self, precision: int) -> str:
        """`86.65±3.42`, followed by the number of cases that count unless all of them do."""
        if self.n == 0:
            return "-"
        spread = "" if math.isnan(self.std) else f"±{decimals(self.std, precision)}"
        short = f" (n={self.n})" if self.n < self.total else ""
        return f"{decimals(self.mean, precision)}{spread}{short}"

    def cell(self, precision: int, best: bool = False) -> Cell:
        """A cell that competes by the mean; its column has `more` of `spread`."""
        std = None if math.isnan(self.std) else self.std
        mean = self.mean if self.n else None
        return Cell(self.text(precision), mean, best, self.n, (std, self.n))


def begins(texts: pd.Series, *starts: str) -> pd.Series:
    """Whether each text begins with one of `starts`. Equal texts are examined once."""
    known = texts.astype("category").cat.categories
    return texts.isin([text for text in known if str(text).startswith(starts)])


def seed_spread(frame: pd.DataFrame, seeds: Sequence[int], total: int) -> float:
    """Standard deviation (ddof 1) over a run's seeds of a metric's mean over labels and cases.

    Nan for a single seed, and when a seed lacks the value of one of `total` cases.
    """
    good = frame[frame["status"] == "ok"]
    if len(seeds) < 2 or good["case"].nunique() < total or len(good) < len(frame):
        return math.nan
    return float(good.groupby("seed", observed=True)["value"].mean().std(ddof=1))


def finished(frame: pd.DataFrame, seeds: Sequence[int]) -> int:
    """The number of cases that are ok for each of a run's seeds, from the rows of one cost.

    The rows need no values: a method that is given its fields has no time.
    """
    good = frame[frame["status"] == "ok"]
    return int((good.groupby("case", observed=True).size() == len(seeds)).sum())


def summarise(frame: pd.DataFrame, seeds: Sequence[int], total: int) -> Summary:
    """Summarise the rows of one run, metric and label."""
    return summary_of(case_means(frame, 1, len(seeds)), total)


def summary_of(means: pd.Series, total: int) -> Summary:
    """Summarise one mean for each case that counts, out of `total` cases."""
    if means.empty:
        return Summary(math.nan, math.nan, 0, total)
    return Summary(float(means.mean()), float(means.std(ddof=1)), len(means), total)


def case_means(frame: pd.DataFrame, labels: int, seeds: int) -> pd.Series:
    """The mean over labels and seeds of each case that has a value for all of them.

    `frame` has the rows of one run and metric; `labels` and `seeds` are the numbers required.
    """
    good = frame[frame["status"] == "ok"]
    per_case = good.groupby("case", observed=True)["value"].agg(["mean", "count"])
    return per_case.loc[per_case["count"] == labels * seeds, "mean"]


def case_values(
    frame: pd.DataFrame,
    runs: Sequence[RunFacts],
    metric: MetricPlugin,
    labels: Sequence[str],
) -> pd.DataFrame:
    """A row for each case and a column for each run (by id): the mean over label groups and seeds.

    Nan where a run lacks a label or a seed of a case. A case that no run has a value for is left
    out: its data lack what the metric needs. Without any row, no run was measured. `frame` has
    the rows of one task, `labels` are its label groups.
    """
    groups = list(labels) if metric.labelled else [""]
    measured = frame[(frame["metric"] == metric.id) & frame["label"].isin(groups)]
    columns = {
        run.run: case_means(measured[measured["run"] == run.run], len(groups), len(run.seeds))
        for run in runs
    }
    values = pd.DataFrame(columns, columns=list(columns), dtype=float)
    values.index = values.index.astype(str)
    return values.sort_index().dropna(how="all")


def worst_first(
    frame: pd.DataFrame,
    runs: Sequence[RunFacts],
    labels: Sequence[str],
    metrics: Mapping[str, MetricPlugin],
) -> tuple[str, pd.Series]:
    """A metric's title, and each case's mean of it over runs, from the worst to the best case.

    The metric is the first of YARDSTICKS that has values. Controls count only if there are no
    other methods; runs that lack a case count only if every run lacks one. Ties go by case id.
    `frame` has the rows of one task, `labels` are its label groups.
    """
    rivals = [run for run in runs if run.kind != "control"] or list(runs)
    for metric in (metrics[name] for name in YARDSTICKS if name in metrics):
        values = case_values(frame, rivals, metric, labels)
        complete = values.dropna(axis=1)
        means = (values if complete.empty else complete).mean(axis=1)
        if len(means):
            # The index is sorted, and a stable sort keeps that order among equals.
            up = metric.direction == "higher"
            return metric.title, means.sort_values(ascending=up, kind="stable")
    return "", pd.Series(dtype=float)


def median_of(cases: Sequence[str]) -> str:
    """The middle of cases from worst to best; of an even number the worse of the two."""
    return str(cases[(len(cases) - 1) // 2])


@dataclass(frozen=True)
class Times:
    """What a run's registrations took: wall seconds on each device, and seconds of processors.

    Attributes:
        cpu, gpu: wall seconds of a case on the processor, and on a GPU.
        cpu_seconds: seconds that processors worked for all processes of the method, in the cases
            on the processor.
        load: how many of the processors that it could use did other work meanwhile, on average;
            nan if that was not measured.
        loaded: whether the wall times are marked.
    """

    cpu: Summary
    gpu: Summary
    cpu_seconds: Summary
    load: float
    loaded: bool

    def cell(self, name: str) -> Cell:
        """The mean of `cpu`, `gpu` or `cpu_seconds`; a wall time under load is marked."""
        about: Summary = getattr(self, name)
        # As in the paper, without the deviation.
        mean, *short = replace(about, std=math.nan).text(2).split(" ")
        mark = MARK if self.loaded and about.n and name != "cpu_seconds" else ""
        return replace(about.cell(2), text=" ".join([mean + mark, *short]))


def times_of(frame: pd.DataFrame, seeds: Sequence[int], total: int) -> Times:
    """The times of a run, from its collected rows; a case timed alone goes before all others.

    Of that case they are the medians of its repetitions, without a deviation.
    """
    frame = frame[begins(frame["metric"], "register_") & (frame["status"] == "ok")]
    groups = {str(name): rows for name, rows in frame.groupby("metric", observed=True)}

    def of(name: str, on_cpu: bool = False) -> Summary:
        rows = groups.get(f"register_{name}", frame.iloc[:0])
        if "alone" in name:
            values = rows["value"].dropna()
            one = min(len(values), 1)
            return Summary(float(values.median()), math.nan, one, one)
        if on_cpu and _GPU in groups:
            # A case has a time on the device that it ran on.
            pairs = [part.set_index(["case", "seed"]).index for part in (rows, groups[_GPU])]
            rows = rows[~pairs[0].isin(pairs[1])]
        return summarise(rows, seeds, total)

    alone = "alone_" if {"register_alone_s", "register_gpu_alone_s"} & set(groups) else ""
    load, lost = (
        float(groups[name]["value"].mean()) if name in groups else math.nan
        for name in (f"register_{alone}load", f"register_{alone}lost")
    )
    return Times(
        cpu=of(f"{alone}s", on_cpu=True),
        gpu=of(f"gpu_{alone}s"),
        cpu_seconds=of(f"{alone}cpu_s", on_cpu=True),
        load=load,
        loaded=lost > LOADED,
    )
