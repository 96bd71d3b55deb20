"""Training a learned method for a moment: whole, killed in the middle and resumed."""

from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

from regbench.check.finding import FAIL, NOTE, OK, WARNING, Finding
from regbench.check.toy_data import write_toy_data
from regbench.execution.launcher import absolute
from regbench.execution.worker_client import Limits, Worker, WorkerFailure
from regbench.plugins.kinds import MethodPlugin

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
    """Train into `folder/whole`; then once more into `folder/broken`, killed and resumed.

    A time limit is no limit of a training: it has some times as much.
    """
    file = folder / "data" / "Toy_dataset.json"
    write_toy_data(file)
    short = {"steps": STEPS, "validate_every": VALIDATE_EVERY, "save_every": SAVE_EVERY}
    job = {
        "folder": str(plugin.folder.resolve()),
        "id": plugin.id,
        "settings": absolute(settings) | short,
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
        still = self._ask({"still": str(whole / "checkpoint.pt")})["still"]
        yield _curve_finding(whole / "loss.csv", record, still)
        try:
            self._train(broken, kill_at=KILL_AT)
        except WorkerFailure:
            # As it was told. A failure of another kind shows when it goes on.
            self.worker = None
        if not (broken / "training.pt").is_file():
            yield Finding("resume", NOTE, "cannot tell: the killed training left no state")
            return
        resumed = self._train(broken)
        if resumed["outcome"] != "ok":
            yield Finding("resume", FAIL, f"going on after a kill: {resumed['reason']}")
            return
        files = [str(place / "checkpoint.pt") for place in (whole, broken)]
        if self._ask({"compare": files})["equal"]:
            text = f"killed at step {KILL_AT} of {STEPS} and gone on with: the same weights"
            yield Finding("resume", OK, text)
        else:
            text = f"killed at step {KILL_AT} of {STEPS} and gone on with: other weights"
            fix = "keep no state beside the network's: no random numbers in forward, no counters"
            yield Finding("resume", FAIL, text, fix)

    def close(self) -> None:
        if self.worker is not None:
            self.worker.close()

    def _train(self, into: Path, kill_at: int | None = None) -> dict[str, Any]:
        record: dict[str, Any] = self._ask({"train": str(into), "kill_at": kill_at})["record"]
        return record

    def _ask(self, request: dict[str, Any]) -> dict[str, Any]:
        if self.worker is None:
            program = ("regbench.check.training_job",)
            self.worker = Worker(self.job, self.limits, self.log, program=program, folder=self.here)
        answer = self.worker.ask(request)
        if not answer["ok"]:
            raise WorkerFailure("failed", answer["reason"])
        return answer


def _curve_finding(file: Path, record: dict[str, Any], still: list[str]) -> Finding:
    rows = [line.split(",") for line in file.read_text(encoding="utf-8").splitlines()[1:]]
    first, last = float(rows[0][2]), float(rows[-1][2])
    text = f"{record['parameters']} parameters; validation loss {first:.4f} at step {rows[0][0]}, "
    text += f"{last:.4f} at step {rows[-1][0]}, {record['seconds']:.1f} s"
    if still:
        text += f"; {len(still)} of its tensors did not change, {still[0]} first"
        return Finding("training", WARNING, text, "are they used, and do gradients reach them?")
    if last < first:
        return Finding("training", OK, text)
    return Finding("training", NOTE, f"{text}: too short to tell whether it learns")
