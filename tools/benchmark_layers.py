"""Milliseconds of the engine's fast layers beside torch's, forward alone and with the gradients.

    python tools/benchmark_layers.py
    python tools/benchmark_layers.py --device cuda:0

Layers of the networks at the sizes that they have at 48x48x48, channels last, batch 1; one thread
on the processor. Seconds of the processor, or of the GPU until it is done; the median of nine.
"""

import argparse
import copy
import statistics
import time
from collections.abc import Callable

import torch
from torch import nn

from regbench.learning.layers import UpsampledConv3d
from regbench.learning.network import keep_freed_memory, to_channels_last

#: What, torch's layer, its input's channels and side, and whether autocast computes it in bf16.
LAYERS: list[tuple[str, nn.Module, int, int, bool]] = [
    ("transposed, 32 channels, 3x3x3, stride 2", nn.ConvTranspose3d(32, 32, 3, 2), 32, 23, True),
    ("the same, float32", nn.ConvTranspose3d(32, 32, 3, 2), 32, 23, False),
    ("PReLU, 32 channels", nn.PReLU(32), 32, 48, True),
    ("flow head, 16 to 3 channels, float32", nn.Conv3d(16, 3, 3, padding=1), 16, 48, False),
    ("flow head, 32 to 3 channels, float32", nn.Conv3d(32, 3, 3, padding=1), 32, 48, False),
    ("32 to 8 channels, 3x3x3, float32", nn.Conv3d(32, 8, 3, padding=1), 32, 24, False),
    ("2 to 8 channels, 11x11x11", nn.Conv3d(2, 8, 11, padding=5), 2, 48, True),
    ("the same, float32", nn.Conv3d(2, 8, 11, padding=5), 2, 48, False),
    ("2 to 16 channels, 3x3x3, float32", nn.Conv3d(2, 16, 3, padding=1), 2, 48, False),
    ("32 upsampled and 2 to 16 channels, 3x3x3", UpsampledConv3d(34, 16), 32, 24, True),
    ("the same, float32", UpsampledConv3d(34, 16), 32, 24, False),
]
REPEATS = 9


def main(device: str) -> None:
    """Print a row for each layer."""
    torch.set_num_threads(1)
    # As in a training.
    keep_freed_memory()
    if device != "cpu":
        # The GPU that is waited for.
        torch.cuda.set_device(device)
    torch.backends.cudnn.benchmark = True
    print("| layer | forward: torch's, ms | ours, ms | with gradients: torch's, ms | ours, ms |")
    print("| --- | ---: | ---: | ---: | ---: |")
    for name, layer, channels, side, bf16 in LAYERS:
        ours = copy.deepcopy(layer)
        to_channels_last(ours)
        torchs = copy.deepcopy(layer).to(memory_format=torch.channels_last_3d)  # type: ignore[call-overload]
        cells = [measure(each.to(device), channels, side, bf16) for each in (torchs, ours)]
        columns = [f"{of[stage]:.1f}" for stage in (0, 1) for of in cells]
        print(f"| {name} | {' | '.join(columns)} |", flush=True)


def measure(layer: nn.Module, channels: int, side: int, bf16: bool) -> tuple[float, float]:
    """Milliseconds of a forward pass, and of one with the gradients of weights and input.

    Two channels are the images: they have no gradient.
    """
    weight = next(layer.parameters())
    x = torch.randn(1, channels, side, side, side, device=weight.device)
    x = x.to(torch.bfloat16 if bf16 else torch.float32, memory_format=torch.channels_last_3d)
    x.requires_grad_(channels > 2)
    given = [x]
    if any(isinstance(each, UpsampledConv3d) for each in layer.modules()):
        images = torch.randn(1, 2, *[2 * side] * 3, device=weight.device)
        given.append(images.to(memory_format=torch.channels_last_3d))

    def value() -> torch.Tensor:
        with torch.autocast(x.device.type, torch.bfloat16, enabled=bf16):
            result: torch.Tensor = layer(*given)
            return result

    @torch.no_grad()
    def alone() -> None:
        value()

    gradient = torch.randn_like(value())
    on_gpu = weight.is_cuda
    return timed(alone, on_gpu), timed(lambda: value().backward(gradient), on_gpu)


def timed(call: Callable[[], object], on_gpu: bool) -> float:
    """Milliseconds of the processor; elapsed ones on a GPU."""
    clock = time.perf_counter if on_gpu else time.process_time
    spent = []
    for _ in range(3 + REPEATS):
        started = clock()
        call()
        if on_gpu:
            torch.cuda.synchronize()
        spent.append(clock() - started)
    return 1000 * statistics.median(spent[3:])


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--device", default="cpu")
    main(parser.parse_args().device)
