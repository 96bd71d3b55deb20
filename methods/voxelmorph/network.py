"""VoxelMorph's U-Net (Balakrishnan et al., CVPR 2018), in its two published sizes."""

import torch
from torch import nn

from regbench.learning.layers import FlowHead, UpsampledConv3d, he_normal

SLOPE = 0.2


def activated(layer: nn.Conv3d) -> list[nn.Module]:
    """A convolution, freshly drawn, and LeakyReLU."""
    he_normal(layer, SLOPE)
    return [layer, nn.LeakyReLU(SLOPE, inplace=True)]


def conv(inputs: int, outputs: int, stride: int = 1) -> nn.Sequential:
    """3x3x3 convolution and LeakyReLU."""
    return nn.Sequential(*activated(nn.Conv3d(inputs, outputs, 3, stride, 1)))


class Chain(nn.Sequential):
    """Two layers, the first of which takes features and a skip."""

    def forward(  # type: ignore[override]
        self, low: torch.Tensor, skip: torch.Tensor
    ) -> torch.Tensor:
        first, second = self
        x: torch.Tensor = second(first(low, skip))
        return x


def up(inputs: int, outputs: int) -> Chain:
    """3x3x3 convolution of upsampled features and a skip, and LeakyReLU."""
    return Chain(*activated(UpsampledConv3d(inputs, outputs)))


class VoxelMorph(nn.Module):
    """(N, 2, X, Y, Z) moving and fixed image to a voxel field (N, 3, X, Y, Z).

    Args:
        size: 1 or 2, the published VM-1 and VM-2; the latter is wider at the end.
    """

    def __init__(self, size: int) -> None:
        super().__init__()
        if size not in (1, 2):
            raise ValueError(f"VoxelMorph comes in sizes 1 and 2, not {size!r}")
        self.encoder = nn.ModuleList(
            [conv(2, 16, 2), conv(16, 32, 2), conv(32, 32, 2), conv(32, 32, 2)]
        )
        self.decoder = nn.ModuleList([conv(32, 32), up(64, 32), up(64, 32), up(48, 32)])
        if size == 1:
            self.middle = conv(32, 8)
            self.full = up(10, 8)
            last = 8
        else:
            self.middle = conv(32, 32)
            self.full = Chain(up(34, 16), conv(16, 16))
            last = 16
        self.flow = FlowHead(last)

    def forward(self, pair: torch.Tensor) -> torch.Tensor:
        skips = []
        x = pair
        for layer in self.encoder:
            x = layer(x)
            skips.append(x)
        x = self.decoder[0](skips.pop())
        for layer in list(self.decoder)[1:]:
            x = layer(x, skips.pop())
        x = self.full(self.middle(x), pair)
        field: torch.Tensor = self.flow(x)
        return field
