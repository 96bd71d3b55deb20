"""A process that trains a method, and may be killed in the middle: a worker of `regbench check`."""

import os
import signal
from pathlib import Path
from typing import Any

from regbench.checking.toy_data import layout_config
from regbench.data.layout import read_layout
from regbench.learning.checkpoint import load
from regbench.learning.train import train
from regbench.learning.trainer import Trainer
from regbench.plugins.kinds import read_methods
from regbench.running.serving import Answerer, serve_requests


def start(job: dict[str, Any]) -> tuple[dict[str, str], Answerer]:
    """What answers `train` (into a folder, perhaps killed at a step) and `compare` (two files)."""
    plugin = next(m for m in read_methods(Path(job["folder"])) if m.id == job["id"])
    file = Path(job["layout"])
    config, run = layout_config(plugin, job["settings"], file)

    def answer(request: dict[str, Any]) -> dict[str, Any]:
        if "compare" in request:
            one, other = (load(Path(name))["network"] for name in request["compare"])
            return {"equal": _equal(one, other)}
        if request["kill_at"] is not None:
            _kill_at(request["kill_at"])
        into = Path(request["train"])
        return {"record": train(config, run, job["seed"], read_layout(file), into)}

    return {}, answer


def _kill_at(step: int) -> None:
    """From now on, a training ends this process by SIGKILL when it comes to that step."""
    real = Trainer.one_step

    def one_step(self: Trainer) -> float:
        if self.step == step:
            os.kill(os.getpid(), signal.SIGKILL)
        return real(self)

    Trainer.one_step = one_step  # type: ignore[method-assign]


def _equal(one: dict[str, Any], other: dict[str, Any]) -> bool:
    """Whether two sets of weights are the same tensors."""
    import torch

    return one.keys() == other.keys() and all(torch.equal(one[k], other[k]) for k in one)


if __name__ == "__main__":
    serve_requests(start)
