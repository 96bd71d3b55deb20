"""Training steps a second of the whole machine: the engine's way against the plain loop.

    python tools/benchmark_training.py default ct-mri vm-2 f3rnet-mrb
    python tools/benchmark_training.py --device cuda:0 --processes 8 default ct-mri vm-2

Plain: float32, channels first, one process; on the processor with two threads. The engine: bf16
where the device has it, channels last, and processes side by side: two of one thread each on the
processor; on a GPU as many as `--processes` says, each with its step recorded as a CUDA graph, and
under NVIDIA's MPS if that runs. Same pairs, same loss, same optimizer. All processes warm up, wait
for each other, and take steps for the same seconds. A prepared data set of the config is needed
(`snakemake --cores all reports/table2.csv`).
"""

import argparse
import subprocess
import sys
import tempfile
import time
from dataclasses import replace
from pathlib import Path
from typing import Any

import torch

from regbench.base.errors import BadInput, in_words
from regbench.base.project import find_root
from regbench.learning.fast import FAST
from regbench.learning.layers import FlowHead
from regbench.learning.train import make_trainer, training_of
from regbench.learning.trainer import LOOK_EVERY, Trainer
from regbench.plan.config import Config, RunConfig, load_config
from regbench.plan.jobs import Job
from regbench.plugins.catalog import lookup
from regbench.plugins.loading import load_entry

#: Steps before the clock starts: they choose convolutions and record graphs.
WARM = 6
#: Before what is wrong.
SAYS = "benchmark_training: "
#: That all processes take steps for, and that they wait for each other at most.
SECONDS, PATIENCE = 8.0, 240.0


def main(options: argparse.Namespace) -> None:
    """Print a row for each method.

    Raises:
        BadInput: the config has no such training, or a process ended without an answer.
    """
    for name in options.methods:
        _run_of(options, name)
    print("| method | plain, steps/s | engine, steps/s | ratio |")
    print("| --- | ---: | ---: | ---: |")
    for name in options.methods:
        plain = _together(options, name, "plain", 1)
        ours = _together(options, name, "engine", options.processes)
        print(f"| {name} | {plain:.2f} | {ours:.2f} | {ours / plain:.1f} |", flush=True)


def _together(options: argparse.Namespace, name: str, way: str, processes: int) -> float:
    """Steps a second of all processes that run side by side."""
    with tempfile.TemporaryDirectory() as folder, tempfile.TemporaryFile("w+") as said:
        # Options first: `--one` ends with what follows it.
        given = [options.config, options.task, name, f"--device={options.device}"]
        command = [sys.executable, __file__, *given, "--one", way, folder, str(processes)]
        how: dict[str, Any] = {"stdout": subprocess.PIPE, "stderr": said, "text": True}
        running = [subprocess.Popen(command, **how) for _ in range(processes)]
        # The others would wait for one that is gone.
        while not (codes := {code for p in running if (code := p.poll())}):
            if all(process.poll() == 0 for process in running):
                return sum(float(p.communicate()[0].splitlines()[-1]) for p in running)
            time.sleep(0.1)
        for process in running:
            process.kill()
            process.wait()
        said.seek(0)
        last = [line.removeprefix(SAYS) for line in said.read().splitlines() if line.strip()][-1:]
        ended = f"{name}, {way}: a process ended with code {', '.join(map(str, sorted(codes)))}"
        raise BadInput(ended, found=last[0] if last else "no word")


def _run_of(options: argparse.Namespace, name: str) -> tuple[Config, RunConfig]:
    """The config, and its first run of a method on the task.

    Raises:
        BadInput: there is none, or it is not trained.
    """
    root = find_root()
    file = root / "config" / f"{options.config}.yaml"
    config = load_config(file, root)
    lookup(config.tasks, options.task, "task", file)
    runs = {r.method.id: r for r in reversed(config.runs) if r.task.id == options.task}
    run = lookup(runs, name, "method", file)
    if not run.method.learned:
        raise BadInput(f"method {name} is not trained", expected="a method of kind learned")
    return config, run


def measure(options: argparse.Namespace, way: str, meeting: Path, processes: int) -> float:
    """Steps a second of this process, which is one of so many that meet in a folder."""
    on_gpu = options.device != "cpu"
    config, run = _run_of(options, options.methods[0])
    precision = "fp32" if way == "plain" else "auto"
    run = replace(run, settings={**run.settings, "checkpoint": "", "precision": precision})
    method = load_entry(run.method.folder, str(run.method.entry))
    with tempfile.TemporaryDirectory() as folder:
        job = replace(Job.of(config, run, 0), folder=Path(folder))
        trainer = make_trainer(training_of(job), method, options.device)
        torch.set_num_threads(1 if on_gpu or way == "engine" else 2)
        if way == "plain":
            _make_plain(trainer)
        _take_steps(trainer, steps=WARM)
        _meet(meeting, processes)
        started, steps = time.perf_counter(), 0
        while time.perf_counter() - started < SECONDS:
            # A GPU computes on while nobody asks for its numbers.
            steps += _take_steps(trainer, steps=LOOK_EVERY if on_gpu else 1)
        return steps / (time.perf_counter() - started)


def _make_plain(trainer: Trainer) -> None:
    """The plain loop lays its weights out, convolves and steps as torch does."""
    trainer.network.to(memory_format=torch.contiguous_format)  # type: ignore[call-overload]
    plain = {fast: torchs for torchs, fast in FAST.items()} | {FlowHead: torch.nn.Conv3d}
    for layer in trainer.network.modules():
        layer.__class__ = plain.get(type(layer), type(layer))
    if trainer.recipe.device == "cpu":
        trainer.optimizer.param_groups[0]["fused"] = None
    trainer._update = trainer._learn


def _take_steps(trainer: Trainer, steps: int) -> int:
    """How many it took; all are done when it returns."""
    for _ in range(steps):
        trainer.one_step()
        trainer.step += 1
    if trainer.recipe.device != "cpu":
        torch.cuda.synchronize(trainer.recipe.device)
    return steps


def _meet(folder: Path, processes: int) -> None:
    """Wait until all processes have come."""
    with tempfile.NamedTemporaryFile(dir=folder, delete=False):
        until = time.monotonic() + PATIENCE
    while len(list(folder.iterdir())) < processes:
        if time.monotonic() > until:
            raise SystemExit(f"a process did not come within {PATIENCE:.0f} s")
        time.sleep(0.01)


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("config")
    parser.add_argument("task")
    parser.add_argument("methods", nargs="+")
    parser.add_argument("--device", default="cpu")
    parser.add_argument("--processes", type=int, default=2)
    parser.add_argument("--one", nargs=3, help=argparse.SUPPRESS)
    options = parser.parse_args()
    try:
        if options.one:
            way, meeting, processes = options.one
            print(measure(options, way, Path(meeting), int(processes)))
        else:
            main(options)
    except (BadInput, OSError) as problem:
        sys.stderr.write(f"{SAYS}{in_words(problem)}\n")
        sys.exit(2)
