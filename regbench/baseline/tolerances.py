"""How far a number may lie from its golden value, and why: read from `tolerances.yaml`."""

from pathlib import Path
from typing import Annotated

from pydantic import AfterValidator, Field, PrivateAttr

from regbench.base.errors import BadInput
from regbench.base.models import List, Model, check, key
from regbench.base.schemas import read_yaml
from regbench.plugins.models import MethodId, MetricId

Reason = Annotated[
    str,
    Field(title="text, not blank", pattern=r"\S"),
    AfterValidator(lambda text: " ".join(text.split())),
]


#: What only the machine decides: ignored without a word, unless a bound is stated.
MACHINE = {
    **dict.fromkeys(
        (f"register_{way}{name}" for way in ("", "alone_") for name in ("cpu_s", "load", "lost")),
        "depends on the machine and what else it did",
    ),
    **dict.fromkeys(
        (f"register_{gpu}{way}s" for way in ("", "alone_") for gpu in ("", "gpu_")),
        "a time, which depends on the machine and its load",
    ),
    "peak_memory_mb": "depends on the allocator and the versions",
}


class Width(Model):
    """How far a value may lie from its golden value, to both sides."""

    absolute: float = key("part of a bound, in the metric's unit", ge=0)
    relative: float = key("part of a bound, as a share of the golden value", 0.0, ge=0)

    def width(self, golden: float) -> float:
        """The largest distance from `golden` that is no change."""
        return self.absolute + self.relative * abs(golden)


class MetricBound(Width):
    """A width and its reason."""

    reason: Reason = key("why the bound is as wide as it is")


class Looser(Model):
    """Methods that have bounds of their own."""

    methods: Annotated[List[MethodId], Field(min_length=1)] = key("method ids")
    reason: Reason = key("why the bounds are wider")
    metrics: dict[MetricId, Width] = key("bounds that replace those above", min_length=1)


class TolerancesFile(Model):
    """The bounds of a baseline: `tolerances.yaml`."""

    metrics: dict[MetricId, MetricBound] = key(
        "a bound for each metric: `absolute`, `reason` and optionally `relative`", min_length=1
    )
    looser: List[Looser] = key(
        "groups of `methods` that have bounds of their own for some `metrics`, with one `reason` "
        "for the group",
        (),
    )
    ignored: dict[MetricId, Reason] = key(
        "metric id to the reason why the metric is not compared. What only the machine decides "
        "(times, load, memory) need not be listed",
        {},
    )
    time_reference: MethodId | None = key(
        "a method that each task has once. Every other one gets a row `time_ratio`: its seconds "
        "over those of the reference in the same run",
        None,
    )
    _file: Path | None = PrivateAttr(None)

    def bound(self, method: str, metric: str) -> MetricBound:
        """The bound of a metric of a method.

        Raises:
            BadInput: none is stated.
        """
        for group in self.looser:
            if method in group.methods and metric in group.metrics:
                return MetricBound(**group.metrics[metric].model_dump(), reason=group.reason)
        if metric not in self.metrics:
            raise BadInput(
                f"no tolerance for metric {metric!r}",
                file=self._file,
                expected=f"metrics.{metric} with absolute and reason, or ignored.{metric}",
            )
        return self.metrics[metric]


def read_tolerances(file: Path) -> TolerancesFile:
    """Read and check `tolerances.yaml`; `ignored` then has what only the machine decides, too.

    Raises:
        BadInput: no such file, not YAML, an unknown key, a bound without a reason or not finite,
            a metric that is ignored and bounded, a method in two groups.
    """
    data = check(TolerancesFile, read_yaml(file), file)
    for metric in sorted(data.metrics.keys() & data.ignored.keys()):
        raise BadInput(f"metric {metric!r} is ignored and has a bound", file=file)
    listed = [method for group in data.looser for method in group.methods]
    for method in (name for name in listed if listed.count(name) > 1):
        raise BadInput(f"method {method!r} is in two groups of looser", file=file)
    unstated = {name: why for name, why in MACHINE.items() if name not in data.metrics}
    data._file = file
    return data.model_copy(update={"ignored": unstated | data.ignored})
