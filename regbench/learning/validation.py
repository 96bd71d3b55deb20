"""What a training is measured by on pairs that it does not see."""

import math
from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from functools import cached_property
from typing import Any, NamedTuple

import numpy as np
import torch
from numpy.typing import NDArray

from regbench.data.layout import Case
from regbench.data.pair import read_side
from regbench.learning.loss import mind
from regbench.learning.recipe import Recipe
from regbench.measure.inputs import MaskPair, NotMeasured, TruthView
from regbench.spatial.convert import from_torch
from regbench.spatial.field import Field, read_field
from regbench.spatial.volume import Volume
from regbench.spatial.warp import warp_labels

#: The metrics that a validation calls, where the project has them.
METRICS = ("dice", "epe", "displacement_slope")

Groups = Mapping[str, tuple[int, ...]]


class Measures(NamedTuple):
    """Means over the validation cases; nan where the data lack what a measure needs.

    Attributes:
        loss: as in training.
        dice: percent, over cases and label groups.
        epe, slope: error (voxels) and displacement slope inside the labels taken together.
    """

    loss: float
    dice: float = math.nan
    epe: float = math.nan
    slope: float = math.nan


@dataclass(frozen=True)
class HeldOut:
    """A validation case in memory.

    Attributes:
        moving, fixed: the network's input, on its device.
        image: the fixed image.
        masks: label group to its mask in the fixed image; empty without labels.
        moving_labels: label map, or None.
        true_field: of the fixed grid, or None.
    """

    moving: torch.Tensor
    fixed: torch.Tensor
    image: Volume
    masks: dict[str, NDArray[np.bool_]]
    moving_labels: Volume | None
    true_field: Field | None

    @classmethod
    def read(cls, case: Case, groups: Groups, recipe: Recipe) -> "HeldOut":
        """All that the measures need of a case."""
        fixed, moving = read_side(case.fixed), read_side(case.moving)
        labels = fixed.labels if moving.labels is not None else None
        truth = case.true_field
        return cls(
            moving=recipe.read(moving.image),
            fixed=recipe.read(fixed.image),
            image=fixed.image,
            masks={} if labels is None else _masks(labels, groups),
            moving_labels=moving.labels,
            true_field=None if truth is None else read_field(truth, fixed.image.shape),
        )

    @cached_property
    def inside(self) -> NDArray[np.bool_]:
        """The voxels whose displacement is measured: the labels', without labels all."""
        whole = np.ones(self.image.shape, bool)
        return np.logical_or.reduce(list(self.masks.values())) if self.masks else whole


@dataclass(frozen=True)
class Validation:
    """The loss and the measures of METRICS on cases that are not trained on.

    Attributes:
        cases: to measure.
        groups: label groups.
        metrics: METRICS that the project has, by id.
        recipe: of the training.
    """

    cases: Sequence[HeldOut]
    groups: Groups
    metrics: Mapping[str, Callable[[Any], float]]
    recipe: Recipe

    @torch.no_grad()
    def measure(self, network: torch.nn.Module) -> Measures:
        """Measure the network as it is."""
        network.eval()
        losses: list[float] = []
        values: dict[str, list[float]] = {name: [] for name in METRICS}
        for case in self.cases:
            field, loss = self.recipe.field_and_loss(
                network, case.moving, case.fixed, mind(case.fixed)
            )
            losses.append(float(loss))
            for name, value in self._values(case, from_torch(field.cpu(), case.image.affine)):
                values[name].append(value)
        network.train()
        means = (float(np.mean(known)) if known else math.nan for known in values.values())
        return Measures(float(np.mean(losses)), *means)

    def _values(self, case: HeldOut, field: Field) -> list[tuple[str, float]]:
        found = []
        if case.moving_labels is not None and case.masks and "dice" in self.metrics:
            warped = _masks(warp_labels(case.moving_labels, field), self.groups)
            for name, mask in case.masks.items():
                pair = MaskPair(mask, warped[name], case.image.spacing)
                if mask.any() and pair.warped.any():
                    found.append(("dice", self.metrics["dice"](pair)))
        inside = case.inside
        if case.true_field is not None and inside.any():
            truth = TruthView(field, case.true_field, inside, case.image.spacing)
            for name in (name for name in METRICS if name != "dice" and name in self.metrics):
                with suppress(NotMeasured):
                    found.append((name, self.metrics[name](truth)))
        return found


def _masks(labels: Volume, groups: Groups) -> dict[str, NDArray[np.bool_]]:
    return {name: np.isin(labels.data, values) for name, values in groups.items()}
