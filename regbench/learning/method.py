"""The learned method: a plugin supplies its network, the engine does the rest.

A plugin may do more itself: how its network is called, the loss, a step of the training, and the
format of its checkpoints. What it leaves alone is the paper's recipe.
"""

from abc import abstractmethod
from collections.abc import Mapping
from functools import partial
from pathlib import Path
from typing import IO, Any

import torch

from regbench.base.errors import BadInput
from regbench.learning.checkpoint import fill, read_weights, save_to
from regbench.learning.instance import fine_tuned
from regbench.learning.loss import loss
from regbench.learning.network import (
    forward,
    keep_freed_memory,
    to_channels_last,
    to_input,
    use_bf16,
)
from regbench.learning.pairs import Draw
from regbench.learning.recipe import Recipe
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
        if settings["instance_steps"]:
            keep_freed_memory()

    @classmethod
    @abstractmethod
    def build(cls, settings: Settings) -> torch.nn.Module:
        """A fresh network of the variant that the settings describe."""

    @staticmethod
    def call(network: torch.nn.Module, moving: torch.Tensor, fixed: torch.Tensor) -> torch.Tensor:
        """The network's voxel field (N, 3, X, Y, Z) of padded images (N, 1, X, Y, Z)."""
        field: torch.Tensor = network(torch.cat([moving, fixed], dim=1))
        return field

    @classmethod
    def loss(cls, settings: Settings, pair: Draw, field: torch.Tensor) -> torch.Tensor:
        """The loss of a pair's voxel field (1, 3, X, Y, Z), a number with its gradient.

        It is minimised in training and fine-tuning, and measured in validation. Labels may be None.
        """
        weights = settings["lambda"], settings["fold_weight"], settings["fold_sum_weight"]
        return loss(pair.moving, pair.fixed_features, field, *weights)

    @classmethod
    def training_step(
        cls,
        settings: Settings,
        recipe: Recipe,
        network: torch.nn.Module,
        optimizer: torch.optim.Optimizer,
        pair: Draw,
    ) -> torch.Tensor:
        """Change the network's weights by one pair; the loss before.

        The learning rate is set. Keep all state in the network: nothing else is saved.
        """
        images = pair.moving, pair.fixed
        _, value = recipe.field_and_loss(network, *images, pair.fixed_features, pair.labels)
        recipe.descend(network, optimizer, value)
        return value

    @classmethod
    def save(cls, settings: Settings, opened: IO[bytes], weights: dict[str, torch.Tensor]) -> None:
        """Write a trained network's `state_dict` into an open file, which the engine puts in place.

        Weights are tensors on the processor.
        """
        save_to(opened, {"identity": identity(cls, settings), "network": weights})

    @classmethod
    def load(cls, settings: Settings, file: Path) -> dict[str, torch.Tensor]:
        """The `state_dict` in a file that `save` wrote, or that somebody published.

        `torch.load` unpickles tensors and plain values only, whatever its arguments say.
        """
        return read_weights(file, identity(cls, settings))

    @classmethod
    def own(cls) -> list[str]:
        """What the class does itself: the names of the engine's methods that it overrides."""
        names = ("call", "loss", "training_step", "save", "load")
        first = {name: next(c for c in cls.__mro__ if name in vars(c)) for name in names}
        return [name for name in names if first[name] is not LearnedMethod]

    @classmethod
    def recipe_of(cls, settings: Settings, device: str) -> Recipe:
        """The recipe that the settings state, with what the class does itself."""
        own = {name: getattr(cls, name) for name in cls.own()}
        return Recipe.of(
            settings,
            cls.multiple,
            device,
            call=own.get("call"),
            own_loss=partial(own["loss"], settings) if "loss" in own else None,
            own_step=partial(own["training_step"], settings) if "training_step" in own else None,
        )

    @torch.no_grad()
    def register(self, fixed: Volume, moving: Volume) -> Field:
        """One forward pass, of a copy that is fine-tuned on the pair where the settings say so."""
        how = self.device, bool(self.settings["rescale"])
        images = (to_input(moving, *how), to_input(fixed, *how))
        network = self.network
        if self.settings["instance_steps"]:
            recipe = self.recipe_of(self.settings, self.device)
            network = fine_tuned(network, *images, recipe, self.settings)
        call = type(self).call if "call" in self.own() else None
        field = forward(network, *images, self.multiple, bf16=self.bf16, call=call)
        return from_torch(field.cpu(), fixed.affine)


def identity(method: type[LearnedMethod], settings: Settings) -> dict[str, Any]:
    """What a checkpoint must agree with: the class and the settings of the network itself."""
    return {"method": method.__name__, "network": dict(settings["network"])}


def parameter_count(method: type[LearnedMethod], settings: Settings) -> int:
    """Number of trained parameters of a variant."""
    return sum(p.numel() for p in method.build(settings).parameters())
