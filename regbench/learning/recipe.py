"""What a step of a training computes, and fine-tuning on the one pair that is registered."""

import copy
import math
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cached_property
from typing import TYPE_CHECKING, Any

import torch

from regbench.base.errors import BadInput
from regbench.learning.loss import mind
from regbench.learning.network import forward, recompute_blocks, to_input, use_bf16
from regbench.learning.pairs import Draw
from regbench.spatial.volume import Volume

if TYPE_CHECKING:
    from regbench.learning.method import LearnedMethod

#: Share of the learning rate at which the coarse part ends, and at which the rest starts.
COARSE_END, FINE_START = 0.3, 0.6


@dataclass(frozen=True)
class Recipe:
    """A learned method's settings as a training, and where it runs.

    Attributes:
        method: says how its network is called, and what the loss is.
        settings: the method's: `regbench.plugins.learned_settings` describes them.
        device: `cpu` or `cuda:<k>`.

    Raises:
        BadInput: a number of the training is out of its range.
    """

    method: "type[LearnedMethod]"
    settings: Mapping[str, Any]
    device: str = "cpu"

    def __post_init__(self) -> None:
        # `LearnedSettings` has checked the types.
        for name in ("steps", "learning_rate", "clip", "validate_every", "save_every"):
            value = self.settings[name]
            if value != "none" and not value > 0:
                raise BadInput(f"bad {name} of training", expected="a number > 0", found=value)
        for name in ("lambda", "fold_weight", "fold_sum_weight"):
            if self.settings[name] < 0:
                found = self.settings[name]
                raise BadInput(f"{name} is negative", expected=">= 0", found=found)
        steps, coarse = self.settings["steps"], self.settings["coarse_steps"]
        if coarse > steps:
            raise BadInput("more coarse_steps than steps", expected=f"<= {steps}", found=coarse)

    @cached_property
    def bf16(self) -> bool:
        """Whether convolutions are computed in bf16."""
        return use_bf16(self.settings["precision"], self.device)

    def read(self, image: Volume) -> torch.Tensor:
        """The network's input of an image."""
        return to_input(image, self.device, self.settings["rescale"])

    def rate(self, step: int) -> float:
        """The learning rate of a step."""
        start, coarse = self.settings["learning_rate"], self.settings["coarse_steps"]
        if self.settings["schedule"] == "constant":
            return float(start)
        first, last, length = 1.0, COARSE_END, coarse
        if step >= coarse:
            first, last = FINE_START if coarse else 1.0, 0.0
            step, length = step - coarse, self.settings["steps"] - coarse
        fallen = 0.5 * (1.0 + math.cos(math.pi * step / max(length, 1)))
        return float(start * (last + (first - last) * fallen))

    def field_and_loss(
        self, network: torch.nn.Module, pair: Draw
    ) -> tuple[torch.Tensor, torch.Tensor]:
        """The network's voxel field (1, 3, X, Y, Z) of a pair, and its loss."""
        how = self.method.multiple, self.method.call
        field = forward(network, pair.moving, pair.fixed, *how, bf16=self.bf16)
        return field, self.method.loss(self.settings, pair, field)

    def descend(
        self, network: torch.nn.Module, optimizer: torch.optim.Optimizer, value: torch.Tensor
    ) -> None:
        """One step of the optimizer down the gradient of a loss, which `clip` limits."""
        optimizer.zero_grad(set_to_none=True)
        value.backward()
        clip = self.settings["clip"]
        if clip != "none":
            torch.nn.utils.clip_grad_norm_(network.parameters(), clip)
        optimizer.step()


@torch.enable_grad()
def fine_tuned(
    network: torch.nn.Module,
    moving: torch.Tensor,
    fixed: torch.Tensor,
    recipe: Recipe,
) -> torch.nn.Module:
    """A copy of a network after `instance_steps` steps of Adam at `instance_rate` on one pair.

    The loss, lambda and the clipping are those of the training; a plugin's own loss sees no labels.
    The pair is not augmented, so nothing is random. The network itself stays as it is (instance
    optimisation: Balakrishnan et al. 2019, section V-D).

    Args:
        network: trained.
        moving, fixed: (1, 1, X, Y, Z).
        recipe: of the training, with the settings of these steps.

    Raises:
        BadInput: the loss is not finite.
    """
    settings, own = recipe.settings, copy.deepcopy(network)
    if settings["recompute"]:
        recompute_blocks(own)
    with torch.no_grad():
        pair = Draw(moving, fixed, mind(fixed))
    optimizer = torch.optim.Adam(own.parameters(), lr=settings["instance_rate"])
    for step in range(settings["instance_steps"]):
        _, value = recipe.field_and_loss(own, pair)
        if not torch.isfinite(value):
            raise BadInput(
                f"the loss is not finite at step {step} on the pair", found=float(value.detach())
            )
        recipe.descend(own, optimizer, value)
    return own
