"""Training a learned method for a moment: whole, and killed and resumed.

As a program, the worker that trains and that may be killed.
"""

import os
import signal
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

from regbench.check.finding import FAIL, NOTE, OK, WARNING, Finding
from regbench.check.toy import write_toy_data
from regbench.data.layout import read_layout
from regbench.execution.protocol import Answerer, Worker, WorkerFailure, serve_requests
from regbench.execution.worker import absolute_paths
from regbench.plan.resources import Limits
from regbench.plugins.kinds import MethodPlugin, read_methods
from regbench.plugins.loading import load_entry

#: Steps of the training, between rows of its curve, between states, and where it is killed.
STEPS, VALIDATE_EVERY, SAVE_EVERY, KILL_AT = 60, 20, 20, 35
#: Seconds that a training may take for each second that a registration may.
_TRAINING_TIMES = 5
SEE_LOG = "`--log FILE` keeps what it printed"


def training_findings(
    plugin: MethodPlugin,
    settings: dict[str, Any],
    seed: int,
    limits: Limits,
    folder: Path,
    log: Path,
) -> Iterator[Finding]:
    """Train into `folder/whole`; then into `folder/broken`, killed and resumed.

    A training may take _TRAINING_TIMES as long as the time limit of a registration.
    """
    file = folder / "data" / "Toy_dataset.json"
    write_toy_data(file)
    short = {"steps": STEPS, "validate_every": VALIDATE_EVERY, "save_every": SAVE_EVERY}
    job = {
        "folder": str(plugin.folder.resolve()),
        "id": plugin.id,
        "settings": absolute_paths(settings) | short,
        "seed": seed,
        "threads": plugin.resources.threads,
        "layout": str(file),
    }
    limits = replace(limits, time_s=_TRAINING_TIMES * limits.time_s)
    trainings = _Trainings(job, limits, folder, log)
    try:
        yield from trainings.findings()
    except WorkerFailure as failure:
        text = f"{failure.outcome}: {failure}"
        yield Finding("training", FAIL, text, SEE_LOG)
    finally:
        trainings.close()


class _Trainings:
    """The trainings of a method, in processes of their own."""

    def __init__(self, job: dict[str, Any], limits: Limits, folder: Path, log: Path) -> None:
        self.job = job
        self.limits = limits
        self.folder = folder
        self.log = log
        self.here = folder / "training-here"
        self.here.mkdir()
        self.worker: Worker | None = None

    def findings(self) -> Iterator[Finding]:
        whole, broken = self.folder / "whole", self.folder / "broken"
        record = self._train(whole)
        if record["outcome"] != "ok":
            text = f"training {record['outcome']}: {record['reason']}"
            yield Finding("training", FAIL, text, SEE_LOG)
            return
        unchanged = self._ask({"unchanged": str(whole / "checkpoint.pt")})["unchanged"]
        yield _curve_finding(whole / "loss.csv", record, unchanged)
        try:
            self._train(broken, kill_at=KILL_AT)
        except WorkerFailure:
            # The kill was intended. A failure of another kind shows when the training resumes.
            self.worker = None
        if not (broken / "training.pt").is_file():
            yield Finding("resume", NOTE, "cannot tell: the killed training left no state")
            return
        resumed = self._train(broken)
        if resumed["outcome"] != "ok":
            yield Finding("resume", FAIL, f"resumed after a kill: {resumed['reason']}")
            return
        files = [str(place / "checkpoint.pt") for place in (whole, broken)]
        text = f"killed at step {KILL_AT} of {STEPS} and resumed"
        if self._ask({"compare": files})["equal"]:
            yield Finding("resume", OK, f"{text}: the same weights")
        else:
            fix = "keep no state outside the network: no random numbers in forward, no counters"
            yield Finding("resume", FAIL, f"{text}: other weights", fix)

    def close(self) -> None:
        if self.worker is not None:
            self.worker.close()

    def _train(self, into: Path, kill_at: int | None = None) -> dict[str, Any]:
        record: dict[str, Any] = self._ask({"train": str(into), "kill_at": kill_at})["record"]
        return record

    def _ask(self, request: dict[str, Any]) -> dict[str, Any]:
        if self.worker is None:
            program = ("regbench.check.training",)
            self.worker = Worker(self.job, self.limits, self.log, program=program, folder=self.here)
        answer = self.worker.ask(request)
        if not answer["ok"]:
            raise WorkerFailure("failed", answer["reason"])
        return answer


def _curve_finding(file: Path, record: dict[str, Any], unchanged: list[str]) -> Finding:
    rows = [line.split(",") for line in file.read_text(encoding="utf-8").splitlines()[1:]]
    first, last = float(rows[0][2]), float(rows[-1][2])
    text = f"{record['parameters']} parameters; validation loss {first:.4f} at step {rows[0][0]}, "
    text += f"{last:.4f} at step {rows[-1][0]}, {record['seconds']:.1f} s"
    if unchanged:
        text += f"; {len(unchanged)} of its tensors did not change, {unchanged[0]} first"
        return Finding("training", WARNING, text, "are they used, and do gradients reach them?")
    if last < first:
        return Finding("training", OK, text)
    return Finding("training", NOTE, f"{text}: too short to tell whether it learns")


def start(job: dict[str, Any]) -> tuple[dict[str, str], Answerer]:
    """The answerer of the worker.

    Requests: `train` (a folder, and perhaps the step to be killed at), `compare` (two checkpoints)
    and `unchanged` (a checkpoint: the weights that training left as they were).
    """
    # Only the worker needs PyTorch; the command line starts without it.
    import torch

    from regbench.learning.checkpoint import load
    from regbench.learning.train import Training, train

    plugin = next(m for m in read_methods(Path(job["folder"])) if m.id == job["id"])
    layout = read_layout(Path(job["layout"]))

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

    def weights(checkpoint: str) -> dict[str, Any]:
        return dict(load(Path(checkpoint))["network"])

    def unchanged(checkpoint: str) -> list[str]:
        """Names of the weights that equal those of a new network of the same seed."""
        torch.manual_seed(job["seed"])
        method = load_entry(plugin.folder, str(plugin.entry))
        trained, new = weights(checkpoint), method.build(job["settings"]).named_parameters()
        return [name for name, weight in new if torch.equal(trained[name].float(), weight.float())]

    def answer(request: dict[str, Any]) -> dict[str, Any]:
        if "compare" in request:
            a, b = map(weights, request["compare"])
            return {"equal": a.keys() == b.keys() and all(torch.equal(a[k], b[k]) for k in a)}
        if "unchanged" in request:
            return {"unchanged": unchanged(request["unchanged"])}
        if request["kill_at"] is not None:
            _kill_at(request["kill_at"])
        return {"record": train(training(Path(request["train"])))}

    return {}, answer


def _kill_at(step: int) -> None:
    """From now on, a training kills this process when it reaches that step."""
    from regbench.learning.trainer import Trainer

    one_step = Trainer.one_step

    def killed(self: Trainer) -> float:
        if self.step == step:
            os.kill(os.getpid(), signal.SIGKILL)
        return one_step(self)

    Trainer.one_step = killed  # type: ignore[method-assign]


if __name__ == "__main__":
    serve_requests(start)
