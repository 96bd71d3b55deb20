"""F3RNet as a learned method: the engine trains it, this names its network."""

from collections.abc import Mapping
from typing import Any

from torch import nn

from regbench.learning.method import LearnedMethod

from .network import F3RNet


class F3RNetMethod(LearnedMethod):
    """F3RNet and its factorised variants."""

    multiple = 16

    @classmethod
    def build(cls, settings: Mapping[str, Any]) -> nn.Module:
        """The variant that `network` describes."""
        return F3RNet(settings["network"]["factorised"], more=settings["network"]["more"])
