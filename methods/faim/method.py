"""FAIM as a learned method: the engine trains it, this names its network."""

from collections.abc import Mapping
from typing import Any

from torch import nn

from regbench.learning.method import LearnedMethod

from .network import FAIM


class FAIMMethod(LearnedMethod):
    """FAIM, in the one variant that its authors released."""

    multiple = 4

    @classmethod
    def build(cls, settings: Mapping[str, Any]) -> nn.Module:
        """The network; it has no settings of its own."""
        return FAIM()
