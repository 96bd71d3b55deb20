"""The learned method: a plugin supplies its network, everything else is here."""

from abc import abstractmethod
from collections.abc import Mapping
from typing import Any

import torch

from regbench.base.errors import BadInput
from regbench.learning.checkpoint import load_weights
from regbench.learning.precision import autocast, bf16_is_right, use_bf16
from regbench.learning.tensors import crop_to, pad_to_multiple, to_input
from regbench.plugins.interface import Context, Method
from regbench.spatial.convert import from_torch
from regbench.spatial.field import Field
from regbench.spatial.volume import Volume


class LearnedMethod(Method):
    """A network that maps (moving, fixed), (N, 2, X, Y, Z), to a voxel field (N, 3, X, Y, Z).

    A subclass says what the network is, and what the sides of its input must be multiples of.
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

    @classmethod
    @abstractmethod
    def build(cls, settings: Mapping[str, Any]) -> torch.nn.Module:
        """A fresh network of the variant that the settings describe."""

    def register(self, fixed: Volume, moving: Volume) -> Field:
        """One forward pass."""
        still, other = (to_input(volume).to(self.device) for volume in (fixed, moving))
        with torch.no_grad():
            field = forward(self.network, other, still, self.multiple, bf16=self.bf16)
        return from_torch(field.cpu(), fixed.affine)


def to_channels_last(network: torch.nn.Module) -> None:
    """Lay the weights out with channels last, in place: convolutions are faster so."""
    network.to(memory_format=torch.channels_last_3d)  # type: ignore[call-overload]


def has_channels_last(network: torch.nn.Module) -> bool:
    """Whether a network's weights are laid out so; its input is best laid out alike."""
    return any(not weight.is_contiguous() for weight in network.parameters())


def forward(
    network: torch.nn.Module,
    moving: torch.Tensor,
    fixed: torch.Tensor,
    multiple: int,
    *,
    bf16: bool,
) -> torch.Tensor:
    """The network's field for a pair of any size, float32."""
    pair = pad_to_multiple(torch.cat([moving, fixed], dim=1), multiple)
    kind = pair.device.type
    bf16 = bf16 and (kind != "cpu" or bf16_is_right(pair.shape[2], multiple))
    if has_channels_last(network):
        pair = pair.contiguous(memory_format=torch.channels_last_3d)
    with autocast(bf16, kind):
        field: torch.Tensor = network(pair)
    return crop_to(field.float(), moving.shape)


def identity(method: type[LearnedMethod], settings: Mapping[str, Any]) -> dict[str, Any]:
    """What a checkpoint must agree on: the class and the settings of the network itself."""
    return {"method": method.__name__, "network": dict(settings["network"])}


def parameter_count(method: type[LearnedMethod], settings: Mapping[str, Any]) -> int:
    """Number of trained parameters of a variant."""
    return sum(p.numel() for p in method.build(settings).parameters())
