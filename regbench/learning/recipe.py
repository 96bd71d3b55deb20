"""The numbers of a training, and what a step of it computes."""

import math
from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import torch

from regbench.base.errors import BadInput
from regbench.learning.network import forward, to_input, use_bf16
from regbench.learning.pairs import Draw
from regbench.spatial.volume import Volume

if TYPE_CHECKING:
    from regbench.learning.method import LearnedMethod

#: Share of the learning rate at which the coarse part ends, and at which the rest starts.
COARSE_END, FINE_START = 0.3, 0.6


@dataclass(frozen=True)
class Recipe:
    """The numbers of a training, and where it runs.

    Attributes:
        method: says how its network is called, and what the loss is.
        settings: the method's.
        steps: of the optimizer, one pair each.
        learning_rate: of Adam at the start.
        clip: largest norm of the gradient; `none`: any.
        validate_every, save_every: steps.
        bf16: compute convolutions in bf16.
        device: `cpu` or `cuda:<k>`.
        rescale: as in `to_input`.
        schedule: `cosine` or `constant` learning rate.
        coarse_steps: how many of the steps, the first ones, use images of half the resolution.
        weights: `last` or `best`, which are kept.
    """

    method: "type[LearnedMethod]"
    settings: Mapping[str, Any]
    steps: int
    learning_rate: float
    clip: float | str
    validate_every: int
    save_every: int
    bf16: bool
    device: str = "cpu"
    rescale: bool = True
    schedule: str = "cosine"
    coarse_steps: int = 0
    weights: str = "last"

    def __post_init__(self) -> None:
        for name in ("steps", "learning_rate", "clip", "validate_every", "save_every"):
            value = getattr(self, name)
            if name == "clip" and value == "none":
                continue
            # YAML reads 1e-3 as a text; as a number it is written 1.0e-3.
            if not isinstance(value, int | float) or not value > 0:
                raise BadInput(
                    f"bad {name} of training", expected="a number > 0", found=repr(value)
                )
        for name in ("lambda", "fold_weight", "fold_sum_weight"):
            value = self.settings[name]
            if not isinstance(value, int | float):
                raise BadInput(f"bad {name}", expected="a number >= 0", found=repr(value))
            if value < 0:
                raise BadInput(f"{name} is negative", expected=">= 0", found=value)
        if self.coarse_steps > self.steps:
            raise BadInput(
                "more coarse_steps than steps", expected=f"<= {self.steps}", found=self.coarse_steps
            )

    @classmethod
    def of(
        cls, settings: Mapping[str, Any], method: "type[LearnedMethod]", device: str
    ) -> "Recipe":
        """The recipe that a learned method's settings state."""
        same = (
            *("steps", "learning_rate", "schedule", "coarse_steps", "clip", "weights", "rescale"),
            *("validate_every", "save_every"),
        )
        return cls(
            method=method,
            settings=settings,
            bf16=use_bf16(settings["precision"], device),
            device=device,
            **{name: settings[name] for name in same},
        )

    def read(self, image: Volume) -> torch.Tensor:
        """The network's input of an image."""
        return to_input(image, self.device, self.rescale)

    def rate(self, step: int) -> float:
        """The learning rate of a step."""
        if self.schedule == "constant":
            return self.learning_rate
        first, last, length = 1.0, COARSE_END, self.coarse_steps
        if step >= self.coarse_steps:
            first, last = FINE_START if self.coarse_steps else 1.0, 0.0
            step, length = step - self.coarse_steps, self.steps - self.coarse_steps
        fallen = 0.5 * (1.0 + math.cos(math.pi * step / max(length, 1)))
        return self.learning_rate * (last + (first - last) * fallen)

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
        if not isinstance(self.clip, str):
            torch.nn.utils.clip_grad_norm_(network.parameters(), self.clip)
        optimizer.step()
