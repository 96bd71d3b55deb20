"""Training as a job: from a run of the config to a checkpoint, or to why there is none."""

import traceback
from pathlib import Path
from typing import Any

import torch

from regbench.base.files import digest, sha256, write_text
from regbench.base.paths import CHECKPOINT
from regbench.data.layout import Case, Layout
from regbench.learning.checkpoint import load, save
from regbench.learning.memory import keep_freed_memory, recompute_blocks
from regbench.learning.method import LearnedMethod, identity, parameter_count
from regbench.learning.pairs import TrainingPairs
from regbench.learning.precision import use_bf16
from regbench.learning.trainer import Recipe, Trainer
from regbench.learning.validation import Validation
from regbench.measure.groups import label_groups
from regbench.plan.config import Config, RunConfig
from regbench.plan.keys import code_version
from regbench.plugins.kinds import missing_package
from regbench.plugins.loading import load_entry, load_metric

#: A network that learns from fewer pairs than this only remembers them.
MINIMUM_PAIRS = 2


def train(
    config: Config, run: RunConfig, seed: int, layout: Layout, folder: Path, device: str = "cpu"
) -> dict[str, Any]:
    """Train the run's network, or take the checkpoint that its settings name.

    Writes beside the returned record: `checkpoint.pt` (the weights with the best validation loss),
    `training.pt` (the last state, to go on from) and `loss.csv`.

    Args:
        config, run, seed, layout: what to train, on which pairs.
        folder: of the run and seed.
        device: `cpu` or `cuda:<k>`.

    Returns:
        outcome (`ok`, `failed` or `skipped`), reason, parameters, steps, seconds, device, peak
        memory of a GPU, best.
    """
    record: dict[str, Any] = {"outcome": "ok", "reason": "", "parameters": None}
    try:
        method = load_entry(run.method.folder, str(run.method.entry))
        record["parameters"] = parameter_count(method, run.settings)
        if run.settings["checkpoint"]:
            given = Path(run.settings["checkpoint"]).resolve()
            load(given)
            return record | {"checkpoint": str(given)}
        cases = _usable(layout.directed("training", run.task.direction))
        if len(cases) < MINIMUM_PAIRS:
            reason = f"{len(cases)} training pairs, at least {MINIMUM_PAIRS} are needed"
            return record | {"outcome": "skipped", "reason": reason}
        trainer = make_trainer(config, run, seed, layout, folder, method, cases, device)
        trainer.run()
        file = folder / CHECKPOINT
        weights = trainer.best["network"]
        save(file, {"identity": identity(method, run.settings), "network": weights})
        _write_curve(folder / "loss.csv", trainer.curve)
        return record | {
            "checkpoint": str(file),
            "steps": trainer.step,
            "seconds": trainer.seconds,
            "device": device,
            "peak_gpu_mb": _peak_gpu_mb(device),
            "best_step": trainer.best["step"],
            "best_validation_loss": trainer.best["loss"],
        }
    except (Exception, SystemExit) as error:
        # A plugin's code runs here: whatever it does is this run's failure, not the workflow's.
        traceback.print_exc()
        if isinstance(error, ModuleNotFoundError) and (name := missing_package(error)):
            return record | {"outcome": "skipped", "reason": run.method.lacks([name])}
        reason = " ".join(str(error).split())[:500] or type(error).__name__
        reason = f"SystemExit: {reason}" if isinstance(error, SystemExit) else reason
        return record | {"outcome": "failed", "reason": reason}


def make_trainer(
    config: Config,
    run: RunConfig,
    seed: int,
    layout: Layout,
    folder: Path,
    method: type[LearnedMethod],
    cases: list[Case],
    device: str,
) -> Trainer:
    """A run's training, ready to start: network, pairs, validation, recipe."""
    settings = run.settings
    torch.set_num_threads(run.method.resources.threads)
    keep_freed_memory()
    torch.manual_seed(seed)
    recipe = Recipe(
        steps=settings["steps"],
        learning_rate=settings["learning_rate"],
        weight=settings["lambda"],
        fold_weight=settings["fold_weight"],
        clip=settings["clip"],
        validate_every=settings["validate_every"],
        save_every=settings["save_every"],
        multiple=method.multiple,
        bf16=use_bf16(settings["precision"], device),
    )
    held_out = _usable(layout.directed("validation", run.task.direction)) or cases[:1]
    dice = config.catalog.metrics.get("dice")
    validation = Validation(
        sides=Validation.read(held_out),
        groups=label_groups(run, layout),
        dice=load_metric(dice) if dice else None,
        weight=recipe.weight,
        fold_weight=recipe.fold_weight,
        multiple=recipe.multiple,
        bf16=recipe.bf16,
        device=device,
    )
    pairs = TrainingPairs(
        cases, swap_roles=settings["swap_roles"], flip=settings["flip"], device=device
    )
    inputs = [e.image for c in (*cases, *held_out) for e in (c.fixed, c.moving)]
    stamp = digest(
        [
            settings,
            seed,
            code_version("train", run.method.files),
            [sha256(path) for path in (*run.method.files, *inputs)],
        ]
    )
    state = folder / "training.pt"
    network = method.build(settings)
    if settings["recompute"]:
        recompute_blocks(network)
    return Trainer(network, pairs, validation, recipe, state, stamp, seed, device)


def _peak_gpu_mb(device: str) -> float | None:
    return None if device == "cpu" else torch.cuda.max_memory_allocated(device) / 2**20


def _usable(cases: tuple[Case, ...]) -> list[Case]:
    return [case for case in cases if case.problem is None]


def _write_curve(file: Path, curve: list[list[float]]) -> None:
    lines = ["step,training_loss,validation_loss,validation_dice"]
    lines += [f"{int(row[0])},{row[1]:.6f},{row[2]:.6f},{row[3]:.3f}" for row in curve]
    write_text(file, "\n".join(lines) + "\n")
