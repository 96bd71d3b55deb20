"""The networks: published parameter counts, shapes, and a start at the identity."""

from pathlib import Path
from typing import Any

import pytest
import torch

from regbench.learning.layers import FlowHead
from regbench.learning.method import parameter_count
from regbench.learning.network import forward, recompute_blocks, to_channels_last
from regbench.plugins.kinds import MethodPlugin, read_methods
from regbench.plugins.loading import load_entry

METHODS = Path(__file__).resolve().parent.parent / "methods"
VARIANTS = {
    m.id: m for name in ("f3rnet", "voxelmorph", "faim") for m in read_methods(METHODS / name)
}


def build(plugin: MethodPlugin, **network: Any) -> torch.nn.Module:
    method = load_entry(plugin.folder, str(plugin.entry))
    settings = {**plugin.settings, "network": {**plugin.settings["network"], **network}}
    return method.build(settings)


@pytest.mark.parametrize(
    ("name", "count"),
    [
        ("vm-1", 259_675),
        ("vm-2", 300_547),
        ("f3rnet-wo-f3d", 356_851),
        ("f3rnet-w-f3d", 203_907),
        ("f3rnet-dec", 320_083),
        ("f3rnet-enc", 278_707),
        ("f3rnet-fr", 318_819),
        ("f3rnet-ms", 241_939),
        ("f3rnet-mrb", 288_291),
        ("faim", 233_683),
    ],
)
def test_parameter_counts(name: str, count: int) -> None:
    plugin = VARIANTS[name]
    method = load_entry(plugin.folder, str(plugin.entry))
    assert parameter_count(method, plugin.settings) == count


@pytest.mark.parametrize("name", sorted(VARIANTS))
@pytest.mark.parametrize("bf16", [False, True])
def test_a_fresh_network_is_nearly_the_identity_at_any_size(name: str, bf16: bool) -> None:
    torch.manual_seed(0)
    network = build(VARIANTS[name])
    images = torch.rand(2, 1, 1, 19, 33, 16)
    with torch.no_grad():
        field = forward(network, images[0], images[1], 16, bf16=bf16)
    assert field.shape == (1, 3, 19, 33, 16)
    assert field.dtype == torch.float32
    # FAIM's own start is a thousand times larger than VoxelMorph's.
    assert 0 < field.abs().max() < (2 if name == "faim" else 0.01)


@pytest.mark.parametrize("name", sorted(VARIANTS))
def test_a_fresh_network_s_features_are_as_large_as_its_input(name: str) -> None:
    torch.manual_seed(0)
    network = build(VARIANTS[name])
    seen: list[torch.Tensor] = []
    network.flow.register_forward_pre_hook(lambda _, given: seen.append(given[0]))
    coarse = torch.rand(1, 2, 8, 8, 8)
    pair = torch.nn.functional.interpolate(coarse, scale_factor=4, mode="trilinear")
    with torch.no_grad():
        network(pair)
    spread = seen[0].std(dim=(2, 3, 4)).mean() / pair.std(dim=(2, 3, 4)).mean()
    # With torch's own start it is 0.03 to 0.1.
    assert 0.3 < spread < 10


@pytest.mark.parametrize("name", sorted(VARIANTS))
def test_every_parameter_learns(name: str) -> None:
    torch.manual_seed(0)
    network = build(VARIANTS[name])
    torch.nn.init.normal_(network.flow.weight, std=0.1)
    network(torch.rand(1, 2, 16, 16, 16)).square().sum().backward()
    still = [n for n, p in network.named_parameters() if p.grad is None or not p.grad.any()]
    assert still == []


@pytest.mark.parametrize(
    ("name", "network", "words"),
    [
        ("f3rnet-mrb", {"factorised": ["Encoder"]}, "unknown group 'Encoder'"),
        ("vm-1", {"size": 3}, "sizes 1 and 2"),
    ],
)
def test_an_unknown_variant_is_refused(name: str, network: dict[str, Any], words: str) -> None:
    with pytest.raises(ValueError, match=words):
        build(VARIANTS[name], **network)


