"""F3RNet's full resolution in slabs: the same numbers as of the whole volume."""

import sys
from typing import Any

import pytest
import torch
from helpers import REPOSITORY
from torch import nn

from regbench.learning.layers import FlowHead
from regbench.learning.network import forward, to_channels_last
from regbench.plugins.loading import load_entry

FOLDER = REPOSITORY / "methods" / "f3rnet"
in_slabs = load_entry(FOLDER, "slabs:in_slabs")
slabs = sys.modules[in_slabs.__module__]
F3D, Block, F3RNet = (
    load_entry(FOLDER, f"network:{n}") for n in ("F3D", "ResidualBlock", "F3RNet")
)
scales = sys.modules[load_entry(FOLDER, "scales:add_upsampled").__module__]


@pytest.fixture(autouse=True)
def thin(monkeypatch: pytest.MonkeyPatch) -> list[tuple[int, ...]]:
    """Slabs of at most 8 slices; the shapes of the windows that were looked at."""
    monkeypatch.setattr(slabs, "SLAB_BYTES", 1)
    seen: list[tuple[int, ...]] = []
    real = slabs._inside

    def inside(layer: nn.Module, x: torch.Tensor, *ends: bool) -> Any:
        seen.append(tuple(x.shape[2:]))
        return real(layer, x, *ends)

    monkeypatch.setattr(slabs, "_inside", inside)
    return seen


def stack(name: str) -> nn.Module:
    """Layers that stand at full resolution, and a deeper chain."""
    torch.manual_seed(0)
    leaky = nn.LeakyReLU(0.2, inplace=True)
    layers = {
        "stem": nn.Sequential(F3D(2, 16), leaky),
        "block, factorised": Block(16, factorised=True).body,
        "block": Block(16, factorised=False).body,
        "chain": nn.Sequential(*(nn.Conv3d(16, 16, 3, padding=1) for _ in range(4))),
        "flow": FlowHead(16, std=0.1),
    }[name]
    for key, weight in layers.named_parameters():
        if key.endswith("bias"):
            # Zeros outside the volume are not what a convolution makes of zeros.
            nn.init.uniform_(weight, -0.5, 0.5)
    to_channels_last(layers)
    return layers


@pytest.mark.parametrize("name", ["stem", "block, factorised", "block", "chain", "flow"])
@pytest.mark.parametrize("size", [1, 7, 8, 9, 16, 23, 40])
def test_slabs_give_what_the_whole_gives(name: str, size: int, thin: list[tuple[int, ...]]) -> None:
    layers = stack(name)
    channels = 2 if name == "stem" else 16
    x = torch.rand(1, channels, size, 11, 6).contiguous(memory_format=torch.channels_last_3d)
    residual = name.startswith("block")
    with torch.no_grad():
        expected = layers(x) + x if residual else layers(x)
        found = in_slabs((layers,), x.clone(), residual=residual)
    assert found.shape == expected.shape
    assert (found - expected).abs().max() <= 1e-5 * expected.abs().max()
    assert bool(thin) == (size > 8)
    halo = 4 if name == "chain" else 2 if residual else 1
    assert max([*(window[0] for window in thin), 0]) <= 8 + 2 * halo


@pytest.mark.parametrize(
    ("factorised", "bf16"),
    [(["FR", "Enc", "Dec", "More"], False), (["FR", "Enc", "Dec", "More"], True), ([], False)],
)
def test_a_network_in_slabs_is_the_network(
    factorised: list[str], bf16: bool, thin: list[tuple[int, ...]]
) -> None:
    torch.manual_seed(1)
    network = F3RNet(factorised, more=True)
    for key, weight in network.named_parameters():
        if key.endswith("bias"):
            nn.init.uniform_(weight, -0.5, 0.5)
        elif ".body.2" in key or "bottleneck" in key or "flow" in key:
            nn.init.kaiming_normal_(weight)
    to_channels_last(network)
    moving, fixed = torch.rand(2, 1, 1, 41, 16, 16)
    whole = forward(network, moving, fixed, 16, bf16=bf16).detach()
    assert not thin
    with torch.no_grad():
        found = forward(network, moving, fixed, 16, bf16=bf16)
    assert thin
    error = (found - whole).norm() / whole.norm()
    # With gradients, some convolutions sum in another order; bf16 has 8 bits.
    assert error < (0.05 if bf16 else 1e-5)


@pytest.mark.parametrize("kind", [torch.bfloat16, torch.float32])
@pytest.mark.parametrize("last", [False, True])
@pytest.mark.parametrize("factor", [2, 4])
def test_an_upsampled_sum_is_that_of_torch(factor: int, last: bool, kind: torch.dtype) -> None:
    torch.manual_seed(0)
    layout = torch.channels_last_3d if last else torch.contiguous_format
    x = torch.rand(2, 3, 4 * factor, 5 * factor, 2 * factor).to(kind, memory_format=layout)
    change = torch.rand(2, 3, 4, 5, 2).to(kind, memory_format=layout)
    given = [x.requires_grad_(), change.requires_grad_()]
    found = [
        scales.add_upsampled(*given, factor),
        x + nn.functional.interpolate(change, scale_factor=float(factor), mode="nearest"),
    ]
    weights = torch.rand_like(found[1])
    found += [g for r in list(found) for g in torch.autograd.grad(r, given, weights)]
    for one, other in ((0, 1), (2, 4), (3, 5)):
        assert torch.equal(found[one], found[other])
