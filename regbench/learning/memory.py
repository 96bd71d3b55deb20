"""Memory of a training: blocks that are computed again, and freed memory that is kept."""

import ctypes
from collections.abc import Iterator
from typing import Any

import torch
from torch import nn
from torch.utils.checkpoint import checkpoint

# Names of glibc's malloc.h; 32 MiB is the largest threshold that it takes.
_MMAP_THRESHOLD, _TRIM_THRESHOLD = -3, -1


def recompute_blocks(network: nn.Module) -> None:
    """Keep only the inputs of the network's blocks until the gradients are computed; in place.

    A block is a child of the network, or a member of its module lists. What it computes inside is
    computed once more on the way back: the numbers are the same, a step takes longer.
    """
    for block in _blocks(network):
        block.forward = _recomputed(block.forward)


def keep_freed_memory() -> None:
    """Have this process keep the memory of freed tensors for the next ones (glibc; else nothing).

    By default every tensor of some MB is a fresh mapping: each step of a training then faults in
    tens of thousands of pages, a tenth of its time and more. The process holds its peak until its
    end.
    """
    mallopt = getattr(ctypes.CDLL(None), "mallopt", None)
    if mallopt is None:
        return
    for option, value in ((_MMAP_THRESHOLD, 32 << 20), (_TRIM_THRESHOLD, 2**31 - 1)):
        mallopt(option, value)


def _blocks(network: nn.Module) -> Iterator[nn.Module]:
    for child in network.children():
        if isinstance(child, nn.ModuleList):
            yield from _blocks(child)
        elif any(True for _ in child.children()):
            # A single layer's input is all that it keeps anyhow.
            yield child


def _recomputed(forward: Any) -> Any:
    def wrapped(*inputs: torch.Tensor) -> Any:
        if not torch.is_grad_enabled():
            return forward(*inputs)
        return checkpoint(forward, *inputs, use_reentrant=False)

    return wrapped
