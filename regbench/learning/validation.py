"""What a training is measured by on pairs that it does not see."""

import math
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from typing import Any, NamedTuple

import numpy as np
import torch
from numpy.typing import NDArray

from regbench.data.layout import Case
from regbench.data.pair import read_pair
from regbench.learning.loss import mind
from regbench.learning.method import Recipe
from regbench.learning.network import to_labels
from regbench.learning.pairs import Draw, Labels
from regbench.measure.inputs import Groups, MaskPair, NotMeasured, TruthView, group_masks
from regbench.spatial.convert import from_torch
from regbench.spatial.field import Field, read_field
from regbench.spatial.volume import Volume
from regbench.spatial.warp import warp_labels

#: The metrics that a validation calls, where the project has them.
METRICS = ("dice", "epe", "displacement_slope")


class Measures(NamedTuple):
    """Means over the validation cases; nan where the data lack what a measure needs.

    Dice (percent) is over label groups, too. Error (voxels) and displacement slope are those inside
    the labels taken together, without labels on the whole grid.
    """

    loss: float
    dice: float = math.nan
    epe: float = math.nan
    slope: float = math.nan


@dataclass(frozen=True)
class HeldOut:
    """A validation case in memory; its images are the network's input, on its device.

    Attributes:
        masks: of the label groups in the fixed image; empty without labels.
        inside: voxels whose displacement is measured.
        loss_labels: label maps for a plugin's own loss.
    """

    fixed: torch.Tensor
    moving: torch.Tensor
    image: Volume
    masks: Mapping[str, NDArray[np.bool_]]
    inside: NDArray[np.bool_]
    moving_labels: Volume | None
    true_field: Field | None
    loss_labels: Labels = (None, None)

    @classmethod
    def read(cls, case: Case, groups: Groups, recipe: Recipe, *, labels: bool = False) -> "HeldOut":
        """All that the measures need of a case; its `labels`, too, for a loss that uses them."""
        fixed, moving = read_pair(case)
        image = fixed.image
        masks = {}
        if fixed.labels is not None and moving.labels is not None:
            masks = group_masks(fixed.labels.data, groups)
        # As in the metrics: the true field counts in the region of interest.
        inside = np.ones(image.shape, bool) if fixed.mask is None else fixed.mask.data != 0
        if masks:
            inside &= np.logical_or.reduce(list(masks.values()))
        truth = None if case.true_field is None else read_field(case.true_field, image.shape)
        inputs = recipe.read(image), recipe.read(moving.image)
        sides = (moving.labels, fixed.labels) if labels else (None, None)
        one, two = (to_labels(side, recipe.device) for side in sides)
        return cls(*inputs, image, masks, inside, moving.labels, truth, (one, two))


@dataclass(frozen=True)
class Validation:
    """Measures of cases that are not trained on.

    Attributes:
        metrics: those of METRICS that the project has, by id.
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
            pair = Draw(case.moving, case.fixed, mind(case.fixed), *case.loss_labels)
            field, loss = self.recipe.field_and_loss(network, pair)
            losses.append(float(loss))
            for name, view in self._views(case, from_torch(field, case.image.affine)):
                if name in self.metrics:
                    with suppress(NotMeasured):
                        values[name].append(self.metrics[name](view))
        network.train()
        means = (float(np.mean(known)) if known else math.nan for known in values.values())
        return Measures(float(np.mean(losses)), *means)

    def _views(self, case: HeldOut, field: Field) -> Iterator[tuple[str, Any]]:
        """Metric and what it is given, once for each value."""
        if case.moving_labels is not None and case.masks:
            warped = group_masks(warp_labels(case.moving_labels, field).data, self.groups)
            for name, mask in case.masks.items():
                if mask.any() and warped[name].any():
                    yield "dice", MaskPair(mask, warped[name], case.image.spacing)
        if case.true_field is not None and case.inside.any():
            truth = TruthView(field, case.true_field, case.inside, case.image.spacing)
            yield from (("epe", truth), ("displacement_slope", truth))
