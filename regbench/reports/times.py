"""What a run's registrations took: wall seconds on each device, and seconds of processors."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

from regbench.reports.cells import Summary, summarise
from regbench.reports.model import Cell

if TYPE_CHECKING:
    import pandas as pd

#: Where other work may have taken more than this share of a method's processors, its wall time is
#: marked.
LOADED, MARK = 0.1, "*"
_NONE = Summary(math.nan, math.nan, 0, 0)


@dataclass(frozen=True)
class Times:
    """The times of a run.

    Attributes:
        cpu, gpu: wall seconds of a case on the processor, and on a GPU.
        cpu_seconds: seconds that processors worked for all processes of the method, in the cases
            on the processor.
        load: how many of the processors that the method could use did other work meanwhile, on
            average; nan if it was not measured.
        loaded: whether the wall times are marked.
    """

    cpu: Summary
    gpu: Summary
    cpu_seconds: Summary
    load: float
    loaded: bool

    def wall(self, device: str) -> Cell:
        """The mean wall time on `cpu` or `gpu`, marked if other work disturbed it."""
        return _cell(self.cpu if device == "cpu" else self.gpu, MARK if self.loaded else "")

    def worked(self) -> Cell:
        """The mean of `cpu_seconds`."""
        return _cell(self.cpu_seconds)


def _cell(about: Summary, mark: str = "") -> Cell:
    # As in the paper, without the deviation.
    mean = replace(about, std=math.nan).text(2)
    number, _, short = mean.partition(" ")
    return replace(about.cell(2), text=f"{number}{mark}{short and ' '}{short}")


def times_of(frame: pd.DataFrame, seeds: Sequence[int], total: int) -> Times:
    """The times of a run, from its collected rows; a case timed alone goes before all others.

    Of that case they are the medians of its repetitions, without a deviation.
    """
    alone = frame["metric"].isin(["register_alone_s", "register_gpu_alone_s"]).any()
    metrics = frame["metric"].astype(str)
    on_gpu = frame[metrics == "register_gpu_s"]
    # A case has a time on the device that it ran on.
    here = frame.set_index(["case", "seed"]).index.isin(on_gpu.set_index(["case", "seed"]).index)

    def rows(name: str, where: Any = True) -> pd.DataFrame:
        return frame[(metrics == name) & (frame["status"] == "ok") & where]

    def once(name: str) -> Summary:
        values = rows(name)["value"].dropna()
        return Summary(float(values.median()), math.nan, 1, 1) if len(values) else _NONE

    if alone:
        cpu, gpu = once("register_alone_s"), once("register_gpu_alone_s")
        worked = once("register_alone_cpu_s")
    else:
        cpu = summarise(rows("register_s", ~here), seeds, total)
        gpu = summarise(rows("register_gpu_s"), seeds, total)
        worked = summarise(rows("register_cpu_s", ~here), seeds, total)
    load, lost = (
        float(rows(f"register_{'alone_' if alone else ''}{name}")["value"].mean())
        for name in ("load", "lost")
    )
    return Times(cpu, gpu, worked, load, lost > LOADED)
