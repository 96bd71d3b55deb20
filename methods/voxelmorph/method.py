"""VoxelMorph as a learned method: the engine trains it, this names its network."""

from collections.abc import Mapping
from typing import Any

from torch import nn

from regbench.learning.method import LearnedMethod

from .network import VoxelMorph


class VoxelMorphMethod(LearnedMethod):
    """VM-1 and VM-2."""

    multiple = 16

    @classmethod
    def build(cls, settings: Mapping[str, Any]) -> nn.Module:
        """The size that `network` names."""
        return VoxelMorph(settings["network"]["size"])
