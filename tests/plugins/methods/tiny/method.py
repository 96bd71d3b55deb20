"""The smallest learned method: what a plugin has to say, and no more."""

from collections.abc import Mapping
from typing import Any

from torch import nn

from regbench.learning.method import LearnedMethod


class Tiny(LearnedMethod):
    """Two convolutions."""

    multiple = 4

    @classmethod
    def build(cls, settings: Mapping[str, Any]) -> nn.Module:
        """A network of that many channels."""
        channels = settings["network"]["channels"]
        return nn.Sequential(
            nn.Conv3d(2, channels, 3, padding=1),
            nn.LeakyReLU(0.2),
            nn.Conv3d(channels, 3, 3, padding=1),
        )
