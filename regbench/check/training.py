"""Training a learned method briefly, once in full and once killed and resumed.

As a program, this is the worker that trains, and that may be killed.
"""

import os
import signal
from collections.abc import Iterator
from contextlib import closing, suppress
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np

from regbench.check import FAIL, NOTE, OK, SEE_LOG, WARNING, Finding
from regbench.check.bench import bent, refuse_failure
from regbench.data.layout import read_layout
from regbench.data.pair import Pair, Side
from regbench.data.writer import LayoutWriter
from regbench.execution.protocol import Worker, WorkerFailure
from regbench.execution.serving import Answerer, serve_requests
from regbench.execution.worker import absolute_paths
from regbench.plan.resources import Limits
from regbench.plugins.kinds import MethodPlugin, read_methods
from regbench.plugins.loading import load_entry

#: Steps of the training, between rows of its curve, between states, and where it is killed.
STEPS, VALIDATE_EVERY, SAVE_EVERY, KILL_AT = 60, 20, 20, 35
#: The most steps of it on coarse images.
COARSE_STEPS = 30
#: Seconds that a training may take for each second that a registration may take.
_TRAINING_TIMES = 5
#: Pairs to train on, and their shape: small, and a multiple of what most networks pad to.
_COUNTS = {"training": 4, "validation": 1}
_SHAPE = (16, 16, 32)


def training_findings(
    plugin: MethodPlugin,
    settings: dict[str, Any],
    seed: int,
    limits: Limits,
    folder: Path,
    log: Path,
) -> Iterator[Finding]:
    """Train into `folder/whole`; then into `folder/broken`, killed and resumed.

    Each training may take _TRAINING_TIMES the time limit of a registration.
    """
    file = folder / "data" / "Toy_dataset.json"
    _write_toy_data(file)
    short = {"steps": STEPS, "validate_every": VALIDATE_EVERY, "save_every": SAVE_EVERY}
    short["coarse_steps"] = min(settings["coarse_steps"], COARSE_STEPS)
    job = {
        "folder": str(plugin.folder.resolve()),
        "id": plugin.id,
        "settings": absolute_paths(settings) | short,
        "seed": seed,
        "threads": plugin.resources.threads,
        "layout": str(file),
    }
    limits = replace(limits, time_s=_TRAINING_TIMES * limits.time_s)
    here = folder / "training-here"
    here.mkdir()

    def start_worker() -> closing[Worker]:
        return closing(Worker(job, limits, log, program=("regbench.check.training",), folder=here))

    whole, broken = folder / "whole", folder / "broken"
    try:
        with start_worker() as worker:
            finding = _whole_finding(worker, whole)
            yield finding
            if finding.outcome == FAIL:
                return
            # If this fails in another way than by the kill, the resumed training shows it.
            with suppress(WorkerFailure):
                _ask(worker, train=str(broken), kill_at=KILL_AT)
        if not (broken / "training.pt").is_file():
            yield Finding("resume", NOTE, "cannot tell: the killed training left no state")
            return
        with start_worker() as worker:
            yield _resumed_finding(worker, whole, broken)
    except WorkerFailure as failure:
        yield Finding("training", FAIL, f"{failure.outcome}: {failure}", SEE_LOG)


def _write_toy_data(file: Path) -> None:
    """A data set of bent pairs, whose JSON is `file`."""
    header = {
        "name": "Toy",
        "registration_direction": {"fixed": 0, "moving": 1},
        "modality": {"0": "blobs", "1": "blobs"},
        "labels": {"0": "background", "1": "blobs"},
    }
    writer = LayoutWriter(file, header)
    splits = [split for split, count in _COUNTS.items() for _ in range(count)]
    for number, split in enumerate(splits, 1):
        writer.add(number, split, number, partial(_toy_pair, number))
    writer.finish({"plugin": "toy"})


def _toy_pair(number: int) -> Pair:
    toy = bent(seed=100 + number, shape=_SHAPE)
    blobs = (toy.fixed, toy.moving)
    one, two = (Side(x, x.with_data((x.data > x.data.mean()).astype(np.int16))) for x in blobs)
    return Pair((one, two))


def _ask(worker: Worker, **request: Any) -> dict[str, Any]:
    answer = worker.ask(request)
    refuse_failure(answer)
    return answer


