"""Convolutions of volumes as torch has them, but for rounding, where torch takes a slow way."""

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
#: With fewer input channels, oneDNN is slow with groups of them.
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
    return convolution(x, layer.weight, layer.bias, *how)


def convolution(
    x: torch.Tensor,
    weight: torch.Tensor,
    bias: torch.Tensor | None,
    stride: tuple[int, ...],
    around: tuple[int, ...] | str,
    dilation: tuple[int, ...],
    groups: int,
) -> torch.Tensor:
    """`functional.conv3d`, but by oneDNN where torch has a slower way of its own."""
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
        if not isinstance(around, str) and _has_halves(x, weight, stride, around, dilation):
            return _halved(x, weight, bias, around)
    return functional.conv3d(x, weight, bias, stride, around, dilation, groups)


def _has_halves(
    x: torch.Tensor,
    weight: torch.Tensor,
    stride: tuple[int, ...],
    around: tuple[int, ...],
    dilation: tuple[int, ...],
) -> bool:
    """Whether the first axis of the output can be cut in the middle."""
    unit = {*stride, *dilation} == {1}
    return unit and (x.shape[2] + 2 * around[0] - weight.shape[2]) % 2 == 1


def _halved(
    x: torch.Tensor, weight: torch.Tensor, bias: torch.Tensor | None, around: tuple[int, ...]
) -> torch.Tensor:
    """The two halves of the output along the first axis as a batch, which oneDNN computes."""
    beyond = weight.shape[2] - 1
    padded = functional.pad(x, (0, 0, 0, 0, around[0], around[0]))
    half = (padded.shape[2] - beyond) // 2
    both = torch.cat([padded[:, :, : half + beyond], padded[:, :, half:]])
    halves = functional.conv3d(both, weight, bias, padding=(0, *around[1:]))
    # One after the other in memory, if the channels are last.
    _, channels, _, *sides = halves.shape
    flat = halves.permute(0, 2, 3, 4, 1).reshape(1, 2 * half, *sides, channels)
    # A view that is changed in place later would have a slow gradient.
    return flat.permute(0, 4, 1, 2, 3).clone()


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
    flat = convolution(x, slices, None, (1, 1, 1), (*around[:2], 0), (1, 1, 1), 1)
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
    moved = functional.pad(in_kind(x), (around[2],) * 2).unfold(4, side, 1).movedim(5, 2)
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


def in_kind(x: torch.Tensor) -> torch.Tensor:
    """In the numbers in which autocast would give it to a convolution."""
    kind = x.device.type
    return x.to(torch.get_autocast_dtype(kind)) if torch.is_autocast_enabled(kind) else x
