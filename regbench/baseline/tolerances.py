"""How far a number may lie from its golden value, and why: read from `tolerances.yaml`."""

import math
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from regbench.base.errors import BadInput
from regbench.base.schemas import read_yaml, validate


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
    """

    file: Path
    metrics: dict[str, Bound]
    methods: dict[tuple[str, str], Bound]
    ignored: dict[str, str]

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
    data = read_yaml(file)
    validate(data, "tolerances", file)
    metrics = {
        name: _bound(item, item["reason"], f"metrics.{name}", file)
        for name, item in data["metrics"].items()
    }
    ignored = dict(data.get("ignored", {}))
    both = sorted(set(metrics) & set(ignored))
    if both:
        raise BadInput(f"metric {both[0]!r} is ignored and has a bound", file=file)
    methods: dict[tuple[str, str], Bound] = {}
    seen: set[str] = set()
    for position, group in enumerate(data.get("looser", [])):
        for method in group["methods"]:
            if method in seen:
                raise BadInput(f"method {method!r} is in two groups of looser", file=file)
            seen.add(method)
            for name, item in group["metrics"].items():
                field = f"looser.{position}.metrics.{name}"
                methods[method, name] = _bound(item, group["reason"], field, file)
    return Tolerances(file, metrics, methods, ignored)


def _bound(item: dict[str, Any], reason: str, field: str, file: Path) -> Bound:
    numbers = {name: float(item.get(name, 0.0)) for name in ("absolute", "relative")}
    for name, number in numbers.items():
        # YAML knows .inf and .nan, which would let everything or nothing pass.
        if not math.isfinite(number):
            raise BadInput(
                f"field {field}.{name}", file=file, expected="a finite number", found=number
            )
    return Bound(numbers["absolute"], numbers["relative"], " ".join(reason.split()))
