"""Carrying out a study: trainings side by side, in the order that the protocol asks for them."""

import csv
import os
import subprocess
import sys
import time
from collections import Counter
from collections.abc import Collection
from dataclasses import dataclass, replace
from itertools import product, starmap
from pathlib import Path
from typing import NamedTuple

from regbench.base.devices import device
from regbench.base.errors import BadInput
from regbench.base.files import digest, read_json, write_bytes, write_json
from regbench.base.paths import CHECKPOINT, LOSSES
from regbench.base.records import INTERRUPTED
from regbench.plan.config import Config, RunConfig
from regbench.plan.jobs import Job
from regbench.plan.models import StudyEntry
from regbench.study.protocol import Point, Record, State, state_of

_POLL_S = 0.2


class _Going(NamedTuple):
    """A training in a process of its own."""

    run: RunConfig
    point: Point
    process: subprocess.Popen[bytes]
    started: float


@dataclass
class Study:
    """A study that can be stopped at any moment: finished trainings are kept, others resume.

    It prints every training that ends.

    Attributes:
        config: with a `study`, read from a file.
        processes: trainings side by side. They share a GPU where there is one.
        tasks: of the config that are carried out; empty for all.
        minutes: no training starts that would not end within them, as far as one can tell.
    """

    config: Config
    processes: int
    tasks: Collection[str] = ()
    minutes: float | None = None

    def __post_init__(self) -> None:
        config, tasks = self.config, self.tasks
        self.protocol = protocol_of(config)
        self.runs = [r for r in studied_runs(config) if not tasks or r.task.id in tasks]
        self._end = None if self.minutes is None else time.monotonic() + 60 * self.minutes
        self._going: list[_Going] = []
        #: Seconds a step of each method's trainings that ended here.
        self._pace: dict[str, float] = {}
        #: Trainings whose process ended without a record; another start of the study tries again.
        self._stopped: set[tuple[str, str, Point]] = set()
        points = every_point(config)
        self._records = [read_records(config, run, points) for run in self.runs]

    def states(self) -> list[tuple[RunConfig, State]]:
        """How far each method is."""
        pairs = zip(self.runs, self._records, strict=True)
        return [
            (run, state_of(self.protocol, self.config.seeds, records)) for run, records in pairs
        ]

    def carry_out(self) -> bool:
        """Train what is missing; True when nothing is left to train."""
        with device(self.config.device) as name:
            try:
                self._start(name)
                while self._going:
                    time.sleep(_POLL_S)
                    if self._collect():
                        self._start(name)
            finally:
                for going in self._going:
                    going.process.terminate()
                for going in self._going:
                    going.process.wait()
        return all(state.done for _, state in self.states())

    def choose(self) -> list[str]:
        """Put the chosen weights in their places; what is missing, a line each."""
        problems = []
        for run, state in self.states():
            name = f"{run.method.id} on {run.task.id}"
            if state.failed or not state.done or state.weight is None or state.steps is None:
                problems.append(f"{name}: {state.failed or 'not finished'}")
                continue
            for seed in self.config.seeds:
                if not keep_weights(self.config, run, Point(state.weight, state.steps, seed)):
                    problems.append(f"{name}: no weights of seed {seed} on this machine")
        return problems

    def _start(self, name: str) -> None:
        """Start trainings while there is room: what is needed first, then what is likely."""
        environment = {**os.environ, "REGBENCH_ROOT": str(self.config.root)}
        busy = {(going.run.task.id, going.run.id, going.point) for going in self._going}
        busy |= self._stopped
        states = self.states()
        queue = [(run, point) for run, state in states for point in state.needed]
        queue += [(run, point) for run, state in states for point in state.likely]
        for run, point in queue:
            if len(self._going) >= self.processes:
                return
            if (run.task.id, run.id, point) in busy or self._too_long(run, point):
                continue
            command = [sys.executable, "-m", "regbench.cli.main", "stage", "study-point"]
            command += ["--config", str(self.config.file), "--task", run.task.id, "--run", run.id]
            command += ["--lambda", repr(point.weight), "--steps", str(point.steps)]
            command += ["--seed", str(point.seed), "--device", name]
            log = self._log(run, point)
            log.parent.mkdir(parents=True, exist_ok=True)
            with log.open("ab") as output:
                process = subprocess.Popen(command, stdout=output, stderr=output, env=environment)
            self._going.append(_Going(run, point, process, time.monotonic()))

    def _collect(self) -> bool:
        """Note the trainings that ended; whether any did."""
        ended = [going for going in self._going if going.process.poll() is not None]
        for going in ended:
            self._going.remove(going)
            run, point = going.run, going.point
            name = f"{run.task.id} {run.method.id} {point.name}"
            record = read_records(self.config, run, [point]).get(point)
            if record is None:
                # Killed, or it could not start: that says nothing about the method.
                self._stopped.add((run.task.id, run.id, point))
                code, log = going.process.returncode, self._log(run, point)
                print(f"{name}: its process ended with code {code}; see {log}")
                continue
            seconds = time.monotonic() - going.started
            self._pace[run.method.id] = seconds / point.steps
            self._records[self.runs.index(run)][point] = record
            print(
                f"{name}: {record.outcome}, Dice {record.dice:.2f}, loss {record.loss:.4f}, "
                f"{seconds:.0f} s"
            )
        return bool(ended)

    def _log(self, run: RunConfig, point: Point) -> Path:
        return job_of(self.config, run, point).folder / "log.txt"

    def _too_long(self, run: RunConfig, point: Point) -> bool:
        if self._end is None:
            return False
        pace = self._pace.get(run.method.id, max(self._pace.values(), default=0.0))
        return time.monotonic() + pace * point.steps > self._end


