"""How far a number may lie from its golden value, and why: read from `tolerances.yaml`."""

from dataclasses import dataclass
from pathlib import Path
from typing import Annotated

from pydantic import Field

from regbench.base.errors import BadInput
from regbench.base.models import List, Model, check, key
from regbench.base.schemas import read_yaml
from regbench.plugins.models import MethodId, MetricId

Reason = Annotated[str, Field(title="text, not blank", pattern=r"\S")]


#: What only the machine decides: ignored without a word, unless a bound is stated.
MACHINE = dict.fromkeys(
    (f"register_{way}{name}" for way in ("", "alone_") for name in ("cpu_s", "load", "lost")),
    "depends on the machine and what else it did",
)


class Width(Model):
    """How far a value may lie from its golden value."""

    absolute: float = key("part of a bound, in the metric's unit", ge=0)
    relative: float = key("part of a bound, as a share of the golden value", 0.0, ge=0)


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
        "metric id to the reason why the metric is not compared: times and memory", {}
    )
    time_reference: MethodId | None = key(
        "a method that each task has once. Every other one gets a row `time_ratio`: its seconds "
        "over those of the reference in the same run",
        None,
    )


@dataclass(frozen=True)
class Bound:
    """Of one metric: both sides of the golden value, in the metric's unit, and why so wide."""

    absolute: float
    relative: float
    reason: str

    def width(self, golden: float) -> float:
        """The largest distance from `golden` that is no change."""
        return self.absolute + self.relative * abs(golden)


@dataclass(frozen=True)
class Tolerances:
    """The bounds of a baseline.

    Attributes:
        file: where they are stated.
        metrics: bound by metric id, for every method.
        methods: bounds that take their place for a method, by (method id, metric id).
        ignored: metric id to why it is compared with nothing.
        time_reference: method whose seconds divide those of the others.
    """

    file: Path
    metrics: dict[str, Bound]
    methods: dict[tuple[str, str], Bound]
    ignored: dict[str, str]
    time_reference: str | None = None

    def bound(self, method: str, metric: str) -> Bound:
        """The bound of a metric of a method.

        Raises:
            BadInput: none is stated.
        """
        found = self.methods.get((method, metric)) or self.metrics.get(metric)
        if found is None:
            raise BadInput(
                f"no tolerance for metric {metric!r}",
                file=self.file,
                expected=f"metrics.{metric} with absolute and reason, or ignored.{metric}",
            )
        return found


def read_tolerances(file: Path) -> Tolerances:
    """Read and check `tolerances.yaml`.

    Raises:
        BadInput: no such file, not YAML, an unknown key, a bound without a reason or not finite,
            a metric that is ignored and bounded, a method in two groups.
    """
    data = check(TolerancesFile, read_yaml(file), file)
    metrics = {name: _bound(item, item.reason) for name, item in data.metrics.items()}
    both = sorted(set(metrics) & set(data.ignored))
    if both:
        raise BadInput(f"metric {both[0]!r} is ignored and has a bound", file=file)
    methods: dict[tuple[str, str], Bound] = {}
    seen: set[str] = set()
    for group in data.looser:
        for method in group.methods:
            if method in seen:
                raise BadInput(f"method {method!r} is in two groups of looser", file=file)
            seen.add(method)
            for name, item in group.metrics.items():
                methods[method, name] = _bound(item, group.reason)
    unstated = {name: why for name, why in MACHINE.items() if name not in metrics}
    return Tolerances(file, metrics, methods, unstated | data.ignored, data.time_reference)


def _bound(width: Width, reason: str) -> Bound:
    return Bound(width.absolute, width.relative, " ".join(reason.split()))
