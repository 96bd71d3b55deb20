"""Validation: the loss, and Dice where there are labels, on cases that are not trained on."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch

from regbench.data.layout import Case
from regbench.data.pair import Side, read_side
from regbench.learning.loss import loss
from regbench.learning.method import forward
from regbench.learning.mind import mind
from regbench.learning.tensors import to_input
from regbench.measure.inputs import MaskPair
from regbench.spatial.convert import from_torch
from regbench.spatial.warp import warp_labels


@dataclass(frozen=True)
class Validation:
    """The cases and how they are measured.

    Attributes:
        sides: (fixed, moving) of each case.
        groups: label groups.
        dice: the metric, or None where the project has none of that name.
        weight, fold_weight: of the loss.
        multiple: what the network's sides must be multiples of.
        bf16, device: as in training.
    """

    sides: list[tuple[Side, Side]]
    groups: Mapping[str, tuple[int, ...]]
    dice: Callable[[Any], float] | None
    weight: float
    fold_weight: float
    multiple: int
    bf16: bool
    device: str = "cpu"

    @staticmethod
    def read(cases: list[Case]) -> list[tuple[Side, Side]]:
        """The sides of validation cases."""
        return [(read_side(case.fixed), read_side(case.moving)) for case in cases]

    @torch.no_grad()
    def measure(self, network: torch.nn.Module) -> tuple[float, float]:
        """Mean loss and mean Dice (percent; nan without labels) over cases and label groups."""
        network.eval()
        losses, overlaps = [], []
        for fixed, moving in self.sides:
            still, other = (to_input(side.image).to(self.device) for side in (fixed, moving))
            field = forward(network, other, still, self.multiple, bf16=self.bf16)
            value = loss(other, mind(still), field, self.weight, self.fold_weight)
            losses.append(float(value))
            if fixed.labels is None or moving.labels is None or self.dice is None:
                continue
            warped = warp_labels(moving.labels, from_torch(field.cpu(), fixed.labels.affine))
            for values in self.groups.values():
                masks = MaskPair(
                    np.isin(fixed.labels.data, values),
                    np.isin(warped.data, values),
                    fixed.labels.spacing,
                )
                if masks.fixed.any() and masks.warped.any():
                    overlaps.append(self.dice(masks))
        network.train()
        return float(np.mean(losses)), float(np.mean(overlaps)) if overlaps else float("nan")
