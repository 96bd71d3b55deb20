"""Training a network: Adam, validation, and a state to resume from."""

import math
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from tqdm import tqdm

from regbench.base.errors import BadInput
from regbench.base.files import write_text
from regbench.base.paths import LOSSES
from regbench.learning.checkpoint import load, save
from regbench.learning.method import Recipe
from regbench.learning.network import to_channels_last
from regbench.learning.pairs import Draw, TrainingPairs
from regbench.learning.validation import Validation

#: The columns of a training's curve, with their decimals. The training loss is the mean since the
#: row before.
CURVE = {
    "step": 0,
    "training_loss": 6,
    "validation_loss": 6,
    "validation_dice": 3,
    "validation_epe": 4,
    "validation_slope": 4,
    "cpu_seconds": 2,
}
#: Steps between looks at the loss: a GPU computes on while nobody asks for its numbers.
LOOK_EVERY = 20
#: Attributes that a state file holds beside network, optimizer and random numbers.
_KEPT = ("step", "best", "curve", "since", "seconds", "cpu_seconds")
#: Steps of a shape before its graph is recorded: they choose convolutions and fill the optimizer.
WARM_UP = 3
#: Shapes that get a graph. Each keeps a step's memory.
MOST_SHAPES = 2


@dataclass(eq=False)
class Trainer:
    """A training that can be interrupted at any moment and resumed.

    The state file is written every `save_every` steps: network, optimizer, random numbers, best
    weights, curve. Resuming from it gives the same tensors as never having stopped. The curve is
    beside it, in LOSSES.

    Attributes:
        network: fresh; it goes to the recipe's device.
        pairs: to train on.
        validation: its loss says which weights are the best.
        recipe: the numbers.
        state: file of the state.
        key: hash of all that the training depends on; a state with another key is not used.
        seed: of sampling and augmentation.
        captured: replay the step as a CUDA graph, on a GPU.
    """

    network: torch.nn.Module
    pairs: TrainingPairs
    validation: Validation
    recipe: Recipe
    state: Path
    key: str
    seed: int
    captured: bool = True

    def __post_init__(self) -> None:
        self.settings, device = self.recipe.settings, self.recipe.device
        self._coarse = self.pairs.halved() if self.settings["coarse_steps"] else None
        self.generator = torch.Generator().manual_seed(self.seed)
        to_channels_last(self.network.to(device))
        # On a GPU, hundreds of small kernels become one, and the rate is a number there.
        gpu, rate = device != "cpu", self.settings["learning_rate"]
        self._rate = torch.tensor(rate, device=device) if gpu else None
        weights = self.network.parameters()
        self.optimizer = torch.optim.Adam(weights, lr=rate, fused=True, capturable=gpu)
        self._update = CapturedStep(self._learn) if gpu and self.captured else self._learn
        self.step = 0
        self.best: dict[str, Any] = {"loss": math.inf, "step": -1, "network": {}}
        #: Rows of CURVE.
        self.curve: list[list[float]] = []
        #: Losses since the last row, and those that are still on the device.
        self.since: list[float] = []
        self._unread: list[torch.Tensor] = []
        #: Seconds spent training, and those of the processor, over all the jobs that took part.
        self.seconds = self.cpu_seconds = 0.0
        self._started = time.perf_counter(), time.process_time()

    def run(self) -> None:
        """Train to the end, starting from the state file where its key agrees."""
        self.resume()
        self._write_curve()
        self._started = (
            time.perf_counter() - self.seconds,
            time.process_time() - self.cpu_seconds,
        )
        self.network.train()
        steps = self.settings["steps"]
        with tqdm(total=steps, initial=self.step, unit="step", desc="train") as bar:
            while self.step < steps:
                self._unread.append(self.one_step())
                self.step += 1
                bar.update()
                if self.step % LOOK_EVERY == 0:
                    self._look()
                if self._is_due("validate_every"):
                    self.validate()
                    bar.set_postfix(loss=self.curve[-1][1], validation=self.curve[-1][2])
                if self._is_due("save_every"):
                    self.save()
        if self.best["step"] < 0:
            raise BadInput("the validation loss was never finite", found=self.curve[-1][2])

    def _is_due(self, every: str) -> bool:
        return self.step % self.settings[every] == 0 or self.step == self.settings["steps"]

    @property
    def weights(self) -> dict[str, torch.Tensor]:
        """The weights that the recipe keeps, on the processor."""
        best = self.settings["weights"] == "best"
        kept = self.best["network"] if best else self.network.state_dict()
        return {name: weight.cpu() for name, weight in kept.items()}

    def one_step(self) -> torch.Tensor:
        """One pair, one step of the method; the loss before it, on the device."""
        coarse = self.step < self.settings["coarse_steps"]
        pairs = self._coarse if coarse and self._coarse is not None else self.pairs
        drawn = pairs.draw(self.generator)
        rate: float | torch.Tensor = self.recipe.rate(self.step)
        if self._rate is not None:
            rate = self._rate.fill_(rate)
        for group in self.optimizer.param_groups:
            group["lr"] = rate
        return self._update(drawn)

    def _learn(self, drawn: Draw) -> torch.Tensor:
        """The loss of a pair, and the weights' step downwards."""
        step = self.recipe.method.training_step
        return torch.as_tensor(step(self.recipe, self.network, self.optimizer, drawn)).detach()

    def _look(self) -> None:
        """Read the losses of the last steps. Validation and saving look first."""
        losses = torch.stack(self._unread).tolist() if self._unread else []
        for number, value in enumerate(losses, self.step - len(losses)):
            if not math.isfinite(value):
                raise BadInput(f"the loss is not finite at step {number}", found=value)
        self.since += losses
        self._unread = []

    def _clock(self) -> None:
        started, cpu_started = self._started
        self.seconds = time.perf_counter() - started
        self.cpu_seconds = time.process_time() - cpu_started

    def validate(self) -> None:
        """Add a row to the curve, and keep the weights if they are the best so far."""
        self._look()
        measures = self.validation.measure(self.network)
        mean = sum(self.since) / max(len(self.since), 1)
        self.since = []
        self._clock()
        self.curve.append([self.step, mean, *measures, self.cpu_seconds])
        if measures.loss < self.best["loss"]:
            weights = {k: v.detach().clone() for k, v in self.network.state_dict().items()}
            self.best = {"loss": measures.loss, "step": self.step, "network": weights}

    def save(self) -> None:
        """Write the state, atomically: on a full disk the previous state stays."""
        self._look()
        self._clock()
        save(
            self.state,
            {
                "key": self.key,
                "network": self.network.state_dict(),
                "optimizer": self.optimizer.state_dict(),
                "generator": self.generator.get_state(),
                **{name: getattr(self, name) for name in _KEPT},
            },
        )
        self._write_curve()

    def _write_curve(self) -> None:
        """One line for each row of CURVE; a measure that is not known is empty."""
        lines = [",".join(CURVE)]
        for row in self.curve:
            pairs = zip(row, CURVE.values(), strict=True)
            lines.append(",".join("" if math.isnan(v) else f"{v:.{n}f}" for v, n in pairs))
        write_text(self.state.with_name(LOSSES), "\n".join(lines) + "\n")

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
        for name in _KEPT:
            setattr(self, name, content[name])


