"""Where a training step's time goes, in milliseconds of one thread, at any size.

    python tools/profile_training.py 48 48 48 vm-1 vm-2 faim f3rnet-wo-f3d f3rnet-mrb
    python tools/profile_training.py 48 48 48 --precision bf16 vm-1 vm-2

A step of Adam on one random pair. MIND is measured by itself, forward and backward; all others are
operators, by their shares in torch's profile of whole steps.
"""

import argparse
import time
from collections import Counter
from collections.abc import Callable

import torch
from torch.profiler import ProfilerActivity, profile

from regbench.base.project import find_root
from regbench.learning.loss import mind, similarity
from regbench.learning.method import Recipe
from regbench.learning.network import keep_freed_memory, to_channels_last
from regbench.learning.pairs import Draw
from regbench.plugins.catalog import discover
from regbench.plugins.loading import load_entry
from regbench.plugins.models import LearnedSettings

WARM, STEPS = 3, 6
#: Column to what the names of its operators contain; the first that fits counts.
COLUMNS = {
    "convolution": ("aten::mkldnn_convolution", "slow_conv"),
    "its gradient": ("aten::convolution_backward",),
    "pooling": ("max_pool3d",),
    "upsampling": ("upsample_nearest3d",),
    "warp": ("aten::grid_sampler_3d",),
    "Adam": ("Optimizer.step",),
}


def main(options: argparse.Namespace) -> None:
    """Print a row for each method."""
    torch.set_num_threads(1)
    keep_freed_memory()
    print("| method | step |", " | ".join([*COLUMNS, "MIND", "other"]), "|")
    print("| --- |" + " ---: |" * (len(COLUMNS) + 3))
    for name in options.methods:
        parts = measure(options.size, name, options.precision)
        print(f"| {name} |", " | ".join(f"{value:.0f}" for value in parts), "|", flush=True)


def measure(sizes: list[int], name: str, precision: str) -> list[float]:
    """Milliseconds: the step, the columns, MIND, the rest."""
    plugin = discover(find_root()).methods[name]
    method = load_entry(plugin.folder, str(plugin.entry))
    settings = LearnedSettings().model_dump(by_alias=True) | dict(plugin.settings)
    recipe = Recipe(method, settings | {"precision": precision})
    torch.manual_seed(0)
    network = method.build(settings)
    to_channels_last(network)
    optimizer = torch.optim.Adam(network.parameters(), lr=1e-3, fused=True)
    moving, fixed = torch.rand(2, 1, 1, *sizes)
    pair = Draw(moving, fixed, mind(fixed))
    step = time_of(lambda: method.training_step(recipe, network, optimizer, pair))
    warped = moving.clone().requires_grad_()
    alone = time_of(lambda: similarity(warped, pair.fixed_features).backward())
    with profile(activities=[ProfilerActivity.CPU]) as seen:
        for _ in range(STEPS):
            method.training_step(recipe, network, optimizer, pair)
    parts: Counter[str] = Counter()
    events = seen.key_averages()
    # The profile is of elapsed time, which other processes take part of.
    scale = step / sum(event.self_cpu_time_total for event in events)
    for event in events:
        for column, names in COLUMNS.items():
            if any(part in event.key for part in names):
                whole = column == "Adam"
                spent = event.cpu_time_total if whole else event.self_cpu_time_total
                parts[column] += spent * scale
                break
    columns = [parts[column] for column in COLUMNS]
    return [step, *columns, alone, max(step - sum(columns) - alone, 0.0)]


def time_of(call: Callable[[], object]) -> float:
    """The median of several calls, in milliseconds of the processor."""
    spent = []
    for _ in range(WARM + STEPS):
        started = time.process_time()
        call()
        spent.append(time.process_time() - started)
    return 1000 * sorted(spent[WARM:])[STEPS // 2]


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("size", nargs=3, type=int)
    parser.add_argument("methods", nargs="+")
    parser.add_argument("--precision", default="fp32", choices=["bf16", "fp32"])
    main(parser.parse_args())
