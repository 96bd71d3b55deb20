"""Which trainings the protocol asks for next, and what it chooses: functions of finished records.

The protocol is the same for every learned method. Of a grid of lambdas, each trained with the
shortest length and the first seed, it takes the one with the highest validation Dice (the lowest
validation loss, where there are no labels). It takes the first length whose doubling gains less
than a bound of validation Dice. With both, it trains every seed. Error and slope of the field are
recorded and select nothing.
"""

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from regbench.plan.models import StudyEntry


@dataclass(frozen=True)
class Point:
    """One training of a method on a task."""

    weight: float
    steps: int
    seed: int

    @property
    def name(self) -> str:
        """Names the training's files."""
        return f"lambda{self.weight:g}-steps{self.steps}-seed{self.seed}"


@dataclass(frozen=True)
class Record:
    """How a training ended.

    Attributes:
        outcome: `ok`, or why there are no weights.
        loss, dice: on the validation pairs at the last step; dice in percent, nan without labels.
    """

    outcome: str
    loss: float = math.nan
    dice: float = math.nan

    @property
    def usable(self) -> bool:
        """Whether it can be chosen. A training that diverged cannot."""
        return self.outcome == "ok" and math.isfinite(self.loss)

    @property
    def score(self) -> float:
        """What selects, higher is better: Dice in points, or the loss in hundredths, negated."""
        return self.dice if math.isfinite(self.dice) else -100.0 * self.loss

    @classmethod
    def of(cls, content: Mapping[str, Any]) -> "Record":
        """The record of a file that `regbench.study.run` wrote."""
        last = content["curve"][-1] if content["curve"] else {}
        values = (float(last.get(f"validation_{name}") or "nan") for name in ("loss", "dice"))
        return cls(content["outcome"], *values)


@dataclass(frozen=True)
class State:
    """How far a method is on a task.

    Attributes:
        weight, steps: chosen so far, or None.
        needed: trainings whose records are missing now.
        likely: trainings that the protocol may ask for later; they may start where a machine would
            stand idle.
        failed: why nothing can be chosen, or empty.
    """

    weight: float | None = None
    steps: int | None = None
    needed: list[Point] = field(default_factory=list)
    likely: list[Point] = field(default_factory=list)
    failed: str = ""

    @property
    def done(self) -> bool:
        """Whether nothing is left to train."""
        return not self.needed


def state_of(protocol: StudyEntry, seeds: Sequence[int], records: Mapping[Point, Record]) -> State:
    """What is chosen, and what is still to be trained, given the records so far.

    Args:
        protocol: its numbers.
        seeds: of the final trainings; the grid and the lengths use the first.
        records: of the trainings that are finished.
    """
    first, seed = protocol.steps[0], seeds[0]
    grid = [Point(weight, first, seed) for weight in protocol.lambda_]
    if missing := [point for point in grid if point not in records]:
        return State(needed=missing)
    usable = [point for point in grid if records[point].usable]
    if not usable:
        return State(failed=f"every lambda failed: {records[grid[0]].outcome}")
    weight = max(usable, key=lambda point: records[point].score).weight
    finals = {n: [Point(weight, n, s) for s in seeds] for n in protocol.steps}
    steps = first
    for longer in protocol.steps[1:]:
        point = Point(weight, longer, seed)
        if point not in records:
            likely = [p for n in (longer, 2 * longer) for p in finals.get(n, [])]
            likely = [p for p in (*likely, *finals[steps]) if p not in records and p != point]
            return State(weight, needed=[point], likely=likely)
        if not records[point].usable:
            break
        if records[point].score - records[Point(weight, steps, seed)].score < protocol.gain:
            break
        steps = longer
    return State(weight, steps, needed=[p for p in finals[steps] if p not in records])
