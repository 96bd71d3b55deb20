"""Layers of registration networks: the flow head, one after upsampling, and initial weights."""

import torch
from torch import nn
from torch.nn import functional

from regbench.learning.convolution import Padding, convolve

#: Convolutions, including transposed ones.
Convolution = nn.Conv3d | nn.ConvTranspose3d


class FlowHead(nn.Conv3d):
    """A 3x3x3 convolution of (N, C, X, Y, Z) features to a voxel field (N, 3, X, Y, Z).

    It computes in float32, whatever the number format of the rest of the network: displacements of
    whole voxels need more digits than bf16 has. Weights start as N(0, std) and the bias as 0, so
    that a fresh network's field is nearly 0.

    Args:
        channels: C.
        std: of the fresh weights.
    """

    def __init__(self, channels: int, std: float = 1e-5) -> None:
        super().__init__(channels, 3, 3, padding=1)
        nn.init.normal_(self.weight, std=std)
        if self.bias is not None:
            nn.init.zeros_(self.bias)

    def forward(self, features: torch.Tensor, padding: Padding = None) -> torch.Tensor:
        with torch.autocast(features.device.type, enabled=False):
            return convolve(self, features.float(), padding)


class UpsampledConv3d(nn.Conv3d):
    """A 3x3x3 convolution of features upsampled by two, nearest neighbour, and of others beside.

    Args:
        inputs: channels of the features and of the others together.
        outputs: O.
    """

    def __init__(self, inputs: int, outputs: int) -> None:
        super().__init__(inputs, outputs, 3, padding=1)

    @staticmethod
    def joined(low: torch.Tensor, beside: torch.Tensor) -> torch.Tensor:
        """What is convolved."""
        return torch.cat([functional.interpolate(low, scale_factor=2.0), beside], dim=1)

    def forward(  # type: ignore[override]
        self, low: torch.Tensor, beside: torch.Tensor
    ) -> torch.Tensor:
        """(N, C, X, Y, Z) and (N, D, 2 X, 2 Y, 2 Z) to (N, O, 2 X, 2 Y, 2 Z)."""
        return super().forward(self.joined(low, beside))


def he_normal(layer: Convolution, slope: float, scale: float = 1.0) -> None:
    """Draw a convolution's weights so that its output is as large as its input; the bias is 0.

    Torch's default shrinks the variance to about a sixth at each layer with LeakyReLU. After the
    ten to thirty layers of a network the images are no longer visible at the flow head, and
    hundreds of steps pass before anything is learned. Source: He et al. 2015.

    Args:
        layer: changed in place.
        slope: of the (leaky) ReLU that follows; 1 if none follows.
        scale: of the output, relative to the input.
    """
    nn.init.kaiming_normal_(layer.weight, a=slope)
    layer.weight.data.mul_(scale)
    if layer.bias is not None:
        nn.init.zeros_(layer.bias)
