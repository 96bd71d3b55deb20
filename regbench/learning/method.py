"""The learned method: a plugin supplies its network, the engine does the rest.

A plugin may do more itself: how its network is called, the loss, a step of the training, and the
format of its checkpoints. What it leaves alone is the paper's recipe. `Recipe` says what a step of
a training computes; `fine_tuned` trains on the one pair that is registered.
"""

import copy
import math
from abc import abstractmethod
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cached_property, partial
from pathlib import Path
from typing import IO, Any, ClassVar

import torch
from torch import nn

from regbench.base.errors import BadInput
from regbench.learning.checkpoint import fill, read_weights, save_to
from regbench.learning.loss import loss, mind
from regbench.learning.network import (
    Call,
    forward,
    keep_freed_memory,
    recompute_blocks,
    to_channels_last,
    to_input,
    use_bf16,
)
from regbench.learning.pairs import Draw
from regbench.plugins.interface import Context, Method
from regbench.spatial.convert import from_torch
from regbench.spatial.field import Field
from regbench.spatial.volume import Volume

Settings = Mapping[str, Any]
#: Share of the learning rate at which the coarse part ends, and at which the rest starts.
COARSE_END, FINE_START = 0.3, 0.6


@dataclass(frozen=True)
class Recipe:
    """A learned method's settings as a training, and where it runs.

    Attributes:
        method: says how its network is called, and what the loss is.
        settings: the method's: `regbench.plugins.models.LearnedSettings` describes them.
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


class LearnedMethod(Method):
    """A network that maps (moving, fixed), (N, 2, X, Y, Z), to a voxel field (N, 3, X, Y, Z).

    A subclass builds the network, and states what the sides of its input must be multiples of. It
    may override `call`, `loss`, `training_step`, `save` and `load`.
    """

    #: Sides of the network's input must be multiples of this; inputs are padded and cropped.
    multiple = 16
    #: A static method `call(network, moving, fixed)` returns the field of a network that takes two
    #: images (N, 1, X, Y, Z); None: the network takes the pair (N, 2, X, Y, Z).
    call: ClassVar[Call | None] = None

    def __init__(self, settings: Settings, context: Context) -> None:
        super().__init__(settings, context)
        if context.checkpoint is None:
            raise BadInput("a learned method needs a checkpoint", expected="--checkpoint FILE")
        torch.set_num_threads(context.threads)
        self.network = self.build(settings)
        fill(self.network, context.checkpoint, partial(type(self).load, settings))
        self.network.to(context.device).eval()
        self.device = context.device
        self.bf16 = use_bf16(settings["precision"], context.device)
        to_channels_last(self.network)
        keep_freed_memory()

    @classmethod
    @abstractmethod
    def build(cls, settings: Settings) -> nn.Module:
        """A fresh network of the variant that the settings describe."""

    @classmethod
    def loss(cls, settings: Settings, pair: Draw, field: torch.Tensor) -> torch.Tensor:
        """The loss of a pair's voxel field (1, 3, X, Y, Z): in training, validation, fine-tuning.

        A pair's labels may be None.
        """
        weights = settings["lambda"], settings["fold_weight"], settings["fold_sum_weight"]
        return loss(pair.moving, pair.fixed_features, field, *weights)

    @classmethod
    def training_step(
        cls, recipe: Recipe, network: nn.Module, optimizer: torch.optim.Optimizer, pair: Draw
    ) -> torch.Tensor:
        """Change the network's weights by one pair; the loss before.

        All state belongs into the network and the optimizer: nothing else is saved.
        """
        _, value = recipe.field_and_loss(network, pair)
        recipe.descend(network, optimizer, value)
        return value

    @classmethod
    def save(cls, settings: Settings, file: IO[bytes], weights: dict[str, torch.Tensor]) -> None:
        """Write the `state_dict` of a trained network, on the processor, into an open file."""
        save_to(file, {"identity": identity(cls, settings), "network": weights})

    @classmethod
    def load(cls, settings: Settings, file: Path) -> dict[str, torch.Tensor]:
        """The `state_dict` in a file that `save` wrote, or that somebody published.

        `torch.load` unpickles tensors and plain values only, whatever its arguments say.
        """
        return read_weights(file, identity(cls, settings))

    @classmethod
    def own(cls) -> list[str]:
        """What of the engine's the class overrides."""
        names = ("call", "loss", "training_step", "save", "load")
        first = {name: next(c for c in cls.__mro__ if name in vars(c)) for name in names}
        return [name for name in names if first[name] is not LearnedMethod]

    @torch.no_grad()
    def register(self, fixed: Volume, moving: Volume) -> Field:
        """One forward pass, of a copy that is fine-tuned on the pair where the settings say so."""
        how = self.device, bool(self.settings["rescale"])
        images = (to_input(moving, *how), to_input(fixed, *how))
        network = self.network
        if self.settings["instance_steps"]:
            recipe = Recipe(type(self), self.settings, self.device)
            network = fine_tuned(network, *images, recipe)
        field = forward(network, *images, self.multiple, type(self).call, bf16=self.bf16)
        return from_torch(field.cpu(), fixed.affine)


def identity(method: type[LearnedMethod], settings: Settings) -> dict[str, Any]:
    """What a checkpoint must agree with: the class and the settings of the network itself."""
    return {"method": method.__name__, "network": dict(settings["network"])}


def parameter_count(method: type[LearnedMethod], settings: Settings) -> int:
    """Number of trained parameters of a variant."""
    return sum(p.numel() for p in method.build(settings).parameters())


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
