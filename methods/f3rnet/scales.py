"""The ways between F3RNet's scales: max pooling, nearest-neighbour upsampling, and its sum."""

from typing import Any

import torch
from torch.autograd.function import once_differentiable
from torch.nn import functional

from .slabs import thickness


def shrink(x: torch.Tensor, factor: int) -> torch.Tensor:
    """Max pooling, in the numbers that it is given.

    Autocast would pool in float32 on the CPU: the same maxima through twice the memory, there and
    back.
    """
    with torch.autocast(x.device.type, enabled=False):
        for step in _factors(x, factor):
            x = functional.max_pool3d(x, step)
        return x


def upsample(x: torch.Tensor, factor: int) -> torch.Tensor:
    """Nearest-neighbour upsampling."""
    for step in _factors(x, factor):
        x = functional.interpolate(x, scale_factor=float(step), mode="nearest")
    return x


def add_upsampled(x: torch.Tensor, change: torch.Tensor, factor: int) -> torch.Tensor:
    """x + upsample(change); without gradients x is overwritten."""
    if torch.is_grad_enabled():
        if x.device.type != "cpu" or x.dtype != change.dtype:
            return x + upsample(change, factor)
        result: torch.Tensor = _AddUpsampled.apply(x, change, factor)
        return result
    step = -(-thickness(x, x.shape[1]) // factor)
    for slab, low in zip(x.split(step * factor, 2), change.split(step, 2), strict=True):
        slab.add_(upsample(low, factor))
    return x


def _factors(x: torch.Tensor, factor: int) -> list[int]:
    """Factors whose product is `factor`, a power of 2.

    On a GPU, torch gives a whole window to one thread: 4096 values at factor 16. Halvings, one
    after the other, give the same maxima, and the same sums of gradients but for their rounding.
    """
    return [factor] if x.device.type == "cpu" else [2] * (factor.bit_length() - 1)


class _AddUpsampled(torch.autograd.Function):
    """x + upsample(change), of which only the lines along the last axis are upsampled by a copy."""

    @staticmethod
    def forward(ctx: Any, x: torch.Tensor, change: torch.Tensor, factor: int) -> torch.Tensor:
        ctx.shape = list(change.shape)
        n, channels, *sides = x.shape
        a, b, c = (side // factor for side in sides)
        places = change.permute(0, 2, 3, 4, 1).reshape(n, a, 1, b, 1, c, 1, channels)
        lines = places.expand(-1, -1, -1, -1, -1, -1, factor, -1).flatten(5)
        volume = x.permute(0, 2, 3, 4, 1).reshape(n, a, factor, b, factor, -1)
        return (volume + lines).view(n, *sides, channels).permute(0, 4, 1, 2, 3)

    @staticmethod
    @once_differentiable
    def backward(ctx: Any, gradient: torch.Tensor) -> Any:
        summed = torch.ops.aten.upsample_nearest3d_backward
        return gradient, summed(gradient, list(gradient.shape[2:]), ctx.shape), None
