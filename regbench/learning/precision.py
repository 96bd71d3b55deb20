"""Number formats: bf16 where the processor computes in it, float32 elsewhere."""

from contextlib import AbstractContextManager
from pathlib import Path

import torch


def use_bf16(setting: str, device: str = "cpu") -> bool:
    """Whether to compute convolutions in bf16.

    Args:
        setting: `bf16`, `fp32`, or `auto`: bf16 on a processor with avx512_bf16 or amx_bf16, and
            on a GPU that has it.
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


def bf16_is_right(side: int, multiple: int) -> bool:
    """Whether training in bf16 gives right gradients for inputs of this size.

    oneDNN's bf16 gradient of a convolution's weights takes in uninitialised memory where the first
    spatial axis is exactly 2 long (torch 2.13): other numbers in each process, up to infinity. A
    network that halves its input gets there from one or two multiples.

    Args:
        side: first spatial side of the padded input, on the CPU.
        multiple: what the network's sides must be multiples of.
    """
    return side > 2 * multiple


def autocast(enabled: bool, device_type: str) -> AbstractContextManager[None]:
    """A context in which convolutions run in bf16, when enabled."""
    return torch.autocast(device_type, dtype=torch.bfloat16, enabled=enabled)
