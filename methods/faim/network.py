"""FAIM's network (Kuang and Schmah 2019), as its authors released it."""

import torch
from torch import nn
from torch.nn import functional

from regbench.learning.layers import FlowHead, he_normal

WIDTH = 32
#: Of a fresh PReLU.
SLOPE = 0.25
#: Sides of the parallel kernels that look at the image pair.
KERNELS = (11, 7, 5, 2)


def same(inputs: int, outputs: int, kernel: int) -> nn.Sequential:
    """A convolution that keeps the size; an even kernel looks one voxel further to the far end."""
    far, near = kernel // 2, (kernel - 1) // 2
    padding = nn.ConstantPad3d((near, far) * 3, 0.0) if far != near else nn.Identity()
    layer = nn.Conv3d(inputs, outputs, kernel, padding=near if far == near else 0)
    return nn.Sequential(padding, layer)


def initialise(module: nn.Module) -> None:
    """Draw a convolution's weights: the signal keeps its size on the way."""
    if isinstance(module, nn.Conv3d):
        he_normal(module, SLOPE)
    elif isinstance(module, nn.ConvTranspose3d):
        # At stride 2 a voxel meets an eighth of the kernel.
        he_normal(module, 1.0, 8**0.5)


class FAIM(nn.Module):
    """(N, 2, X, Y, Z) moving and fixed image to a voxel field (N, 3, X, Y, Z).

    Sides must be multiples of 4: the strided convolutions drop the last voxel, and the end of the
    way back is padded by it.
    """

    def __init__(self) -> None:
        super().__init__()
        self.look = nn.ModuleList(same(2, WIDTH // len(KERNELS), k) for k in KERNELS)
        self.down1 = nn.Conv3d(WIDTH, WIDTH, 3, stride=2)
        self.middle = same(WIDTH, WIDTH, 3)
        self.down2 = nn.Conv3d(WIDTH, WIDTH, 3, stride=2)
        self.bottom = same(WIDTH, WIDTH, 2)
        self.up1 = nn.ConvTranspose3d(WIDTH, WIDTH, 3, stride=2)
        self.back1 = same(WIDTH, WIDTH, 3)
        self.up2 = nn.ConvTranspose3d(WIDTH, WIDTH, 3, stride=2)
        self.back2 = same(WIDTH, WIDTH, 3)
        self.slopes = nn.ModuleList(nn.PReLU(WIDTH) for _ in range(5))
        self.apply(initialise)
        self.flow = FlowHead(WIDTH, std=1e-2)

    def forward(self, pair: torch.Tensor) -> torch.Tensor:
        full = self.slopes[0](torch.cat([look(pair) for look in self.look], dim=1))
        half = self.slopes[1](self.down1(full))
        low = self.slopes[2](self.down2(self.middle(half)))
        low = low + self.bottom(low)
        half = half + self.slopes[3](self.back1(self.up1(low)))
        padded = functional.pad(self.back2(self.up2(half)), (0, 1, 0, 1, 0, 1))
        field: torch.Tensor = self.flow(full + self.slopes[4](padded))
        return field
