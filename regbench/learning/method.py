"""The learned method: a plugin supplies its network, the engine does the rest."""

from abc import abstractmethod
from collections.abc import Mapping
from typing import Any

import torch

from regbench.base.errors import BadInput
from regbench.learning.checkpoint import load_weights
from regbench.learning.instance import fine_tuned
from regbench.learning.network import (
    forward,
    keep_freed_memory,
    to_channels_last,
    to_input,
    use_bf16,
)
from regbench.learning.recipe import Recipe
from regbench.plugins.interface import Context, Method
from regbench.spatial.convert import from_torch
from regbench.spatial.field import Field
from regbench.spatial.volume import Volume


class LearnedMethod(Method):
    """A network that maps (moving, fixed), (N, 2, X, Y, Z), to a voxel field (N, 3, X, Y, Z).

    A subclass builds the network, and states what the sides of its input must be multiples of.
    """

    #: Sides of the network's input must be multiples of this; inputs are padded and cropped.
    multiple = 16

    def __init__(self, settings: Mapping[str, Any], context: Context) -> None:
        super().__init__(settings, context)
        if context.checkpoint is None:
            raise BadInput("a learned method needs a checkpoint", expected="--checkpoint FILE")
        torch.set_num_threads(context.threads)
        self.network = self.build(settings)
        load_weights(context.checkpoint, self.network, identity(type(self), settings))
        self.network.to(context.device).eval()
        self.device = context.device
        self.bf16 = use_bf16(settings["precision"], context.device)
        to_channels_last(self.network)
        if settings["instance_steps"]:
            keep_freed_memory()

    @classmethod
    @abstractmethod
    def build(cls, settings: Mapping[str, Any]) -> torch.nn.Module:
        """A fresh network of the variant that the settings describe."""

    @torch.no_grad()
    def register(self, fixed: Volume, moving: Volume) -> Field:
        """One forward pass, of a copy that is fine-tuned on the pair where the settings say so."""
        how = self.device, bool(self.settings["rescale"])
        images = (to_input(moving, *how), to_input(fixed, *how))
        network = self.network
        if self.settings["instance_steps"]:
            recipe = Recipe.of(self.settings, self.multiple, self.device)
            network = fine_tuned(network, *images, recipe, self.settings)
        field = forward(network, *images, self.multiple, bf16=self.bf16)
        return from_torch(field.cpu(), fixed.affine)


def identity(method: type[LearnedMethod], settings: Mapping[str, Any]) -> dict[str, Any]:
    """What a checkpoint must agree with: the class and the settings of the network itself."""
    return {"method": method.__name__, "network": dict(settings["network"])}


def parameter_count(method: type[LearnedMethod], settings: Mapping[str, Any]) -> int:
    """Number of trained parameters of a variant."""
    return sum(p.numel() for p in method.build(settings).parameters())
