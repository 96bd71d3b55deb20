"""Training a network: Adam, cosine decay, validation, and a state to resume from."""

import math
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch
from tqdm import tqdm

from regbench.base.errors import BadInput
from regbench.data.pair import Side
from regbench.learning.checkpoint import load, save
from regbench.learning.loss import loss, mind
from regbench.learning.network import forward, to_channels_last, to_input
from regbench.learning.pairs import TrainingPairs
from regbench.measure.inputs import MaskPair
from regbench.spatial.convert import from_torch
from regbench.spatial.volume import Volume
from regbench.spatial.warp import warp_labels


@dataclass(frozen=True)
class Recipe:
    """The numbers of a training, and where it runs.

    Attributes:
        steps: of the optimizer, one pair each.
        learning_rate: of Adam at the start; it falls to 0 along half a cosine.
        weight: lambda.
        fold_weight, fold_sum_weight: of the penalty on folds, as in `loss`.
        clip: largest norm of the gradient.
        validate_every, save_every: steps.
        multiple: what the sides of the network's input must be multiples of.
        bf16: compute convolutions in bf16.
        device: `cpu` or `cuda:<k>`.
        rescale: as in `to_input`.
    """

    steps: int
    learning_rate: float
    weight: float
    fold_weight: float
    fold_sum_weight: float
    clip: float
    validate_every: int
    save_every: int
    multiple: int
    bf16: bool
    device: str = "cpu"
    rescale: bool = True

    def __post_init__(self) -> None:
        for name in ("steps", "learning_rate", "clip", "validate_every", "save_every"):
            value = getattr(self, name)
            # YAML reads 1e-3 as a text; as a number it is written 1.0e-3.
            if not isinstance(value, int | float) or not value > 0:
                raise BadInput(
                    f"bad {name} of training", expected="a number > 0", found=repr(value)
                )
        folds = ("fold_weight", self.fold_weight), ("fold_sum_weight", self.fold_sum_weight)
        for name, value in (("lambda", self.weight), *folds):
            if not isinstance(value, int | float):
                raise BadInput(f"bad {name}", expected="a number >= 0", found=repr(value))
            if value < 0:
                raise BadInput(f"{name} is negative", expected=">= 0", found=value)

    def read(self, image: Volume) -> torch.Tensor:
        """The network's input of an image."""
        return to_input(image, self.device, self.rescale)

    def rate(self, step: int) -> float:
        """The learning rate of a step."""
        return self.learning_rate * 0.5 * (1.0 + math.cos(math.pi * step / self.steps))

    def field_and_loss(
        self,
        network: torch.nn.Module,
        moving: torch.Tensor,
        fixed: torch.Tensor,
        fixed_features: torch.Tensor,
    ) -> tuple[torch.Tensor, torch.Tensor]:
        """The network's voxel field (N, 3, X, Y, Z) of a pair, and its loss."""
        field = forward(network, moving, fixed, self.multiple, bf16=self.bf16)
        weights = self.weight, self.fold_weight, self.fold_sum_weight
        return field, loss(moving, fixed_features, field, *weights)


@dataclass(frozen=True)
class Validation:
    """The loss, and Dice where there are labels, on cases that are not trained on.

    Attributes:
        sides: (fixed, moving) of each case.
        groups: label groups.
        dice: the metric, or None where the project has none of that name.
        recipe: of the training.
    """

    sides: list[tuple[Side, Side]]
    groups: Mapping[str, tuple[int, ...]]
    dice: Callable[[Any], float] | None
    recipe: Recipe

    @torch.no_grad()
    def measure(self, network: torch.nn.Module) -> tuple[float, float]:
        """Mean loss and mean Dice (percent; nan without labels) over cases and label groups."""
        network.eval()
        losses, overlaps = [], []
        for fixed, moving in self.sides:
            image, target = (self.recipe.read(s.image) for s in (moving, fixed))
            field, value = self.recipe.field_and_loss(network, image, target, mind(target))
            losses.append(float(value))
            if fixed.labels is None or moving.labels is None or self.dice is None:
                continue
            warped = warp_labels(moving.labels, from_torch(field.cpu(), fixed.labels.affine))
            for values in self.groups.values():
                masks = MaskPair(
                    np.isin(fixed.labels.data, values),
                    np.isin(warped.data, values),
                    fixed.labels.spacing,
                )
                if masks.fixed.any() and masks.warped.any():
                    overlaps.append(self.dice(masks))
        network.train()
        return float(np.mean(losses)), float(np.mean(overlaps)) if overlaps else float("nan")


