"""A network that maps a pair of images to a displacement field.

A working start: change it into your network. Loss, training, checkpoints and resuming are the
engine's.
"""

from collections.abc import Mapping
from typing import Any

import torch
from torch import nn
from torch.nn import functional

from regbench.learning.method import LearnedMethod


class Network(LearnedMethod):
    """The method: it says what the network is, and what the sides of its input are multiples of."""

    #: Images are padded to it, and the field is cropped.
    multiple = 4

    @classmethod
    def build(cls, settings: Mapping[str, Any]) -> nn.Module:
        """A fresh network of the variant that the settings describe."""
        return SmallUNet(settings["network"]["channels"])


class SmallUNet(nn.Module):
    """Two levels down, two up, and a flow head that starts near the identity."""

    def __init__(self, channels: int) -> None:
        super().__init__()
        self.first = block(2, channels)
        self.second = block(channels, 2 * channels, stride=2)
        self.third = block(2 * channels, 2 * channels, stride=2)
        self.fourth = block(4 * channels, channels)
        self.fifth = block(2 * channels, channels)
        self.flow = nn.Conv3d(channels, 3, 3, padding=1, bias=False)
        nn.init.normal_(self.flow.weight, std=1e-2)

    def forward(self, pair: torch.Tensor) -> torch.Tensor:
        """The field (N, 3, X, Y, Z), voxels, of (N, 2, X, Y, Z): moving and fixed image."""
        fine = self.first(pair)
        middle = self.second(fine)
        found = self.fourth(torch.cat([up(self.third(middle)), middle], dim=1))
        found = self.fifth(torch.cat([up(found), fine], dim=1))
        field: torch.Tensor = self.flow(found)
        return field


def block(inputs: int, outputs: int, stride: int = 1) -> nn.Sequential:
    """A convolution; with a stride of 2, at half the resolution."""
    return nn.Sequential(nn.Conv3d(inputs, outputs, 3, stride=stride, padding=1), nn.LeakyReLU(0.2))


def up(features: torch.Tensor) -> torch.Tensor:
    """Twice the resolution."""
    return functional.interpolate(features, scale_factor=2, mode="nearest")
