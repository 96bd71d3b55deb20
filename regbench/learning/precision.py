"""Number formats: bf16 where the processor computes in it, float32 elsewhere."""

from contextlib import AbstractContextManager
from pathlib import Path

import torch


def use_bf16(setting: str) -> bool:
    """Whether to compute convolutions in bf16.

    Args:
        setting: `bf16`, `fp32`, or `auto`: bf16 on a processor with avx512_bf16 or amx_bf16.
    """
    if setting != "auto":
        return setting == "bf16"
    try:
        flags = Path("/proc/cpuinfo").read_text(encoding="utf-8")
    except OSError:
        return False
    return "avx512_bf16" in flags or "amx_bf16" in flags


def autocast(enabled: bool) -> AbstractContextManager[None]:
    """A context in which convolutions run in bf16, when enabled."""
    return torch.autocast("cpu", dtype=torch.bfloat16, enabled=enabled)
