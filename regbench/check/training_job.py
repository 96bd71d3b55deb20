"""A process that trains a method, and may be killed in the middle: a worker of `regbench check`."""

import os
import signal
from pathlib import Path
from typing import Any

import torch

from regbench.data.layout import read_layout
from regbench.execution.protocol import Answerer, serve_requests
from regbench.learning.checkpoint import load
from regbench.learning.train import Training, train
from regbench.learning.trainer import Trainer
from regbench.plugins.kinds import MethodPlugin, read_methods
from regbench.plugins.loading import load_entry


def start(job: dict[str, Any]) -> tuple[dict[str, str], Answerer]:
    """What answers `train` (into a folder, perhaps killed at a step), `compare` (two checkpoints)
    and `still` (a checkpoint: which weights are as they were at the start)."""
    plugin = next(m for m in read_methods(Path(job["folder"])) if m.id == job["id"])
    file = Path(job["layout"])
    layout = read_layout(file)

    def training(into: Path) -> Training:
        return Training(
            method=plugin,
            settings=job["settings"],
            seed=job["seed"],
            cases=layout.cases["training"],
            held_out=layout.cases["validation"],
            groups={},
            dice=None,
            key="",
            folder=into,
        )

    def answer(request: dict[str, Any]) -> dict[str, Any]:
        if "compare" in request:
            one, other = (load(Path(name))["network"] for name in request["compare"])
            return {"equal": _equal(one, other)}
        if "still" in request:
            return {"still": _still(plugin, job, Path(request["still"]))}
        if request["kill_at"] is not None:
            _kill_at(request["kill_at"])
        return {"record": train(training(Path(request["train"])))}

    return {}, answer


def _kill_at(step: int) -> None:
    """From now on, a training ends this process by SIGKILL when it comes to that step."""
    real = Trainer.one_step

    def one_step(self: Trainer) -> float:
        if self.step == step:
            os.kill(os.getpid(), signal.SIGKILL)
        return real(self)

    Trainer.one_step = one_step  # type: ignore[method-assign]


def _still(plugin: MethodPlugin, job: dict[str, Any], file: Path) -> list[str]:
    """Names of the weights that a training left as a fresh network of its seed has them."""
    torch.manual_seed(job["seed"])
    method = load_entry(plugin.folder, str(plugin.entry))
    trained = load(file)["network"]
    fresh = method.build(job["settings"]).named_parameters()
    return [name for name, weight in fresh if torch.equal(trained[name].float(), weight.float())]


def _equal(one: dict[str, Any], other: dict[str, Any]) -> bool:
    """Whether two sets of weights are the same tensors."""
    return one.keys() == other.keys() and all(torch.equal(one[k], other[k]) for k in one)


if __name__ == "__main__":
    serve_requests(start)
