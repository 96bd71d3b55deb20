"""Seconds, memory and GFLOP/s of a forward pass on one core, at any size.

    python tools/benchmark_forward.py 144 144 128 -- vm-2 f3rnet-wo-f3d

Each measurement is a process of its own: its peak memory is what the pass adds to a process that
has torch, the network and the two images. The median of three passes after a warm-up. Below, what
a matrix product of the same machine reaches on one core: the ceiling of every convolution.
"""

import json
import resource
import statistics
import subprocess
import sys
import time

import torch
from torch.utils.flop_counter import FlopCounterMode

from regbench.base.project import find_root
from regbench.learning.network import forward, keep_freed_memory, to_channels_last
from regbench.plugins.catalog import discover
from regbench.plugins.loading import load_entry

REPEATS = 3
PRECISIONS = ("bf16", "fp32")


def main(sizes: list[int], methods: list[str]) -> None:
    """Print a row for each method and precision, then the matrix products."""
    print("| method | precision | s | peak MB | GFLOP | GFLOP/s |")
    print("| --- | --- | ---: | ---: | ---: | ---: |")
    for name in methods:
        for precision in PRECISIONS:
            asked = json.dumps([sizes, name, precision])
            done = subprocess.run(
                [sys.executable, __file__, "--one", asked],
                check=True,
                capture_output=True,
                text=True,
            )
            found = json.loads(done.stdout.splitlines()[-1])
            rate = found["gflop"] / found["s"]
            print(
                f"| {name} | {precision} | {found['s']:.2f} | {found['mb']:.0f} "
                f"| {found['gflop']:.0f} | {rate:.0f} |"
            )
    torch.set_num_threads(1)
    for precision in PRECISIONS:
        print(f"| matrix product 2048 | {precision} | | | | {_product(precision):.0f} |")


def measure(sizes: list[int], name: str, precision: str) -> dict[str, float]:
    """One measurement, in this process."""
    torch.set_num_threads(1)
    plugin = discover(find_root()).methods[name]
    method = load_entry(plugin.folder, str(plugin.entry))
    network = method.build(plugin.settings).eval()
    bf16 = precision == "bf16"
    to_channels_last(network)
    keep_freed_memory()
    moving, fixed = torch.rand(2, 1, 1, *sizes)
    small = [image[..., :64, :64, :64].contiguous() for image in (moving, fixed)]
    with torch.no_grad():
        forward(network, small[0], small[1], method.multiple, bf16=bf16)
        before = _peak_mb()
        seconds = []
        for _ in range(REPEATS):
            started = time.perf_counter()
            forward(network, moving, fixed, method.multiple, bf16=bf16)
            seconds.append(time.perf_counter() - started)
        peak = _peak_mb()
        # Without gradients some convolutions go past the counter.
        counter = FlopCounterMode(display=False)
        with counter, torch.enable_grad():
            forward(network, small[0], small[1], method.multiple, bf16=bf16)
    voxels = moving.numel() / small[0].numel()
    gflop = counter.get_total_flops() * voxels / 1e9
    return {"s": statistics.median(seconds), "mb": peak - before, "gflop": gflop}


def _product(precision: str) -> float:
    kind = torch.bfloat16 if precision == "bf16" else torch.float32
    a, b = torch.rand(2, 2048, 2048).to(kind)
    a @ b
    started = time.perf_counter()
    for _ in range(5):
        a @ b
    return 5 * 2 * 2048**3 / (time.perf_counter() - started) / 1e9


def _peak_mb() -> float:
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024


if __name__ == "__main__":
    if sys.argv[1] == "--one":
        print(json.dumps(measure(*json.loads(sys.argv[2]))))
    else:
        cut = sys.argv.index("--")
        main([int(x) for x in sys.argv[1:cut]], sys.argv[cut + 1 :])