class Trainer:
    """A training that can be interrupted at any moment and resumed.

    The state file is written every `save_every` steps: network, optimizer, random numbers, best
    weights, curve. Resuming from it gives the same tensors as never having stopped.

    Args:
        network: fresh.
        pairs: to train on.
        validation: chooses the best weights by its loss.
        recipe: the numbers.
        state: file of the state.
        key: hash of all that the training depends on; a state with another key is not used.
        seed: of sampling and augmentation.
    """

    def __init__(
        self,
        network: torch.nn.Module,
        pairs: TrainingPairs,
        validation: Validation,
        recipe: Recipe,
        state: Path,
        key: str,
        seed: int,
    ) -> None:
        self.network = network.to(recipe.device)
        self.pairs = pairs
        self.validation = validation
        self.recipe = recipe
        self.state = state
        self.key = key
        self.generator = torch.Generator().manual_seed(seed)
        to_channels_last(network)
        self.optimizer = torch.optim.Adam(network.parameters(), lr=recipe.learning_rate)
        self.step = 0
        self.best: dict[str, Any] = {"loss": math.inf, "step": -1, "network": {}}
        #: Step, training loss (mean since the last row), validation loss, validation Dice.
        self.curve: list[list[float]] = []
        self._since: list[float] = []
        #: Seconds spent training, over all the jobs that took part.
        self.seconds = 0.0
        self._started = time.perf_counter()

    def run(self) -> None:
        """Train to the end, starting from the state file where its key agrees."""
        self.resume()
        self._started = time.perf_counter() - self.seconds
        self.network.train()
        with tqdm(total=self.recipe.steps, initial=self.step, unit="step", desc="train") as bar:
            while self.step < self.recipe.steps:
                self._since.append(self.one_step())
                self.step += 1
                bar.update()
                if self.step % self.recipe.validate_every == 0 or self.step == self.recipe.steps:
                    self.validate()
                    bar.set_postfix(loss=self.curve[-1][1], validation=self.curve[-1][2])
                if self.step % self.recipe.save_every == 0 or self.step == self.recipe.steps:
                    self.save()
        if self.best["step"] < 0:
            raise BadInput("the validation loss was never finite", found=self.curve[-1][2])

    def one_step(self) -> float:
        """One pair, one step of Adam; the loss before it."""
        drawn = self.pairs.draw(self.generator)
        for group in self.optimizer.param_groups:
            group["lr"] = self.recipe.rate(self.step)
        _, value = self.recipe.field_and_loss(
            self.network, drawn.moving, drawn.fixed, drawn.fixed_features
        )
        if not torch.isfinite(value):
            raise BadInput(f"the loss is not finite at step {self.step}", found=float(value))
        self.optimizer.zero_grad(set_to_none=True)
        value.backward()
        torch.nn.utils.clip_grad_norm_(self.network.parameters(), self.recipe.clip)
        self.optimizer.step()
        return float(value.detach())

    def validate(self) -> None:
        """Add a row to the curve, and keep the weights if they are the best so far."""
        value, dice = self.validation.measure(self.network)
        mean = sum(self._since) / max(len(self._since), 1)
        self._since = []
        self.curve.append([self.step, mean, value, dice])
        if value < self.best["loss"]:
            weights = {k: v.detach().clone() for k, v in self.network.state_dict().items()}
            self.best = {"loss": value, "step": self.step, "network": weights}

    def save(self) -> None:
        """Write the state, atomically: on a full disk the previous state stays."""
        self.seconds = time.perf_counter() - self._started
        save(
            self.state,
            {
                "key": self.key,
                "step": self.step,
                "network": self.network.state_dict(),
                "optimizer": self.optimizer.state_dict(),
                "generator": self.generator.get_state(),
                "best": self.best,
                "curve": self.curve,
                "since": self._since,
                "seconds": self.seconds,
            },
        )

    def resume(self) -> None:
        """Load the state file, if there is one with the key of this training."""
        if not self.state.is_file():
            return
        try:
            content = load(self.state)
        except BadInput as problem:
            print(f"warning: {problem}; the training starts from the beginning")
            return
        if content.get("key") != self.key:
            return
        self.network.load_state_dict(content["network"])
        self.optimizer.load_state_dict(content["optimizer"])
        self.generator.set_state(content["generator"])
        self.step = content["step"]
        self.best = content["best"]
        self.curve = content["curve"]
        self._since = content["since"]
        self.seconds = content["seconds"]
