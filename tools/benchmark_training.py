"""Training steps a second of the whole machine: the engine's way against the plain loop.

    python tools/benchmark_training.py default ct-mri vm-2 f3rnet-mrb

Plain: float32, contiguous, one process with two threads. The engine: bf16 where the processor has
it, channels last, two processes of one thread side by side. Same pairs, same loss, same optimizer;
a prepared data set of the config is needed (`snakemake --cores all reports/table2.csv`).
"""

import subprocess
import sys
import tempfile
import time
from dataclasses import replace
from pathlib import Path

import torch

from regbench.base.project import find_root
from regbench.learning.layers import FastConv3d
from regbench.learning.train import make_trainer, training_of
from regbench.plan.config import load_config
from regbench.plan.jobs import Job
from regbench.plugins.loading import load_entry

WARM, STEPS = 3, 15


def main(config: str, task: str, methods: list[str]) -> None:
    """Print a row for each method."""
    print("| method | plain, steps/s | engine, steps/s | ratio |")
    print("| --- | ---: | ---: | ---: |")
    for name in methods:
        plain = sum(_together([[config, task, name, "fp32", "2"]]))
        ours = sum(_together([[config, task, name, "auto", "1"]] * 2))
        print(f"| {name} | {plain:.2f} | {ours:.2f} | {ours / plain:.1f} |")


def _together(jobs: list[list[str]]) -> list[float]:
    """Steps a second of processes that run side by side."""
    command = [sys.executable, __file__, "--one"]
    running = [
        subprocess.Popen([*command, *job], stdout=subprocess.PIPE, text=True) for job in jobs
    ]
    return [float(process.communicate()[0].splitlines()[-1]) for process in running]


def measure(name: str, task: str, method_id: str, precision: str, threads: str) -> float:
    """Steps a second of this process."""
    root = find_root()
    config = load_config(root / "config" / f"{name}.yaml", root)
    run = next(r for r in config.runs if r.task.id == task and r.method.id == method_id)
    run = replace(run, settings={**run.settings, "precision": precision})
    method = load_entry(run.method.folder, str(run.method.entry))
    with tempfile.TemporaryDirectory() as folder:
        job = replace(Job.of(config, run, 0), folder=Path(folder))
        trainer = make_trainer(training_of(job), method, "cpu")
        torch.set_num_threads(int(threads))
        if precision == "fp32":
            # The plain loop lays its weights out, and convolves, as torch does.
            trainer.network.to(memory_format=torch.contiguous_format)
            for layer in trainer.network.modules():
                if type(layer) is FastConv3d:
                    layer.__class__ = torch.nn.Conv3d
        for step in range(WARM + STEPS):
            if step == WARM:
                started = time.perf_counter()
            trainer.one_step()
            trainer.step += 1
    return STEPS / (time.perf_counter() - started)


if __name__ == "__main__":
    if sys.argv[1] == "--one":
        print(measure(*sys.argv[2:]))
    else:
        main(sys.argv[1], sys.argv[2], sys.argv[3:])
