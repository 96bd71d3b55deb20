"""Layers as torch has them, but for rounding, where torch takes a slow way to the same numbers.

The engine makes a network's layers into these (`to_channels_last`). A layer has the same weights
under the same names.
"""

from typing import Any

import torch
from torch import nn
from torch.autograd.function import once_differentiable
from torch.nn import functional

#: If a slice across the last axis has no more values than this, torch leaves a float32 convolution
#: of a single volume to a matrix product of its own, which takes up to fifteen times oneDNN's time.
#: It never does so with a convolution in groups. Source: `use_mkldnn` in torch 2.13's
#: Convolution.cpp.
_FEW_VALUES = 20480
#: With fewer input channels the matrix product is not slower.
_FEW_CHANNELS = 8
#: Channels that a processor computes at once: fewer take as long.
_LANES = 16
Padding = tuple[int, int, int] | None


def convolve(layer: nn.Conv3d, x: torch.Tensor, padding: Padding = None) -> torch.Tensor:
    """A layer's convolution of (N, C, X, Y, Z), as fast as torch can; the same but for rounding.

    Args:
        layer: says how.
        x: its input.
        padding: with zeros, in place of the layer's.
    """
    around: tuple[int, ...] | str = layer.padding if padding is None else padding
    if layer.padding_mode != "zeros":
        return nn.Conv3d.forward(layer, x)
    unit = layer.groups == 1 and {*layer.stride, *layer.dilation} == {1}
    if unit and x.dim() == 5 and not isinstance(around, str):
        if has_few_outputs(layer, x) and around[2] == 1:
            return by_slices(layer, x, around)
        if has_few_inputs(layer, x):
            return unfolded(layer, x, around)
    how = layer.stride, around, layer.dilation, layer.groups
    return _convolution(x, layer.weight, layer.bias, *how)


def _convolution(
    x: torch.Tensor,
    weight: torch.Tensor,
    bias: torch.Tensor | None,
    stride: tuple[int, ...],
    around: tuple[int, ...] | str,
    dilation: tuple[int, ...],
    groups: int,
) -> torch.Tensor:
    if groups == 1 and _is_left_out(x, weight.shape[2:]):
        if not torch.is_grad_enabled() and not isinstance(around, str):
            return torch.mkldnn_convolution(x, weight, bias, around, stride, dilation, 1)
        half = weight.shape[1] // 2
        if 2 * half == weight.shape[1] >= _FEW_CHANNELS:
            # The two halves of the channels, side by side; their sum is the convolution.
            halves = torch.cat([weight[:, :half], weight[:, half:]])
            one, two = functional.conv3d(x, halves, None, stride, around, dilation, 2).chunk(2, 1)
            result = one + two
            return result if bias is None else result + bias.view(-1, 1, 1, 1)
    return functional.conv3d(x, weight, bias, stride, around, dilation, groups)


def _is_left_out(x: torch.Tensor, kernel: torch.Size) -> bool:
    """Whether torch would leave a convolution to its own matrix product."""
    return (
        (x.dim(), x.device.type, x.dtype, len(x)) == (5, "cpu", torch.float32, 1)
        and not torch.is_autocast_enabled("cpu")
        and torch.backends.mkldnn.is_available()
        and bool(torch.backends.mkldnn.enabled)
        and max(kernel) > 1
        and min(kernel[1:]) <= 3
        and x[0, ..., 0].numel() <= _FEW_VALUES
    )


def has_few_outputs(layer: nn.Conv3d, x: torch.Tensor) -> bool:
    """Whether the outputs of all three slices of a kernel fit the lanes of a processor."""
    single = x.dtype == torch.float32 and not torch.is_autocast_enabled(x.device.type)
    return single and layer.kernel_size[2] == 3 and 3 * layer.out_channels <= _LANES


