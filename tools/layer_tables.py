"""Tables of the layers of the networks, read from a forward pass of the networks as built."""

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from fractions import Fraction
from pathlib import Path
from typing import Any

import torch
from torch import nn
from torch.nn.modules.module import (
    register_module_forward_hook,
    register_module_forward_pre_hook,
)
from torch.utils._python_dispatch import TorchDispatchMode

from regbench.learning.layers import UpsampledConv3d
from regbench.plugins.kinds import MethodPlugin, read_methods
from regbench.plugins.loading import load_entry

METHODS = Path(__file__).resolve().parent.parent / "methods"
#: Folder to the variants that have a table; the other ones of F3RNet have the same stages.
SHOWN = {
    "voxelmorph": ("vm-1", "vm-2"),
    "faim": ("faim",),
    "f3rnet": ("f3rnet-wo-f3d", "f3rnet-mrb"),
}
#: Edge of the input, a multiple of what every network needs. Smaller flow heads compute in groups.
SIDE = 64
#: These go with the layer before them. What else the network itself does is on the way to the next.
ACTIVATIONS = ("LReLU", "PReLU")
#: A convolution may do these to its inputs first.
JOINING = ("nearest upsample", "concat")


@dataclass
class Stage:
    """What a child of the network computes, and what is done to its input on the way there.

    Attributes:
        name: the child's.
        layers: in their order.
        scales: of the outputs, relative to the network's input; each once.
        parameters: in all.
    """

    name: str
    layers: list[str] = field(default_factory=list)
    scales: list[str] = field(default_factory=list)
    parameters: int = 0


class Recorder(TorchDispatchMode):
    """Writes down what a forward pass of a network computes, stage by stage."""

    def __init__(self, network: nn.Module) -> None:
        super().__init__()
        self.stages: list[Stage] = []
        self._names = {module: name for name, module in network.named_modules()}
        #: The modules that are being computed, the network first.
        self._inside: list[nn.Module] = []
        self._waiting: list[tuple[str, str]] = []

    @contextmanager
    def following(self) -> Iterator[None]:
        """Know which module is being computed."""
        enter = register_module_forward_pre_hook(lambda module, _: self._inside.append(module))
        leave = register_module_forward_hook(lambda *_: self._leave())
        try:
            yield
        finally:
            enter.remove()
            leave.remove()

    def _leave(self) -> None:
        self._inside.pop()

    def __torch_dispatch__(
        self, op: Any, types: Any, args: tuple[Any, ...] = (), kwargs: Any = None
    ) -> Any:
        out = op(*args, **(kwargs or {}))
        if text := self._text(op.name().removeprefix("aten::").partition(".")[0], args):
            first = out[0] if isinstance(out, tuple) else out
            self._add(text, str(Fraction(first.shape[2], SIDE)))
        return out

    def _text(self, name: str, args: tuple[Any, ...]) -> str:
        """An operation in words; empty for one that is no layer."""
        layer = self._inside[-1]
        if name == "convolution":
            assert isinstance(layer, nn.Conv3d | nn.ConvTranspose3d)
            kind = "transposed conv" if isinstance(layer, nn.ConvTranspose3d) else "conv"
            kernel = "x".join(map(str, layer.kernel_size))
            stride = f" stride {layer.stride[0]}" if layer.stride[0] > 1 else ""
            return f"{kind} {kernel}{stride} {layer.in_channels}→{layer.out_channels}"
        if name == "max_pool3d_with_indices":
            return f"max pool {args[1][0]}"
        if name == "upsample_nearest3d":
            return f"nearest upsample {args[1][0] // args[0].shape[2]}"
        # How a convolution computes is no layer: a flow head sums the slices of its kernel.
        if isinstance(layer, nn.Conv3d) and not isinstance(layer, UpsampledConv3d):
            return ""
        if name == "constant_pad_nd":
            return "zero pad"
        if name == "cat":
            return f"concat {'+'.join(str(part.shape[1]) for part in args[0])}"
        # In place or not, it is the same layer.
        name = name.rstrip("_")
        if name == "add" and isinstance(args[1], torch.Tensor):
            return "add"
        return {"leaky_relu": "LReLU", "_prelu_kernel": "PReLU"}.get(name, "")

    def _add(self, text: str, scale: str) -> None:
        if len(self._inside) == 1 and text not in ACTIVATIONS:
            self._waiting.append((text, scale))
            return
        if text not in ACTIVATIONS:
            name = self._names[self._inside[1]].partition(".")[0]
            if not self.stages or self.stages[-1].name != name:
                self.stages.append(Stage(name))
        stage = self.stages[-1]
        for each, where in (*self._waiting, (text, scale)):
            stage.layers.append(each)
            stage.scales += [where] if where not in stage.scales else []
        self._waiting.clear()
        if not text.startswith(JOINING):
            stage.parameters += sum(p.numel() for p in self._inside[-1].parameters(recurse=False))


def stages(plugin: MethodPlugin) -> list[Stage]:
    """The stages of a variant's network in the order in which they are computed."""
    network = load_entry(plugin.folder, str(plugin.entry)).build(plugin.settings).eval()
    recorder, images = Recorder(network), torch.zeros(1, 2, SIDE, SIDE, SIDE)
    with torch.no_grad(), recorder.following(), recorder:
        network(images)
    return recorder.stages


def layer_tables() -> str:
    """The networks as Markdown: a heading and a table each."""
    parts = []
    for folder, names in SHOWN.items():
        variants = {plugin.id: plugin for plugin in read_methods(METHODS / folder)}
        for plugin in map(variants.__getitem__, names):
            rows = stages(plugin)
            lines = ["| Stage | Scale | Layers | Parameters |", "|---|---|---|---:|"]
            for row in rows:
                cells = f"`{row.name}`", ", ".join(row.scales), "; ".join(row.layers)
                lines.append(f"| {' | '.join(cells)} | {row.parameters:,} |")
            lines.append(f"| in all | | | {sum(row.parameters for row in rows):,} |")
            parts.append("\n".join((f"### {plugin.title}", "", *lines)))
    return "\n\n".join(parts)