class CapturedStep:
    """A training step as a CUDA graph: recorded once, replayed with new images.

    It does the same as `step`. Where recording fails, `step` itself is called. A step of a small
    network launches a thousand kernels. The launches take a processor core longer than the kernels
    take a GPU, so the device stands idle. A replay launches all of them at once.

    Args:
        step: from images to the loss, on the device; it changes the weights in place, and nothing
            of it waits for the device.
    """

    def __init__(self, step: Callable[[Draw], torch.Tensor]) -> None:
        self._step = step
        self._seen: dict[torch.Size, int] = {}
        self._graphs: dict[torch.Size, tuple[torch.cuda.CUDAGraph, Draw, torch.Tensor]] = {}
        self._works = True

    def __call__(self, drawn: Draw) -> torch.Tensor:
        """One step; its loss, on the device."""
        with torch.cuda.device(drawn.fixed.device):
            return self._call(drawn)

    def _call(self, drawn: Draw) -> torch.Tensor:
        shape = drawn.fixed.shape
        seen = self._seen[shape] = self._seen.get(shape, 0) + 1
        room = shape in self._graphs or len(self._graphs) < MOST_SHAPES
        if not (self._works and room):
            return self._step(drawn)
        if seen <= WARM_UP:
            return self._aside(drawn)
        if shape not in self._graphs:
            try:
                self._graphs[shape] = self._record(drawn)
            except RuntimeError as error:
                self._works = False
                line = str(error).strip().partition("\n")[0]
                print(f"warning: the training step is not recorded as a CUDA graph: {line}")
                return self._step(drawn)
        graph, inputs, value = self._graphs[shape]
        inputs.moving.copy_(drawn.moving)
        inputs.fixed.copy_(drawn.fixed)
        inputs.fixed_features.copy_(drawn.fixed_features)
        graph.replay()
        return value.clone()

    def _aside(self, drawn: Draw) -> torch.Tensor:
        """A step on another stream than the default one, as recording asks for."""
        stream = torch.cuda.Stream()
        stream.wait_stream(torch.cuda.current_stream())
        with torch.cuda.stream(stream):
            value = self._step(drawn)
        torch.cuda.current_stream().wait_stream(stream)
        return value

    def _record(self, drawn: Draw) -> tuple[torch.cuda.CUDAGraph, Draw, torch.Tensor]:
        inputs = Draw(drawn.moving.clone(), drawn.fixed.clone(), drawn.fixed_features.clone())
        graph = torch.cuda.CUDAGraph()
        with torch.cuda.graph(graph):
            value = self._step(inputs)
        return graph, inputs, value
