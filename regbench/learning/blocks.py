"""Convolutions in blocks of 2x2x2 outputs: at an eighth of the places, of eight times the channels.

A kernel that keeps the size of a volume is padded by (K - 1) / 2. If that is even, a block looks at
whole blocks of the input. If it is odd, a block does so that begins at an odd place: the first and
the last ones lie halfway outside the volume.
"""

import itertools

import torch
from torch.nn import functional

from regbench.learning.convolution import convolution


def of_upsampled(low: torch.Tensor, weight: torch.Tensor) -> torch.Tensor:
    """A convolution of a volume upsampled by two, nearest neighbour, and padded with zeros.

    The voxels of an upsampled block are one: 8 multiplications take the place of 27.

    Args:
        low: (N, C, X, Y, Z).
        weight: (O, C, 3, 3, 3).

    Returns:
        (N, O, 2 X, 2 Y, 2 Z).
    """
    outputs, inputs = weight.shape[:2]
    with torch.autocast(low.device.type, enabled=False):
        sums = weight.reshape(-1, 27) @ _SUMS.to(weight)
    kernels = sums.view(outputs, inputs, 8, 2, 2, 2).permute(2, 0, 1, 3, 4, 5)
    return _by_blocks(low, kernels, None, padding=1)


def of_blocks(x: torch.Tensor, weight: torch.Tensor, bias: torch.Tensor | None) -> torch.Tensor:
    """A convolution that keeps the size, of few channels: the voxels of a block are channels, too.

    Args:
        x: (N, C, X, Y, Z), with even sides.
        weight: (O, C, K, K, K), with an odd K.
        bias: (O,), if there is one.

    Returns:
        (N, O, X, Y, Z).
    """
    n, channels, *sides = x.shape
    a, b, c = (side // 2 for side in sides)
    apart = x.permute(0, 2, 3, 4, 1).reshape(n, a, 2, b, 2, c, 2, channels)
    blocks = apart.permute(0, 2, 4, 6, 7, 1, 3, 5).flatten(1, 4)
    blocks = blocks.contiguous(memory_format=torch.channels_last_3d)
    kernels = _kernels(weight).permute(0, 1, 4, 6, 8, 2, 3, 5, 7).flatten(2, 5)
    return _by_blocks(blocks, kernels, bias, padding=weight.shape[2] // 2)


def _kernels(weight: torch.Tensor) -> torch.Tensor:
    """(8, O, C, K', 2, K', 2, K', 2): for each output of a block, by blocks of the input."""
    places = itertools.product((0, 1), repeat=3)
    moved = [functional.pad(weight, (z, 1 - z, y, 1 - y, x, 1 - x)) for x, y, z in places]
    return torch.stack(moved).unflatten(5, (-1, 2)).unflatten(4, (-1, 2)).unflatten(3, (-1, 2))


def _by_blocks(
    blocks: torch.Tensor, kernels: torch.Tensor, bias: torch.Tensor | None, padding: int
) -> torch.Tensor:
    """A volume (N, O, X, Y, Z) of blocks (N, C, X', Y', Z') by kernels (8, O, C, K', K', K')."""
    weight = kernels.flatten(0, 1).contiguous(memory_format=torch.channels_last_3d)
    around = ((padding + 1) // 2,) * 3
    every = None if bias is None else bias.repeat(8)
    eight = convolution(blocks, weight, every, (1, 1, 1), around, (1, 1, 1), 1)
    n, _, x, y, z = eight.shape
    apart = eight.permute(0, 2, 3, 4, 1).reshape(n, x, y, z, 2, 2, 2, -1)
    volume = apart.permute(0, 1, 4, 2, 5, 3, 6, 7).reshape(n, 2 * x, 2 * y, 2 * z, -1)
    # Half of the outermost blocks. The result is no view: it may be changed in place.
    return functional.pad(volume.permute(0, 4, 1, 2, 3), (-(padding % 2),) * 6)


#: (27, 64): from the weights of a 3x3x3 kernel to the eight kernels over blocks of equal voxels.
_SUMS = _kernels(torch.eye(27).view(27, 1, 3, 3, 3)).sum(dim=(4, 6, 8)).transpose(0, 1).flatten(1)
