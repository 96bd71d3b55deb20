"""Layers of registration networks: the flow head, fast convolutions, and initial weights."""

import torch
from torch import nn
from torch.nn import functional

#: If a slice across the last axis has no more values than this, torch leaves a float32 convolution
#: of a single volume to a matrix product of its own, which takes up to fifteen times oneDNN's time.
#: It never does so with a convolution in groups. Source: `use_mkldnn` in torch 2.13's
#: Convolution.cpp.
_FEW_VALUES = 20480
#: With fewer input channels the matrix product is not slower.
_FEW_CHANNELS = 8
#: Convolutions, including transposed ones.
Convolution = nn.Conv3d | nn.ConvTranspose3d
Padding = tuple[int, int, int] | None


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


class FastConv3d(nn.Conv3d):
    """What a network's `nn.Conv3d` is made into: the same layer, by `convolve`."""

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return convolve(self, x)


def convolve(layer: nn.Conv3d, x: torch.Tensor, padding: Padding = None) -> torch.Tensor:
    """A layer's convolution of (N, C, X, Y, Z), as fast as torch can; the same but for rounding.

    Args:
        layer: says how.
        x: its input.
        padding: with zeros, in place of the layer's.
    """
    weight, bias = layer.weight, layer.bias
    around: tuple[int, ...] | str = layer.padding if padding is None else padding
    if layer.padding_mode != "zeros":
        return nn.Conv3d.forward(layer, x)
    if _is_left_out(layer, x):
        if not torch.is_grad_enabled() and not isinstance(around, str):
            how = around, layer.stride, layer.dilation
            return torch.mkldnn_convolution(x, weight, bias, *how, 1)
        half = layer.in_channels // 2
        if 2 * half == layer.in_channels >= _FEW_CHANNELS:
            # The two halves of the channels, side by side; their sum is the convolution.
            halves = torch.cat([weight[:, :half], weight[:, half:]])
            one, two = functional.conv3d(
                x, halves, None, layer.stride, around, layer.dilation, 2
            ).chunk(2, dim=1)
            result = one + two
            return result if bias is None else result + bias.view(-1, 1, 1, 1)
    return functional.conv3d(x, weight, bias, layer.stride, around, layer.dilation, layer.groups)


def _is_left_out(layer: nn.Conv3d, x: torch.Tensor) -> bool:
    """Whether torch would leave a layer's convolution to its own matrix product."""
    return (
        x.dim() == 5
        and (x.device.type, x.dtype, len(x)) == ("cpu", torch.float32, 1)
        and not torch.is_autocast_enabled("cpu")
        and torch.backends.mkldnn.is_available()
        and bool(torch.backends.mkldnn.enabled)
        and layer.groups == 1
        and max(layer.kernel_size) > 1
        and min(layer.kernel_size[1:]) <= 3
        and x[0, ..., 0].numel() <= _FEW_VALUES
    )


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
