"""Reference weights: the networks that a config trained, in half precision, with a record each.

    python tools/pack_weights.py config/train-all.yaml [--task T] [--run R] [--seed K] [--to FOLDER]
    python tools/pack_weights.py config/study.yaml --point lambda0.3-steps1600-seed0

Writes FOLDER/TASK/METHOD.pt (default: reference/weights) for each run that the config itself
trained, with the first seed unless --seed names another. Where a task has several runs of a method,
--run names the one to pack. The record holds the config, run, task, method, steps, lambda, seed,
commit, hardware, date and the validation measures of the weights before rounding. The same
training gives the same bytes. With --point, the weights are those of a training of the study.
"""

import argparse
import math
import subprocess
from collections.abc import Mapping
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pandas as pd
import torch

from regbench.base.errors import BadInput
from regbench.base.files import read_json
from regbench.base.paths import CHECKPOINT, TRAINING
from regbench.base.project import find_root
from regbench.learning.checkpoint import load, save
from regbench.plan.config import load_config
from regbench.plan.jobs import Job
from regbench.plugins.weights import seed_file
from regbench.reports.results import hardware
from regbench.study.run import (
    every_point,
    job_of,
    record_file,
    studied_runs,
)

#: A repository is no place for large files.
MOST_BYTES = 1_000_000


def main() -> None:
    """Pack every network that is asked for."""
    about, _, more = (__doc__ or "").partition("\n")
    parser = argparse.ArgumentParser(
        description=about, epilog=more, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("config", type=Path)
    parser.add_argument("--task", help="default: every task that is trained")
    parser.add_argument("--run", help="run id, with --point a method; default: every learned run")
    parser.add_argument("--point", help="a training of the study, by the name of its record")
    parser.add_argument("--seed", type=int, help="default: the config's first")
    parser.add_argument("--to", type=Path, default=Path("reference/weights"))
    parser.add_argument("--commit", help="of the code that trained; default: the one checked out")
    parser.add_argument("--hardware", help="that trained; default: this machine's processor")
    options = parser.parse_args()
    by = {"commit": options.commit or commit_of(), "hardware": options.hardware or hardware()}
    try:
        if options.point:
            pairs = points(options.config, options.point, options.task, options.run)
        else:
            found = jobs(options.config, options.task, options.run, options.seed)
            pairs = [(job, record_of(job)) for job in found]
        for job, record in pairs:
            file = options.to / job.run.task.id / seed_file(job.run.method.id, record["seed"])
            record |= by
            pack(job.folder / CHECKPOINT, file, record)
            print(f"{file}: {file.stat().st_size} bytes, {record}")
    except BadInput as problem:
        raise SystemExit(f"pack_weights: {problem}") from None


def jobs(config_file: Path, task: str | None, run: str | None, seed: int | None) -> list[Job]:
    """The trainings to pack, one for each task and method.

    Raises:
        BadInput: there is none, or a task has several runs of a method.
    """
    config = load_config(config_file, find_root())
    found: dict[tuple[str, str], Job] = {}
    for item in config.runs:
        own = item.method.learned and not item.checkpoint and item.task.trained_on == item.task.id
        if not own or task not in (None, item.task.id) or run not in (None, item.id):
            continue
        key = (item.task.id, item.method.id)
        if key in found:
            raise BadInput(
                f"task {key[0]} has several runs of {key[1]}",
                expected=f"--run {found[key].run.id} or --run {item.id}",
            )
        found[key] = Job.of(config, item, config.seeds[0] if seed is None else seed)
    if not found:
        raise BadInput("trains no such network", file=config_file, found=f"{task} {run}")
    return list(found.values())


def points(
    config_file: Path, name: str, task: str | None, run: str | None
) -> list[tuple[Job, dict[str, Any]]]:
    """The trainings of a study by that name, with their records.

    Raises:
        BadInput: the config has no study, or there is none whose weights are here.
    """
    config = load_config(config_file, find_root(start=config_file.resolve().parent))
    known = {point.name: point for point in every_point(config)}
    found = []
    for item in studied_runs(config):
        job = job_of(config, item, known[name]) if name in known else None
        if job is None or not (job.folder / CHECKPOINT).is_file():
            continue
        if task not in (None, item.task.id) or run not in (None, item.method.id):
            continue
        content = read_json(record_file(config, item, known[name]))
        row = {key: float(value or "nan") for key, value in content["curve"][-1].items()}
        found.append((job, about(job, item.method.id, content) | measured(row)))
    if not found:
        raise BadInput("has no such training with weights here", file=config_file, found=name)
    return found


def record_of(job: Job) -> dict[str, Any]:
    """What a reader must know about a training.

    Raises:
        BadInput: it has not ended, or it failed.
    """
    training = read_json(job.folder / TRAINING)
    if training["outcome"] != "ok" or "steps" not in training:
        raise BadInput("is no finished training", file=job.folder, found=training["reason"])
    return about(job, job.run.id, training) | validation(job.folder, training, job.run.settings)


def about(job: Job, run: str, training: dict[str, Any]) -> dict[str, Any]:
    """What was trained, where and when."""
    # The trained weights' own time: packing later gives the same record.
    when = (job.folder / CHECKPOINT).stat().st_mtime
    return {
        "config": job.config.name,
        "run": run,
        "task": job.run.task.id,
        "method": job.run.method.id,
        "steps": training["steps"],
        "lambda": job.run.settings["lambda"],
        "seed": job.seed,
        "device": training["device"],
        "date": datetime.fromtimestamp(when, UTC).strftime("%Y-%m-%d"),
    }


def validation(
    folder: Path, training: dict[str, Any], settings: dict[str, Any]
) -> dict[str, float]:
    """The columns `validation_*` of `loss.csv` for the weights that registration gets.

    Without those that have no value there: Dice of images without labels.
    """
    curve = pd.read_csv(folder / "loss.csv")
    last = settings.get("weights", "best") == "last"
    step = curve["step"].iloc[-1] if last else training["best_step"]
    row = curve[curve["step"] == step].iloc[0]
    return measured({str(name): float(row[name]) for name in curve})


def measured(row: Mapping[str, float]) -> dict[str, float]:
    """The measures of a row of a curve, without those that have no value."""
    named = {name: value for name, value in row.items() if name.startswith("validation_")}
    return {name: float(f"{value:.4g}") for name, value in named.items() if math.isfinite(value)}


def pack(source: Path, file: Path, record: dict[str, Any]) -> None:
    """Write a checkpoint's weights as float16, with a record.

    Raises:
        BadInput: a weight is beyond the range of half precision, or the file would be too large.
    """
    content = load(source)
    halves = {name: halved(name, weight) for name, weight in content["network"].items()}
    size = sum(weight.numel() * weight.element_size() for weight in halves.values())
    if size > MOST_BYTES:
        raise BadInput("is too large to pack", file=source, expected=MOST_BYTES, found=size)
    save(file, {"identity": content["identity"], "network": halves, "record": record})


def halved(name: str, weight: torch.Tensor) -> torch.Tensor:
    """A tensor of real numbers rounded to float16; others as they are."""
    if not weight.is_floating_point():
        return weight
    half = weight.half()
    if not torch.isfinite(half).all():
        raise BadInput(f"{name} does not fit half precision", expected="|weight| <= 65504")
    return half.contiguous()


def commit_of() -> str:
    """The commit that is checked out, with `-dirty` where files differ from it."""
    words = ["git", "describe", "--always", "--dirty", "--abbrev=12"]
    return subprocess.run(words, capture_output=True, text=True, check=True).stdout.strip()


if __name__ == "__main__":
    main()
