"""F3RNet: a full-resolution stream and a multi-scale stream that exchange residuals (Xu 2021)."""

from collections.abc import Collection

import torch
from torch import nn
from torch.nn import functional

from regbench.learning.layers import FlowHead, he_normal

from .scales import add_upsampled, shrink, upsample
from .slabs import in_slabs

SLOPE = 0.2
#: A fresh residual's size against what it is added to: small, so that a sum of many stays bounded.
RESIDUAL = 0.1
#: Groups of convolutions that a variant may factorise (the paper's Table 1).
GROUPS = ("FR", "Enc", "Dec", "More", "Low")


class F3D(nn.Sequential):
    """A 3x3x3 convolution factorised into 3x3x1 in the slice and 1x1x3 across (Section 2.4)."""

    def __init__(self, inputs: int, outputs: int) -> None:
        super().__init__(
            nn.Conv3d(inputs, outputs, (3, 3, 1), padding=(1, 1, 0)),
            nn.Conv3d(outputs, outputs, (1, 1, 3), padding=(0, 0, 1)),
        )


def conv3(inputs: int, outputs: int, *, factorised: bool) -> nn.Module:
    """A 3x3x3 convolution or its drop-in F3D."""
    if factorised:
        return F3D(inputs, outputs)
    return nn.Conv3d(inputs, outputs, 3, padding=1)


class ResidualBlock(nn.Module):
    """RB(z) = z + [conv3-LReLU-conv3-LReLU](z) (Section 2.2, Eq. 1).

    Without gradients z is overwritten, if it is large.
    """

    def __init__(self, channels: int, *, factorised: bool) -> None:
        super().__init__()
        self.body = nn.Sequential(
            conv3(channels, channels, factorised=factorised),
            nn.LeakyReLU(SLOPE, inplace=True),
            conv3(channels, channels, factorised=factorised),
            nn.LeakyReLU(SLOPE, inplace=True),
        )

    def forward(self, z: torch.Tensor) -> torch.Tensor:
        return in_slabs(self.body, z, residual=True)


class MultiScaleBlock(nn.Module):
    """MRB: full-resolution features enter at scale 1/k, their residual comes back (Eq. 2).

    h' = RB(LReLU(conv3([maxpool_k(l), h]))), l' = l + upsample_k(conv1(h')). Without gradients l is
    overwritten.
    """

    def __init__(self, scale: int, low: int, high: int, outputs: int, *, factorised: bool) -> None:
        super().__init__()
        self.scale = scale
        self.fuse = conv3(low + high, outputs, factorised=factorised)
        self.block = ResidualBlock(outputs, factorised=factorised)
        self.bottleneck = nn.Conv3d(outputs, low, 1)

    def forward(self, l: torch.Tensor, h: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:  # noqa: E741
        joined = torch.cat([shrink(l, self.scale), h], dim=1)
        h = self.block(functional.leaky_relu(self.fuse(joined), SLOPE, inplace=True))
        return add_upsampled(l, self.bottleneck(h), self.scale), h


def initialise(module: nn.Module) -> None:
    """Draw a module's weights, after its children's: the signal keeps its size on the way."""
    if isinstance(module, nn.Conv3d):
        he_normal(module, SLOPE)
    elif isinstance(module, F3D):
        # No activation lies between its two convolutions.
        he_normal(module[0], 1.0)
    elif isinstance(module, ResidualBlock):
        last = module.body[2]
        (last[1] if isinstance(last, F3D) else last).weight.data.mul_(RESIDUAL)
    elif isinstance(module, MultiScaleBlock):
        he_normal(module.bottleneck, 1.0, RESIDUAL)


class F3RNet(nn.Module):
    """(N, 2, X, Y, Z) moving and fixed image to a voxel field (N, 3, X, Y, Z).

    Args:
        factorised: groups of GROUPS whose 3x3x3 convolutions become F3D.
        more: two extra MRBs at the lowest resolution.
    """

    def __init__(self, factorised: Collection[str] = (), *, more: bool = False) -> None:
        super().__init__()
        unknown = sorted(set(factorised) - set(GROUPS))
        if unknown:
            raise ValueError(f"unknown group {unknown[0]!r}; there are {', '.join(GROUPS)}")
        full, enc, dec, extra, low = (group in factorised for group in GROUPS)
        self.stem = conv3(2, 16, factorised=full)
        self.head = nn.Sequential(*(ResidualBlock(16, factorised=full) for _ in range(2)))
        self.mrb1 = MultiScaleBlock(2, 16, 16, 16, factorised=enc)
        self.mrb2 = MultiScaleBlock(4, 16, 16, 16, factorised=enc)
        self.mrb3 = MultiScaleBlock(8, 16, 16, 32, factorised=enc)
        self.low = conv3(32, 32, factorised=low)
        self.low_block = ResidualBlock(32, factorised=low)
        self.more = nn.ModuleList(
            MultiScaleBlock(16, 16, 32, 32, factorised=extra) for _ in range(2 if more else 0)
        )
        self.mrb4 = MultiScaleBlock(4, 16, 32, 16, factorised=dec)
        self.mrb5 = MultiScaleBlock(2, 16, 16, 16, factorised=dec)
        self.tail = nn.Sequential(
            ResidualBlock(16, factorised=full),
            conv3(16, 16, factorised=full),
            nn.LeakyReLU(SLOPE, inplace=True),
            ResidualBlock(16, factorised=full),
            conv3(16, 16, factorised=full),
            nn.LeakyReLU(SLOPE, inplace=True),
        )
        self.apply(initialise)
        self.flow = FlowHead(16)

    def forward(self, pair: torch.Tensor) -> torch.Tensor:
        first = in_slabs((self.stem, self.tail[2]), pair)
        # Without gradients the head overwrites its input.
        kept = first if torch.is_grad_enabled() else first.clone()
        l, h1 = self.mrb1(self.head(first), shrink(kept, 2))  # noqa: E741
        del first, kept
        l, h2 = self.mrb2(l, shrink(h1, 2))  # noqa: E741
        l, h3 = self.mrb3(l, shrink(h2, 2))  # noqa: E741
        h = functional.leaky_relu(self.low(shrink(h3, 2)), SLOPE, inplace=True)
        h = self.low_block(h)
        for block in self.more:
            l, h = block(l, h)  # noqa: E741
        h = upsample(h, 2) + h3
        l, h = self.mrb4(l, upsample(h, 2))  # noqa: E741
        l, _ = self.mrb5(l, upsample(h + h2, 2) + h1)  # noqa: E741
        if torch.is_grad_enabled():
            field: torch.Tensor = self.flow(self.tail(l))
            return field
        for block, convolved in ((self.tail[0], self.tail[1:3]), (self.tail[3], self.tail[4:])):
            l = in_slabs(convolved, block(l))  # noqa: E741
        return in_slabs((self.flow,), l)
