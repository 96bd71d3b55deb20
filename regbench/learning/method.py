"""The learned method: a plugin supplies its network, the engine does the rest.

A plugin may do more itself: how its network is called, the loss, a step of the training, and the
format of its checkpoints. What it leaves alone is the paper's recipe.
"""

from abc import abstractmethod
from collections.abc import Mapping
from functools import partial
from pathlib import Path
from typing import IO, Any, ClassVar

import torch
from torch import nn

from regbench.base.errors import BadInput
from regbench.learning.checkpoint import fill, read_weights, save_to
from regbench.learning.loss import loss
from regbench.learning.network import (
    Call,
    forward,
    keep_freed_memory,
    to_channels_last,
    to_input,
    use_bf16,
)
from regbench.learning.pairs import Draw
from regbench.learning.recipe import Recipe, fine_tuned
from regbench.plugins.interface import Context, Method
from regbench.spatial.convert import from_torch
from regbench.spatial.field import Field
from regbench.spatial.volume import Volume

Settings = Mapping[str, Any]


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
