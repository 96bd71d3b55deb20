"""Layers at full resolution, carried through a volume in slabs: a forward pass without gradients.

A whole volume's features leave the processor's cache between one layer and the next, and each
layer's output is freshly mapped memory. A slab's features stay, and reuse the memory that the
slab before freed. The numbers are the same but for rounding.
"""

from collections.abc import Iterable

import torch
from torch import nn
from torch.nn import functional

from regbench.learning.convolution import convolve
from regbench.learning.layers import FlowHead

#: Of a slab's features. Thicker slabs leave the cache; of thinner ones the halo is a larger share.
SLAB_BYTES = 16 * 2**20
#: Slices of the thinnest slab.
FEWEST_SLICES = 8


def in_slabs(
    layers: Iterable[nn.Module], x: torch.Tensor, *, residual: bool = False
) -> torch.Tensor:
    """What layers make of (N, C, X, Y, Z); on a CPU, without gradients, slab by slab along X.

    Args:
        layers: one after the other: convolutions that keep the size, layers of single voxels,
            sequences of these.
        x: without gradients it is overwritten if the result has as many channels.
        residual: add x to the result.
    """
    layers = list(layers)
    modules = (module for layer in layers for module in layer.modules())
    convolutions = [layer for layer in modules if isinstance(layer, nn.Conv3d)]
    channels = max(n for layer in convolutions for n in (layer.in_channels, layer.out_channels))
    halo = sum(int(layer.padding[0]) for layer in convolutions)
    size, thick = x.shape[2], max(thickness(x, channels), halo)
    if thick >= size or torch.is_grad_enabled():
        change = x
        for layer in layers:
            change = layer(change)
        if not residual:
            return change
        return x + change if torch.is_grad_enabled() else change.add_(x)
    out = waiting = x
    for start in range(0, size, thick):
        stop = min(start + thick, size)
        near, far = max(start - halo, 0), min(stop + halo, size)
        slab = x[:, :, near:far]
        for layer in layers:
            slab = _inside(layer, slab, near == 0, far == size)
        slab = slab.narrow(2, 0 if near else start, stop - start)
        if residual:
            slab.add_(x[:, :, start:stop])
        if start == 0:
            same = (slab.shape[1], slab.dtype) == (x.shape[1], x.dtype)
            out = x if same else _volume(slab, size)
        else:
            # Not before this slab has seen what is overwritten.
            out[:, :, start - thick : start] = waiting
        waiting = slab
    out[:, :, start:] = waiting
    return out


def thickness(x: torch.Tensor, channels: int) -> int:
    """Slices of a slab of (N, C, X, Y, Z); all of them but on a CPU."""
    size = x.shape[2]
    if x.device.type != "cpu":
        return size
    fitting = SLAB_BYTES // (x.element_size() * channels * x[:, 0, 0].numel())
    # As thin as the others, for a last slab of the same size.
    return -(-size // -(-size // max(fitting, FEWEST_SLICES)))


def _inside(layer: nn.Module, x: torch.Tensor, first: bool, last: bool) -> torch.Tensor:
    """Layers of a window, which are padded along X at the first and the last slice only."""
    if isinstance(layer, nn.Sequential):
        for part in layer:
            x = _inside(part, x, first, last)
        return x
    if not isinstance(layer, nn.Conv3d):
        return layer(x)
    along_x, y, z = (int(size) for size in layer.padding)
    if along_x and (first or last):
        x = functional.pad(x, (0, 0, 0, 0, along_x * first, along_x * last))
    return layer(x, (0, y, z)) if isinstance(layer, FlowHead) else convolve(layer, x, (0, y, z))


def _volume(slab: torch.Tensor, size: int) -> torch.Tensor:
    """Room for a whole volume, laid out like a slab."""
    n, c, _, y, z = slab.shape
    last = slab.is_contiguous(memory_format=torch.channels_last_3d)
    layout = torch.channels_last_3d if last else torch.contiguous_format
    return torch.empty((n, c, size, y, z), dtype=slab.dtype, memory_format=layout)
