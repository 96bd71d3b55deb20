"""The trainings of a study on disk: where each one lies, its record, and carrying out one."""

import csv
from collections import Counter
from dataclasses import replace
from pathlib import Path

from regbench.base.errors import BadInput
from regbench.base.files import digest, read_json, write_bytes, write_json
from regbench.base.paths import CHECKPOINT, LOSSES
from regbench.base.records import INTERRUPTED
from regbench.plan.config import Config, RunConfig
from regbench.plan.jobs import Job
from regbench.study.protocol import Point, Protocol, Record, check_protocol


def protocol_of(config: Config) -> Protocol:
    """The protocol that a config's `study` states.

    Raises:
        BadInput: the config has none, or its lengths are not doublings.
    """
    if config.study is None:
        raise BadInput("the config has no study", file=config.file, expected="a key `study`")
    given = config.study
    protocol = Protocol(given.lambda_, given.steps, given.gain, config.seeds)
    check_protocol(protocol, config.file)
    return protocol


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


def every_point(protocol: Protocol) -> list[Point]:
    """All that the protocol could ask for."""
    return [
        Point(weight, steps, seed)
        for weight in protocol.weights
        for steps in protocol.lengths
        for seed in protocol.seeds
    ]


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
