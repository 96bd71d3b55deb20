"""Running a registration network: its input, its number format, and the memory that it takes."""

import ctypes
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import nn
from torch.nn import functional
from torch.utils.checkpoint import checkpoint

from regbench.base.errors import BadInput
from regbench.learning.fast import FAST
from regbench.spatial.volume import Volume, scaled

# float32 is float32 on a GPU, too: by default, its convolutions keep 10 bits of 23.
torch.backends.cudnn.allow_tf32 = False

#: How a network is asked for its field: of itself, the moving and the fixed image.
Call = Callable[[nn.Module, torch.Tensor, torch.Tensor], torch.Tensor]

# Constants of glibc's malloc.h. 32 MiB is the largest threshold that it accepts.
_MMAP_THRESHOLD, _TRIM_THRESHOLD = -3, -1


def to_input(volume: Volume, device: str = "cpu", rescale: bool = True) -> torch.Tensor:
    """(1, 1, X, Y, Z) float32; `rescale` maps what lies between robust percentiles to [0, 1]."""
    data = scaled(volume.data) if rescale else volume.data.astype(np.float32)
    return torch.from_numpy(np.ascontiguousarray(data))[None, None].to(device)


def to_labels(volume: Volume | None, device: str | torch.device) -> torch.Tensor | None:
    """(1, 1, X, Y, Z) int32 of a label map, if there is one."""
    if volume is None:
        return None
    return torch.from_numpy(volume.data.astype(np.int32))[None, None].to(device)


def forward(
    network: nn.Module,
    moving: torch.Tensor,
    fixed: torch.Tensor,
    multiple: int,
    call: Call | None = None,
    *,
    bf16: bool,
) -> torch.Tensor:
    """The network's voxel field (N, 3, X, Y, Z), float32, for a pair of any size.

    Args:
        network: maps (N, 2, X, Y, Z) to a voxel field.
        moving, fixed: (N, 1, X, Y, Z).
        multiple: what the sides of the network's input must be multiples of. The far ends are
            padded by replication, and cropped from the field.
        call: of a network that is called in another way.
        bf16: compute convolutions in bf16, where the gradients are right.

    Raises:
        BadInput: what the network returns is no such field.
    """
    x, y, z = moving.shape[2:]
    pair = torch.cat([moving, fixed], dim=1)
    far_x, far_y, far_z = ((-size) % multiple for size in (x, y, z))
    if far_x or far_y or far_z:
        pair = functional.pad(pair, (0, far_z, 0, far_y, 0, far_x), mode="replicate")
    kind = pair.device.type
    bf16 = bf16 and (kind != "cpu" or _bf16_is_right(pair.shape[2], multiple))
    if any(not weight.is_contiguous() for weight in network.parameters()):
        # The weights are laid out with channels last: the input is best laid out like them.
        pair = pair.contiguous(memory_format=torch.channels_last_3d)
    with torch.autocast(kind, dtype=torch.bfloat16, enabled=bf16):
        field = network(pair) if call is None else call(network, pair[:, :1], pair[:, 1:])
    wanted = (len(pair), 3, *pair.shape[2:])
    if not isinstance(field, torch.Tensor) or field.shape != wanted:
        found = getattr(field, "shape", type(field).__name__)
        raise BadInput("the network returns no field", expected=wanted, found=found)
    return field.float()[:, :, :x, :y, :z]


def to_channels_last(network: nn.Module) -> None:
    """Lay out the weights with channels last, for the fast layers of `fast`; in place."""
    network.to(memory_format=torch.channels_last_3d)  # type: ignore[call-overload]
    for layer in network.modules():
        if fast := FAST.get(type(layer)):
            layer.__class__ = fast


def use_bf16(setting: str, device: str = "cpu") -> bool:
    """Whether to compute convolutions in bf16.

    Args:
        setting: `bf16`, `fp32`, or `auto`: bf16 on a processor with avx512_bf16 or amx_bf16, and
            on a GPU that supports it.
        device: `cpu` or `cuda:<k>`.
    """
    if setting != "auto":
        return setting == "bf16"
    if device != "cpu":
        return torch.cuda.is_bf16_supported()
    try:
        flags = Path("/proc/cpuinfo").read_text(encoding="utf-8")
    except OSError:
        return False
    return "avx512_bf16" in flags or "amx_bf16" in flags


def _bf16_is_right(side: int, multiple: int) -> bool:
    """Whether the CPU computes right gradients in bf16 for an input with this first side.

    oneDNN's bf16 gradient of a convolution's weights reads uninitialised memory where the first
    spatial axis is exactly 2 long (torch 2.13): the numbers differ from process to process, up to
    infinity. A network that halves its input gets there from one or two multiples.
    """
    return side > 2 * multiple


def recompute_blocks(network: nn.Module) -> None:
    """Keep only the inputs of the network's blocks until the gradients are computed; in place.

    A block is a child of the network, or a member of its module lists. Its inner values are
    computed again in the backward pass: the numbers are the same, a step takes longer.
    """
    for block in _blocks(network):
        block.forward = _recomputed(block.forward)


def _blocks(network: nn.Module) -> Iterator[nn.Module]:
    for child in network.children():
        if isinstance(child, nn.ModuleList):
            yield from _blocks(child)
        elif any(True for _ in child.children()):
            # A single layer keeps nothing but its input anyway.
            yield child


def _recomputed(layers: Any) -> Any:
    def wrapped(*inputs: torch.Tensor) -> Any:
        if not torch.is_grad_enabled():
            return layers(*inputs)
        return checkpoint(layers, *inputs, use_reentrant=False)

    return wrapped


def keep_freed_memory() -> None:
    """Have this process keep the memory of freed tensors for the next ones (glibc only).

    By default every tensor of some MB is a fresh mapping. Each step of a training then faults in
    tens of thousands of pages, which takes a tenth of its time and more. The process holds its peak
    memory until it ends.
    """
    mallopt = getattr(ctypes.CDLL(None), "mallopt", None)
    if mallopt is None:
        return
    for option, value in ((_MMAP_THRESHOLD, 32 << 20), (_TRIM_THRESHOLD, 2**31 - 1)):
        mallopt(option, value)
