"""The networks' outputs against a second implementation, from their weights and literal numbers."""

from collections.abc import Callable
from pathlib import Path

import pytest
import torch
from torch.nn import functional

from regbench.plugins.kinds import read_methods
from regbench.plugins.loading import load_entry

METHODS = Path(__file__).resolve().parent.parent / "methods"
#: The smallest pair that every network takes, with unequal sides.
SHAPE = (16, 32, 48)

State = dict[str, torch.Tensor]


def leaky(x: torch.Tensor) -> torch.Tensor:
    return torch.where(x > 0, x, 0.2 * x)


def grow(x: torch.Tensor, factor: int) -> torch.Tensor:
    for axis in (2, 3, 4):
        x = x.repeat_interleave(factor, axis)
    return x


def shrink(x: torch.Tensor, factor: int) -> torch.Tensor:
    """The largest value of each block."""
    blocks = x.unfold(2, factor, factor).unfold(3, factor, factor).unfold(4, factor, factor)
    return blocks.amax((-3, -2, -1))


def voxelmorph(state: State, pair: torch.Tensor, *, size: int) -> torch.Tensor:
    """VM-1 and VM-2: Fig. 3 of the paper."""

    def conv(name: str, x: torch.Tensor, stride: int = 1) -> torch.Tensor:
        weight, bias = state[f"{name}.0.weight"], state[f"{name}.0.bias"]
        return leaky(functional.conv3d(x, weight, bias, stride=stride, padding=1))

    half = conv("encoder.0", pair, 2)
    quarter = conv("encoder.1", half, 2)
    eighth = conv("encoder.2", quarter, 2)
    x = conv("decoder.0", conv("encoder.3", eighth, 2))
    x = conv("decoder.1", torch.cat([grow(x, 2), eighth], dim=1))
    x = conv("decoder.2", torch.cat([grow(x, 2), quarter], dim=1))
    x = conv("decoder.3", torch.cat([grow(x, 2), half], dim=1))
    x = torch.cat([grow(conv("middle", x), 2), pair], dim=1)
    x = conv("full", x) if size == 1 else conv("full.1", conv("full.0", x))
    return functional.conv3d(x, state["flow.weight"], state["flow.bias"], padding=1)


def faim(state: State, pair: torch.Tensor) -> torch.Tensor:
    """The authors' code, `same` padding as TensorFlow has it."""

    def prelu(k: int, x: torch.Tensor) -> torch.Tensor:
        slope = state[f"slopes.{k}.weight"].view(-1, 1, 1, 1)
        return torch.where(x > 0, x, slope * x)

    def same(name: str, x: torch.Tensor) -> torch.Tensor:
        weight = state[f"{name}.1.weight"]
        n = weight.shape[-1] - 1
        padded = functional.pad(x, (n // 2, n - n // 2) * 3)
        return functional.conv3d(padded, weight, state[f"{name}.1.bias"])

    def down(name: str, x: torch.Tensor) -> torch.Tensor:
        return functional.conv3d(x, state[f"{name}.weight"], state[f"{name}.bias"], stride=2)

    def up(name: str, x: torch.Tensor) -> torch.Tensor:
        weight, bias = state[f"{name}.weight"], state[f"{name}.bias"]
        return functional.conv_transpose3d(x, weight, bias, stride=2)

    full = prelu(0, torch.cat([same(f"look.{k}", pair) for k in range(4)], dim=1))
    half = prelu(1, down("down1", full))
    low = prelu(2, down("down2", same("middle", half)))
    low = low + same("bottom", low)
    half = half + prelu(3, same("back1", up("up1", low)))
    whole = prelu(4, functional.pad(same("back2", up("up2", half)), (0, 1) * 3))
    return functional.conv3d(full + whole, state["flow.weight"], state["flow.bias"], padding=1)


def f3rnet(state: State, pair: torch.Tensor, *, more: int) -> torch.Tensor:
    """Fig. 1 and Eqs. 1 and 2 of the paper; a layer is factorised where its weights are."""

    def conv(name: str, x: torch.Tensor) -> torch.Tensor:
        parts = [name] if f"{name}.weight" in state else [f"{name}.0", f"{name}.1"]
        for part in parts:
            weight = state[f"{part}.weight"]
            padding = tuple(n // 2 for n in weight.shape[2:])
            x = functional.conv3d(x, weight, state[f"{part}.bias"], padding=padding)
        return x

    def rb(name: str, x: torch.Tensor) -> torch.Tensor:
        return x + leaky(conv(f"{name}.body.2", leaky(conv(f"{name}.body.0", x))))

    def mrb(
        name: str, scale: int, x: torch.Tensor, h: torch.Tensor
    ) -> tuple[torch.Tensor, torch.Tensor]:
        joined = torch.cat([shrink(x, scale), h], dim=1)
        h = rb(f"{name}.block", leaky(conv(f"{name}.fuse", joined)))
        return x + grow(conv(f"{name}.bottleneck", h), scale), h

    first = leaky(conv("stem", pair))
    x, h1 = mrb("mrb1", 2, rb("head.1", rb("head.0", first)), shrink(first, 2))
    x, h2 = mrb("mrb2", 4, x, shrink(h1, 2))
    x, h3 = mrb("mrb3", 8, x, shrink(h2, 2))
    h = rb("low_block", leaky(conv("low", shrink(h3, 2))))
    for k in range(more):
        x, h = mrb(f"more.{k}", 16, x, h)
    h = grow(h, 2) + h3
    x, h = mrb("mrb4", 4, x, grow(h, 2))
    x, _ = mrb("mrb5", 2, x, grow(h + h2, 2) + h1)
    x = leaky(conv("tail.1", rb("tail.0", x)))
    x = leaky(conv("tail.4", rb("tail.3", x)))
    return conv("flow", x)


@pytest.mark.parametrize(
    ("folder", "name", "reference", "how"),
    [
        ("voxelmorph", "vm-1", voxelmorph, {"size": 1}),
        ("voxelmorph", "vm-2", voxelmorph, {"size": 2}),
        ("faim", "faim", faim, {}),
        ("f3rnet", "f3rnet-wo-f3d", f3rnet, {"more": 0}),
        ("f3rnet", "f3rnet-w-f3d", f3rnet, {"more": 0}),
        ("f3rnet", "f3rnet-mrb", f3rnet, {"more": 2}),
    ],
)
def test_a_network_s_output_is_that_of_its_definition(
    folder: str, name: str, reference: Callable[..., torch.Tensor], how: dict[str, int]
) -> None:
    plugin = next(m for m in read_methods(METHODS / folder) if m.id == name)
    torch.manual_seed(3)
    network = load_entry(plugin.folder, str(plugin.entry)).build(plugin.settings)
    with torch.no_grad():
        # A fresh flow and fresh biases and residuals would hide most of the network.
        for key, weight in network.named_parameters():
            if key.endswith("bias") or key.startswith("slopes"):
                weight.uniform_(-0.5, 0.5)
            elif ".body.2" in key or "bottleneck" in key or "flow" in key:
                torch.nn.init.kaiming_normal_(weight)
        pair = torch.rand(1, 2, *SHAPE)
        field = network(pair)
        expected = reference(dict(network.state_dict()), pair, **how)
    assert field.shape == expected.shape == (1, 3, *SHAPE)
    assert (field - expected).abs().max() < 1e-4 * expected.abs().max()
