"""Layers as torch has them, but for rounding, where torch takes a slow way to the same numbers.

The engine makes a network's layers into these (`to_channels_last`). A layer has the same weights
under the same names.
"""

from typing import Any

import torch
from torch import nn
from torch.autograd.function import once_differentiable

from regbench.learning.blocks import of_blocks, of_upsampled
from regbench.learning.convolution import convolution, convolve, in_kind
from regbench.learning.layers import UpsampledConv3d

#: With fewer voxels before upsampling, the weights' sums take longer than they save.
_FEW_VOXELS = 1000
#: Smaller kernels take no longer as they are.
_LARGE = 7


class FastConv3d(nn.Conv3d):
    """What a network's `nn.Conv3d` is made into: the same layer, by `of_blocks` or `convolve`."""

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        if _is_large(self) and _has_blocks(x):
            return of_blocks(x, self.weight, self.bias)
        return convolve(self, x)


def _has_blocks(x: torch.Tensor) -> bool:
    return x.dim() == 5 and x.device.type == "cpu" and all(n % 2 == 0 for n in x.shape[2:])


def _is_large(layer: nn.Conv3d) -> bool:
    """Whether a layer's kernel is large and keeps the size, and channels of a block are few."""
    size = layer.kernel_size[0]
    plain = layer.groups == 1 and {*layer.stride, *layer.dilation} == {1}
    same = layer.padding == (size // 2,) * 3 and layer.padding_mode == "zeros"
    cubic = {*layer.kernel_size} == {size} and size % 2 == 1 and size >= _LARGE
    return plain and same and cubic and layer.in_channels <= 2


class FastUpsampledConv3d(UpsampledConv3d):
    """A convolution of upsampled features and others as the sum of two: `of_upsampled`."""

    def forward(  # type: ignore[override]
        self, low: torch.Tensor, beside: torch.Tensor
    ) -> torch.Tensor:
        voxels, channels = low[0, 0].numel(), low.shape[1]
        sides = tuple(2 * side for side in low.shape[2:])
        if low.device.type != "cpu" or voxels < _FEW_VOXELS or beside.shape[2:] != sides:
            return convolve(self, self.joined(low, beside))
        result = of_upsampled(low, self.weight[:, :channels])
        how = (1, 1, 1), (1, 1, 1), (1, 1, 1), 1
        # In place: no more memory for a whole volume.
        return result.add_(convolution(beside, self.weight[:, channels:], self.bias, *how))


class FastConvTranspose3d(nn.ConvTranspose3d):
    """A transposed convolution as what it is: the gradient of a convolution by its input.

    On a processor torch has oneDNN compute that gradient, and computes this layer itself, up to
    twenty times as slowly.
    """

    def forward(self, x: torch.Tensor, output_size: list[int] | None = None) -> torch.Tensor:
        if output_size is not None or x.dim() != 5 or x.device.type != "cpu":
            return super().forward(x, output_size)
        size = [
            (side - 1) * step - 2 * around + apart * (kernel - 1) + more + 1
            for side, step, around, apart, kernel, more in zip(
                x.shape[2:],
                self.stride,
                self.padding,
                self.dilation,
                self.kernel_size,
                self.output_padding,
                strict=True,
            )
        ]
        how = list(self.stride), list(self.padding), list(self.dilation), self.groups
        result: torch.Tensor = _Transposed.apply(in_kind(x), in_kind(self.weight), size, how)
        if self.bias is None:
            return result
        return result + self.bias.to(result.dtype).view(-1, 1, 1, 1)


class _Transposed(torch.autograd.Function):
    @staticmethod
    def forward(ctx: Any, x: torch.Tensor, weight: torch.Tensor, size: Any, how: Any) -> Any:
        ctx.save_for_backward(x, weight)
        ctx.how = how
        # Its values are not looked at.
        like = torch.empty(
            (len(x), weight.shape[1] * how[-1], *size),
            dtype=x.dtype,
            memory_format=torch.channels_last_3d,
        )
        return _backward(x, like, weight, how, [True, False, False])[0]

    @staticmethod
    @once_differentiable
    def backward(ctx: Any, gradient: torch.Tensor) -> Any:
        x, weight = ctx.saved_tensors
        of_x = of_weight = None
        # Of frozen weights, and of a network's input, nobody asks for a gradient.
        if ctx.needs_input_grad[0]:
            of_x = convolution(gradient, weight, None, *ctx.how)
        if ctx.needs_input_grad[1]:
            of_weight = _backward(x, gradient, weight, ctx.how, [False, True, False])[1]
        return of_x, of_weight, None, None


def _backward(
    gradient: torch.Tensor, x: torch.Tensor, weight: torch.Tensor, how: Any, wanted: list[bool]
) -> Any:
    stride, padding, dilation, groups = how
    other = [stride, padding, dilation, False, [0, 0, 0], groups]
    return torch.ops.aten.convolution_backward(gradient, x, weight, None, *other, wanted)


class FastPReLU(nn.PReLU):
    """A PReLU whose gradient is computed in whole passes: torch's takes five times as long."""

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        if x.dim() < 2 or x.device.type != "cpu":
            return super().forward(x)
        result: torch.Tensor = _PReLU.apply(in_kind(x), self.weight)
        return result


class _PReLU(torch.autograd.Function):
    @staticmethod
    def forward(ctx: Any, x: torch.Tensor, slopes: torch.Tensor) -> torch.Tensor:
        ctx.save_for_backward(x, slopes)
        # Torch takes one pass for the values.
        return torch.prelu(x, slopes.to(x.dtype))

    @staticmethod
    @once_differentiable
    def backward(ctx: Any, gradient: torch.Tensor) -> Any:
        x, slopes = ctx.saved_tensors
        above = torch.ops.aten.threshold_backward(gradient, x, 0)
        below = gradient - above
        of_x = of_slopes = None
        if ctx.needs_input_grad[1]:
            others = [axis for axis in range(x.dim()) if axis != 1 or len(slopes) == 1]
            of_slopes = (below * x).sum(others).to(slopes.dtype).view_as(slopes)
        if ctx.needs_input_grad[0]:
            factors = slopes.to(x.dtype).view(-1, *[1] * (x.dim() - 2))
            of_x = above.add_(below.mul_(factors))
        return of_x, of_slopes


#: What the engine makes a network's layers into, by their class.
FAST: dict[type[nn.Module], type[nn.Module]] = {
    nn.Conv3d: FastConv3d,
    UpsampledConv3d: FastUpsampledConv3d,
    nn.ConvTranspose3d: FastConvTranspose3d,
    nn.PReLU: FastPReLU,
}
