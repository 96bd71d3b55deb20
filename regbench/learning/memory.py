"""Less memory for more time: a network's blocks are computed again for their gradients."""

from collections.abc import Iterator
from typing import Any

import torch
from torch import nn
from torch.utils.checkpoint import checkpoint


def recompute_blocks(network: nn.Module) -> None:
    """Keep only the inputs of the network's blocks until the gradients are computed; in place.

    A block is a child of the network, or a member of its module lists. What it computes inside is
    computed once more on the way back: the numbers are the same, a step takes longer.
    """
    for block in _blocks(network):
        block.forward = _recomputed(block.forward)


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
