"""Milliseconds and memory of a forward pass and a training step on a GPU, at any size.

    python tools/benchmark_gpu.py 144 144 128 -- vm-2 f3rnet-mrb
    python tools/benchmark_gpu.py 144 144 128 --contiguous --precision bf16 -- vm-2

The median of five after four warm-ups, each ended by a synchronisation; the trainer records a step
as a CUDA graph in the last warm-up. Memory is the peak that torch allocated. Random images; the
engine's own trainer takes the steps. Above the rows, what a matrix product of the same device
reaches. `--contiguous` lays the weights out with channels first; `--compile` runs the network
through torch.compile.
"""

import argparse
import statistics
import time
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Any

import torch

from regbench.base.project import find_root
from regbench.learning.loss import mind
from regbench.learning.method import Recipe
from regbench.learning.network import forward
from regbench.learning.pairs import Draw
from regbench.learning.trainer import Trainer
from regbench.plugins.catalog import discover
from regbench.plugins.loading import load_entry

DEVICE = "cuda:0"
MEBIBYTE = 2**20


class OnePair:
    """Training pairs that always draw the same one."""

    def __init__(self, size: list[int]) -> None:
        moving, fixed = torch.rand(2, 1, 1, *size, device=DEVICE)
        self.pair = Draw(moving, fixed, mind(fixed))

    def draw(self, generator: torch.Generator) -> Draw:
        """The pair."""
        return self.pair


def main(options: argparse.Namespace) -> None:
    """Print a row for each method and precision."""
    # As in a training: it tries a GPU's ways to convolve.
    torch.backends.cudnn.benchmark = True
    for kind in (torch.bfloat16, torch.float32):
        a, b = torch.rand(2, 8192, 8192, device=DEVICE).to(kind)
        seconds, _ = timed(partial(torch.mm, a, b))
        print(f"matrix product 8192, {kind}: {2 * 8192**3 / seconds / 1e12:.0f} TFLOP/s")
    print("| method | precision | forward, ms | MiB | step, ms | MiB |")
    print("| --- | --- | ---: | ---: | ---: | ---: |")
    for name in options.methods:
        for precision in options.precision:
            cells = [f"{ms:.1f} | {mb:.0f}" for ms, mb in measure(options, name, precision)]
            print(f"| {name} | {precision} | {' | '.join(cells)} |", flush=True)


def measure(options: argparse.Namespace, name: str, precision: str) -> list[tuple[float, float]]:
    """Milliseconds and MiB of the forward pass, and of a step."""
    plugin = discover(find_root()).methods[name]
    method = load_entry(plugin.folder, str(plugin.entry))
    settings: dict[str, Any] = {**plugin.settings, "precision": precision}
    recipe = Recipe(method, settings, DEVICE)
    pairs: Any = OnePair(options.size)
    nothing: Any = None
    trainer = Trainer(method.build(settings), pairs, nothing, recipe, Path("unused"), "", 0)
    drawn = pairs.pair
    if options.contiguous:
        trainer.network.to(memory_format=torch.contiguous_format)  # type: ignore[call-overload]
    if options.compile:
        trainer.network.compile()

    @torch.no_grad()
    def one_pass() -> None:
        images = drawn.moving, drawn.fixed
        forward(trainer.network, *images, method.multiple, bf16=recipe.bf16)

    results = []
    for work in (one_pass, trainer.one_step):
        torch.cuda.empty_cache()
        torch.cuda.reset_peak_memory_stats()
        seconds, peak = timed(work)
        results.append((1000 * seconds, peak))
    return results


def timed(work: Callable[[], Any]) -> tuple[float, float]:
    """Median seconds, and the peak memory in MiB."""
    seconds = []
    for _ in range(9):
        torch.cuda.synchronize()
        started = time.perf_counter()
        work()
        torch.cuda.synchronize()
        seconds.append(time.perf_counter() - started)
    return statistics.median(seconds[4:]), torch.cuda.max_memory_allocated() / MEBIBYTE


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("size", nargs=3, type=int)
    parser.add_argument("methods", nargs="+")
    parser.add_argument("--precision", action="append", choices=["bf16", "fp32"])
    parser.add_argument("--contiguous", action="store_true")
    parser.add_argument("--compile", action="store_true")
    options = parser.parse_args()
    options.precision = options.precision or ["bf16", "fp32"]
    main(options)