@pytest.mark.parametrize("channels", [3, 8, 16, 20])
def test_the_flow_head_is_a_convolution_in_float32(channels: int) -> None:
    torch.manual_seed(0)
    head = FlowHead(channels, std=0.1)
    features = torch.rand(1, channels, 5, 6, 7)
    expected = torch.nn.functional.conv3d(features, head.weight, head.bias, padding=1)
    with torch.autocast("cpu", dtype=torch.bfloat16):
        found = head(features)
    assert found.dtype == torch.float32
    assert torch.allclose(found, expected, atol=1e-5)
    assert set(head.state_dict()) == {"weight", "bias"}


@pytest.mark.parametrize("name", ["vm-2", "faim", "f3rnet-mrb"])
def test_recomputed_blocks_give_the_same_gradients(name: str) -> None:
    gradients = []
    for again in (False, True):
        torch.manual_seed(0)
        network = build(VARIANTS[name])
        torch.nn.init.normal_(network.flow.weight, std=0.1)
        if again:
            recompute_blocks(network)
        pair = torch.rand(1, 2, 16, 16, 16, generator=torch.Generator().manual_seed(1))
        network(pair).square().sum().backward()
        gradients.append([p.grad for p in network.parameters()])
    for first, second in zip(*gradients, strict=True):
        assert torch.equal(first, second)


def test_a_network_is_given_moving_then_fixed_and_the_far_ends_repeated() -> None:
    seen: list[torch.Tensor] = []

    def call(_: torch.nn.Module, moving: torch.Tensor, fixed: torch.Tensor) -> torch.Tensor:
        seen.extend([moving, fixed])
        return torch.zeros(1, 3, *moving.shape[2:])

    moving, fixed = torch.rand(2, 1, 1, 5, 8, 7, generator=torch.Generator().manual_seed(0))
    field = forward(torch.nn.Identity(), moving, fixed, 8, call, bf16=False)
    assert field.shape == (1, 3, 5, 8, 7)
    for given, image in zip(seen, (moving, fixed), strict=True):
        assert given.shape == (1, 1, 8, 8, 8)
        assert torch.equal(given[:, :, :5, :, :7], image)
        assert torch.equal(given[:, :, 5:, :, :7], image[:, :, 4:].expand(1, 1, 3, 8, 7))
        assert torch.equal(given[:, :, :5, :, 7], image[..., 6])


@pytest.mark.parametrize("side", [9, 31, 40])
def test_bf16_gradients_are_those_of_float32_at_any_size(side: int) -> None:
    # At a depth of 2 in the network oneDNN's bf16 gradient is of uninitialised memory.
    gradients = []
    for bf16 in (False, True):
        torch.manual_seed(0)
        network = build(VARIANTS["vm-2"])
        torch.nn.init.normal_(network.flow.weight, std=0.1)
        if bf16:
            to_channels_last(network)
        images = torch.rand(2, 1, 1, side, 16, 16, generator=torch.Generator().manual_seed(1))
        forward(network, images[0], images[1], 16, bf16=bf16).square().sum().backward()
        gradients.append({n: p.grad for n, p in network.named_parameters()})
    for name, exact in gradients[0].items():
        error = (gradients[1][name] - exact).norm() / exact.norm()
        assert error < 0.1, name


def test_recomputed_blocks_keep_less() -> None:
    def kept(*, again: bool) -> int:
        torch.manual_seed(0)
        network = build(VARIANTS["f3rnet-wo-f3d"])
        if again:
            recompute_blocks(network)
        sizes: dict[int, int] = {}

        def pack(tensor: torch.Tensor) -> torch.Tensor:
            sizes[tensor.data_ptr()] = tensor.numel()
            return tensor

        with torch.autograd.graph.saved_tensors_hooks(pack, lambda tensor: tensor):
            network(torch.rand(1, 2, 16, 16, 16))
        return sum(sizes.values())

    assert kept(again=True) < 0.6 * kept(again=False)
