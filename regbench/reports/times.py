"""What a run's registrations took: wall seconds on each device, and seconds of processors."""

import math
from collections.abc import Sequence
from dataclasses import dataclass, replace

import pandas as pd

from regbench.reports.cells import Summary, begins, summarise
from regbench.reports.model import Cell

#: Where other work may have taken more than this share of a method's processors, its wall time is
#: marked.
LOADED, MARK = 0.1, "*"
_GPU = "register_gpu_s"


@dataclass(frozen=True)
class Times:
    """The times of a run.

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