def _whole_finding(worker: Worker, folder: Path) -> Finding:
    """Train in full: how the loss went, and whether every weight changed."""
    answer = _ask(worker, train=str(folder))
    record, unchanged = answer["record"], answer["unchanged"]
    if record["outcome"] != "ok":
        text = f"training {record['outcome']}: {record['reason']}"
        return Finding("training", FAIL, text, SEE_LOG)
    curve = (folder / "loss.csv").read_text(encoding="utf-8").splitlines()[1:]
    rows = [line.split(",") for line in curve]
    first, last = float(rows[0][2]), float(rows[-1][2])
    text = f"{record['parameters']} parameters; validation loss {first:.4f} at step {rows[0][0]}"
    text += f", {last:.4f} at step {rows[-1][0]}, {record['seconds']:.1f} s"
    if unchanged:
        text += f"; {len(unchanged)} of its tensors did not change, {unchanged[0]} first"
        return Finding("training", WARNING, text, "are they used, and do gradients reach them?")
    if last < first:
        return Finding("training", OK, text)
    return Finding("training", NOTE, f"{text}: too short to tell whether it learns")


def _resumed_finding(worker: Worker, whole: Path, broken: Path) -> Finding:
    """Resume the killed training, and compare its weights with those of the whole one."""
    record = _ask(worker, train=str(broken))["record"]
    if record["outcome"] != "ok":
        return Finding("resume", FAIL, f"resumed after a kill: {record['reason']}", SEE_LOG)
    text = f"killed at step {KILL_AT} of {STEPS} and resumed"
    files = [str(place / "checkpoint.pt") for place in (whole, broken)]
    if _ask(worker, compare=files)["equal"]:
        return Finding("resume", OK, f"{text}: the same weights")
    fix = "keep no state outside the network: no random numbers in forward, no counters"
    return Finding("resume", FAIL, f"{text}: other weights", fix)


def start(job: dict[str, Any]) -> tuple[dict[str, str], Answerer]:
    """The answerer of the worker.

    Requests: `train` (a folder) with an optional `kill_at` (a step), and `compare` (two
    checkpoints). The answer to `train` names the weights that training left as they were.
    """
    # Only the worker needs PyTorch; the command line starts without it.
    import torch

    from regbench.learning.train import Training, train

    plugin = next(m for m in read_methods(Path(job["folder"])) if m.id == job["id"])
    layout = read_layout(Path(job["layout"]))

    method = load_entry(plugin.folder, str(plugin.entry))

    def weights(checkpoint: Path) -> dict[str, Any]:
        return dict(method.load(job["settings"], checkpoint))

    def unchanged(checkpoint: Path) -> list[str]:
        """Names of the weights that equal those of a new network of the same seed."""
        torch.manual_seed(job["seed"])
        trained, new = weights(checkpoint), method.build(job["settings"]).named_parameters()
        return [name for name, weight in new if torch.equal(trained[name].float(), weight.float())]

    def answer(request: dict[str, Any]) -> dict[str, Any]:
        if "compare" in request:
            a, b = (weights(Path(file)) for file in request["compare"])
            return {"equal": a.keys() == b.keys() and all(torch.equal(a[k], b[k]) for k in a)}
        if "kill_at" in request:
            _kill_at(request["kill_at"])
        folder = Path(request["train"])
        training = Training(
            method=plugin,
            settings=job["settings"],
            seed=job["seed"],
            cases=layout.cases["training"],
            held_out=layout.cases["validation"],
            groups={},
            metrics={},
            key="",
            folder=folder,
        )
        record = train(training)
        names = unchanged(folder / "checkpoint.pt") if record["outcome"] == "ok" else []
        return {"record": record, "unchanged": names}

    return {}, answer


def _kill_at(step: int) -> None:
    """From now on, a training kills this process when it reaches that step."""
    from regbench.learning.trainer import Trainer

    one_step = Trainer.one_step

    def killed(self: Trainer) -> Any:
        if self.step == step:
            os.kill(os.getpid(), signal.SIGKILL)
        return one_step(self)

    Trainer.one_step = killed  # type: ignore[method-assign]


if __name__ == "__main__":
    serve_requests(start)