def progress(study: Study) -> list[str]:
    """A line for each method and task: what is chosen, and what is left."""
    lines = []
    for run, state in study.states():
        left = ", ".join(point.name for point in state.needed) or "none"
        chosen = f"lambda {state.weight or '-'}, steps {state.steps or '-'}"
        lines.append(f"{run.task.id} {run.method.id}: {state.failed or chosen}; left: {left}")
    return lines


def protocol_of(config: Config) -> StudyEntry:
    """The protocol that a config's `study` states.

    Raises:
        BadInput: the config has none.
    """
    if config.study is None:
        raise BadInput("the config has no study", file=config.file, expected="a key `study`")
    return config.study


def studied_runs(config: Config) -> list[RunConfig]:
    """The learned runs on the tasks that train them.

    Raises:
        BadInput: a method is listed twice on a task: its records would have the same names.
    """
    found = [r for r in config.runs if r.method.learned and r.task.trained_on == r.task.id]
    for (task, method), number in Counter((r.task.id, r.method.id) for r in found).items():
        if number > 1:
            raise BadInput(
                f"a study has each method once; {method} on task {task}",
                file=config.file,
                found=f"{number} times",
            )
    return found


def record_file(config: Config, run: RunConfig, point: Point) -> Path:
    """The record of a training: small, and kept with the project."""
    return (
        config.root / "reference" / config.name / run.task.id / run.method.id / f"{point.name}.json"
    )


def job_of(config: Config, run: RunConfig, point: Point) -> Job:
    """A point of the study as a training job, in a folder of its own."""
    settings = {"lambda": point.weight, "steps": point.steps, "checkpoint": ""}
    run = replace(run, settings={**run.settings, **settings})
    folder = Path("results", config.name, "study", run.task.id, run.method.id, point.name)
    return replace(Job.of(config, run, point.seed), folder=folder)


def key_of(run: RunConfig, point: Point) -> str:
    """What makes a record another one's: data, settings and point. Not the code: hours of training
    would be lost to every edit. Delete a record to train it anew."""
    data = run.task.dataset
    chosen = ("lambda", "steps", "checkpoint")
    settings = {k: v for k, v in run.training_settings.items() if k not in chosen}
    splits = {name: data.splits.get(name) for name in ("training", "validation")}
    return digest([data.plugin.version, data.settings, splits, settings, point.name])


def read_records(config: Config, run: RunConfig, points: list[Point]) -> dict[Point, Record]:
    """The finished trainings among these points."""
    found = {}
    for point in points:
        file = record_file(config, run, point)
        if file.is_file() and (content := read_json(file)).get("key") == key_of(run, point):
            found[point] = Record.of(content)
    return found


def every_point(config: Config) -> list[Point]:
    """All that the protocol of a config could ask for."""
    protocol = protocol_of(config)
    return list(starmap(Point, product(protocol.lambda_, protocol.steps, config.seeds)))


def train_point(config: Config, run: RunConfig, point: Point, device: str) -> None:
    """Train one point, and write its record. A training that fails is a record, too.

    Raises:
        BadInput: a package is missing here. That says nothing about the method: no record.
    """
    from regbench.learning.train import train, training_of

    job = job_of(config, run, point)
    result = train(training_of(job), device)
    if result["outcome"] in ("skipped", INTERRUPTED):
        raise BadInput(f"{run.method.id} cannot be trained", found=result["reason"])
    rows: list[dict[str, str]] = []
    if result["outcome"] == "ok":
        with (job.folder / LOSSES).open(newline="", encoding="utf-8") as lines:
            rows = list(csv.DictReader(lines))
    kept = ("outcome", "reason", "parameters", "seconds", "cpu_seconds", "device", "peak_gpu_mb")
    content = {
        "key": key_of(run, point),
        "task": run.task.id,
        "method": run.method.id,
        "lambda": point.weight,
        "steps": point.steps,
        "seed": point.seed,
        **{name: result.get(name) for name in kept},
        "curve": rows,
    }
    write_json(record_file(config, run, point), content)


def keep_weights(config: Config, run: RunConfig, point: Point) -> bool:
    """Put chosen weights where `checkpoint:` finds them; False where they are gone."""
    source = job_of(config, run, point).folder / CHECKPOINT
    if source.is_file():
        write_bytes(weights_file(config, run, point.seed), source.read_bytes())
        return True
    return weights_file(config, run, point.seed).is_file()


def weights_file(config: Config, run: RunConfig, seed: int) -> Path:
    """The chosen weights of a method on a task."""
    return Path("results", config.name, "weights", run.task.id, run.method.id, f"seed{seed}.pt")