def by_slices(layer: nn.Conv3d, x: torch.Tensor, around: tuple[int, ...]) -> torch.Tensor:
    """A convolution's slices across the last axis side by side, then moved by one and summed.

    Three output channels of a flow head leave most lanes empty; nine take half the time.
    """
    slices = layer.weight.permute(4, 0, 1, 2, 3).flatten(0, 1).unsqueeze(-1)
    slices = slices.contiguous(memory_format=torch.channels_last_3d)
    flat = _convolution(x, slices, None, (1, 1, 1), (*around[:2], 0), (1, 1, 1), 1)
    result: torch.Tensor = _SumOfSlices.apply(flat)
    # In place: nine channels of a whole volume are in memory already.
    return result if layer.bias is None else result.add_(layer.bias.view(-1, 1, 1, 1))


def has_few_inputs(layer: nn.Conv3d, x: torch.Tensor) -> bool:
    """Whether a GPU's tensor cores would compute mostly padding of a large kernel's channels."""
    kind = x.device.type
    bf16 = torch.is_autocast_enabled(kind) and torch.get_autocast_dtype(kind) == torch.bfloat16
    return bf16 and kind == "cuda" and layer.in_channels <= 2 and layer.kernel_size[2] >= 5


def unfolded(layer: nn.Conv3d, x: torch.Tensor, around: tuple[int, ...]) -> torch.Tensor:
    """A convolution whose kernel has one voxel across the last axis: the others are channels.

    On an H100, 11x11x11 from 2 to 8 channels in bf16 takes a third of the time.
    """
    side = layer.kernel_size[2]
    moved = functional.pad(_in_kind(x), (around[2],) * 2).unfold(4, side, 1).movedim(5, 2)
    moved = moved.flatten(1, 2).contiguous(memory_format=torch.channels_last_3d)
    weight = layer.weight.movedim(4, 2).flatten(1, 2).unsqueeze(-1)
    return functional.conv3d(moved, weight, layer.bias, padding=(*around[:2], 0))


class _SumOfSlices(torch.autograd.Function):
    """(N, 3 C, X, Y, Z), what the three slices of a kernel give, to (N, C, X, Y, Z)."""

    @staticmethod
    def forward(ctx: Any, flat: torch.Tensor) -> torch.Tensor:
        before, here, after = flat.chunk(3, dim=1)
        result = here.clone()
        result[..., 1:] += before[..., :-1]
        result[..., :-1] += after[..., 1:]
        return result

    @staticmethod
    @once_differentiable
    def backward(ctx: Any, gradient: torch.Tensor) -> torch.Tensor:
        # The convolution would lay it out like its input.
        gradient = gradient.contiguous(memory_format=torch.channels_last_3d)
        before = functional.pad(gradient[..., 1:], (0, 1))
        after = functional.pad(gradient[..., :-1], (1, 0))
        return torch.cat([before, gradient, after], dim=1)


class FastConv3d(nn.Conv3d):
    """What a network's `nn.Conv3d` is made into: the same layer, by `convolve`."""

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return convolve(self, x)


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
        result: torch.Tensor = _Transposed.apply(_in_kind(x), _in_kind(self.weight), size, how)
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
            of_x = _convolution(gradient, weight, None, *ctx.how)
        if ctx.needs_input_grad[1]:
            of_weight = _backward(x, gradient, weight, ctx.how, [False, True, False])[1]
        return of_x, of_weight, None, None


def _backward(
    gradient: torch.Tensor, x: torch.Tensor, weight: torch.Tensor, how: Any, wanted: list[bool]
) -> Any:
    stride, padding, dilation, groups = how
    other = [stride, padding, dilation, False, [0, 0, 0], groups]
    return torch.ops.aten.convolution_backward(gradient, x, weight, None, *other, wanted)


def _in_kind(x: torch.Tensor) -> torch.Tensor:
    """In the numbers in which autocast would give it to a convolution."""
    kind = x.device.type
    return x.to(torch.get_autocast_dtype(kind)) if torch.is_autocast_enabled(kind) else x


class FastPReLU(nn.PReLU):
    """A PReLU whose gradient is computed in whole passes: torch's takes five times as long."""

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        if x.dim() < 2 or x.device.type != "cpu":
            return super().forward(x)
        result: torch.Tensor = _PReLU.apply(_in_kind(x), self.weight)
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
    nn.ConvTranspose3d: FastConvTranspose3d,
    nn.PReLU: FastPReLU,
}
