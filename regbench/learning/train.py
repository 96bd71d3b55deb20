"""Training a method's network: from pairs and settings to a checkpoint and a record."""

import traceback
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import torch

from regbench.base.errors import BadInput, of_code
from regbench.base.files import digest, is_of_machine, sha256, writing
from regbench.base.paths import CHECKPOINT
from regbench.base.records import INTERRUPTED
from regbench.data.layout import Case
from regbench.learning.checkpoint import load_record
from regbench.learning.method import LearnedMethod, Recipe, parameter_count
from regbench.learning.network import keep_freed_memory, recompute_blocks
from regbench.plan import keys
from regbench.plan.jobs import Job
from regbench.plugins.kinds import MethodPlugin, MetricPlugin
from regbench.plugins.loading import load_entry, load_metric, missing_package

if TYPE_CHECKING:
    from regbench.learning.trainer import Trainer

#: A network that learns from fewer pairs than this only remembers them.
MINIMUM_PAIRS = 2


@dataclass(frozen=True)
class Training:
    """What a network is trained from, and where.

    Attributes:
        method: whose network it is.
        settings: the method's, those of training included.
        seed: of weights, sampling and augmentation.
        cases: to train on; those with a problem are left out.
        held_out: the validation cases; if none is usable, the first training case is used.
        groups: label groups of the validation's Dice.
        metrics: those of the project, by id; the validation measures METRICS of them.
        key: what the training depends on beside the images.
        folder: for the checkpoint, the state and the curve.
    """

    method: MethodPlugin
    settings: Mapping[str, Any]
    seed: int
    cases: Sequence[Case]
    held_out: Sequence[Case]
    groups: Mapping[str, tuple[int, ...]]
    metrics: Mapping[str, MetricPlugin]
    key: str
    folder: Path


def training_of(job: Job) -> Training:
    """The training of a run with one seed."""
    return Training(
        method=job.run.method,
        settings=job.run.settings_of(job.seed),
        seed=job.seed,
        cases=job.split("training"),
        held_out=job.split("validation"),
        groups=job.groups(),
        metrics=job.config.catalog.metrics,
        key=keys.train(job.run, job.seed),
        folder=job.folder,
    )


def train(training: Training, device: str = "cpu") -> dict[str, Any]:
    """Train a network, or use the checkpoint that its settings name.

    Also writes `checkpoint.pt` (the weights for registration), `training.pt` (the last state, to
    resume from) and `loss.csv`.

    Args:
        training: what to train, on which pairs.
        device: `cpu` or `cuda:<k>`.

    Returns:
        the record: outcome (`ok`, `failed` or `skipped`), reason, parameters, steps, which weights
        the checkpoint has, seconds, device, peak memory of a GPU, best step and its validation
        loss, validation pairs, what of the recipe is the plugin's own; of given weights their file,
        and the record in it (`origin`).
    """
    settings = training.settings
    record: dict[str, Any] = {"outcome": "ok", "reason": "", "parameters": None}
    try:
        method = load_entry(training.method.folder, str(training.method.entry))
        record["parameters"] = parameter_count(method, settings)
        if settings["checkpoint"]:
            given = Path(settings["checkpoint"])
            if not given.is_file():
                reason = f"there are no weights at {given}"
                return record | {"outcome": "skipped", "reason": reason}
            origin = {} if "load" in method.own() else load_record(given)
            return record | {"checkpoint": str(given.resolve()), "origin": origin}
        cases = _usable(training.cases)
        if len(cases) < MINIMUM_PAIRS:
            reason = f"{len(cases)} training pairs, at least {MINIMUM_PAIRS} are needed"
            return record | {"outcome": "skipped", "reason": reason}
        if training.method.uses_labels and not any(map(_labels, cases)):
            reason = "no training pair has labels, which the method uses"
            return record | {"outcome": "skipped", "reason": reason}
        trainer = make_trainer(training, method, device)
        trainer.run()
        file = training.folder / CHECKPOINT
        with writing(file) as opened:
            method.save(settings, opened, trainer.weights)
        return record | {
            "checkpoint": str(file),
            "own": [name for name in method.own() if name in ("loss", "training_step")],
            "steps": trainer.step,
            "weights": settings["weights"],
            "seconds": trainer.seconds,
            "cpu_seconds": trainer.cpu_seconds,
            "device": device,
            "peak_gpu_mb": None
            if device == "cpu"
            else torch.cuda.max_memory_allocated(device) / 2**20,
            "best_step": trainer.best["step"],
            "best_validation_loss": trainer.best["loss"],
            "validation_pairs": len(_usable(training.held_out)),
        }
    except (Exception, SystemExit) as error:
        # A plugin's code runs here: its errors fail this run, not the workflow.
        if not isinstance(error, BadInput):
            traceback.print_exc()
        if isinstance(error, ModuleNotFoundError) and (name := missing_package(error)):
            return record | {"outcome": "skipped", "reason": training.method.lacks([name])}
        reason = of_code(error)[:500]
        outcome = INTERRUPTED if is_of_machine(error) else "failed"
        return record | {"outcome": outcome, "reason": reason}


def make_trainer(training: Training, method: type[LearnedMethod], device: str) -> "Trainer":
    """A training, ready to start: network, pairs, validation, recipe."""
    # Where weights are given, these would take a quarter of the job's time.
    from regbench.learning.pairs import TrainingPairs
    from regbench.learning.trainer import Trainer
    from regbench.learning.validation import METRICS, HeldOut, Validation

    settings = training.settings
    cases = _usable(training.cases)
    torch.set_num_threads(training.method.resources.threads)
    keep_freed_memory()
    # Every step has the same shapes: it pays to try a GPU's ways to convolve them.
    torch.backends.cudnn.benchmark = True
    torch.manual_seed(training.seed)
    recipe = Recipe(method, settings, device)
    labels = training.method.uses_labels
    held_out = _usable(training.held_out) or cases[:1]
    validation = Validation(
        cases=[HeldOut.read(case, training.groups, recipe, labels=labels) for case in held_out],
        groups=training.groups,
        metrics={
            name: load_metric(training.metrics[name])
            for name in METRICS
            if name in training.metrics
        },
        recipe=recipe,
    )
    how = {name: settings[name] for name in ("swap_roles", "flip")}
    pairs = TrainingPairs(cases, **how, labels=labels, read=recipe.read)
    seen = [entry.image for case in (*cases, *held_out) for entry in (case.fixed, case.moving)]
    seen += [file for case in (*cases, *held_out) if labels for file in _labels(case)]
    key = digest([training.key, [sha256(path) for path in seen]])
    network = method.build(settings)
    if settings["recompute"]:
        recompute_blocks(network)
    state = training.folder / "training.pt"
    # Recomputing blocks asks for the state of random numbers, which no recording allows. A plugin's
    # own code may decide by what it computes, which a recording would repeat.
    captured = not (settings["recompute"] or {"call", "loss", "training_step"} & set(method.own()))
    return Trainer(network, pairs, validation, recipe, state, key, training.seed, captured)


def _usable(cases: Sequence[Case]) -> list[Case]:
    return [case for case in cases if case.problem is None]


def _labels(case: Case) -> list[Path]:
    """The label maps of a case."""
    return [entry.labels for entry in (case.fixed, case.moving) if entry.labels is not None]
