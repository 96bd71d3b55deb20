"""Convolutions that torch would leave to a slow matrix product: as `nn.Conv3d` has them."""

from typing import Any

import pytest
import torch
from torch import nn

from regbench.learning.layers import FastConv3d
from regbench.learning.network import to_channels_last

#: Channels in and out, side, and settings of the layer: those of the networks, and odd ones.
LAYERS: list[tuple[int, int, int, dict[str, Any]]] = [
    (32, 8, 12, {"kernel_size": 3, "padding": 1}),
    (16, 32, 13, {"kernel_size": 3, "padding": 1, "stride": 2}),
    (16, 16, 9, {"kernel_size": (3, 3, 1), "padding": (1, 1, 0)}),
    (48, 16, 9, {"kernel_size": (1, 1, 3), "padding": (0, 0, 1), "bias": False}),
    (10, 8, 12, {"kernel_size": 3, "padding": "same"}),
    (32, 32, 9, {"kernel_size": 2, "dilation": 2}),
    (9, 5, 9, {"kernel_size": 3, "padding": 1}),
    (2, 16, 9, {"kernel_size": 3, "padding": 1}),
    (8, 8, 9, {"kernel_size": 3, "padding": 1, "groups": 4}),
    (8, 8, 9, {"kernel_size": 3, "padding": 1, "padding_mode": "replicate"}),
    (16, 8, 9, {"kernel_size": 1}),
]


def pair(inputs: int, outputs: int, **how: Any) -> tuple[nn.Conv3d, nn.Conv3d]:
    """A layer of torch's, and the engine's with the same weights."""
    torch.manual_seed(0)
    plain, ours = nn.Conv3d(inputs, outputs, **how), nn.Conv3d(inputs, outputs, **how)
    ours.load_state_dict(plain.state_dict())
    to_channels_last(ours)
    assert type(ours) is FastConv3d and list(ours.state_dict()) == list(plain.state_dict())
    return plain, ours


@pytest.mark.parametrize("batch", [1, 2])
@pytest.mark.parametrize(("inputs", "outputs", "side", "how"), LAYERS)
def test_numbers_and_gradients_are_those_of_torch(
    inputs: int, outputs: int, side: int, how: dict[str, Any], batch: int
) -> None:
    found = []
    x = torch.rand(batch, inputs, side, side + 1, side + 2)
    for layer in pair(inputs, outputs, **how):
        given = x.clone().requires_grad_()
        result = layer(given)
        result.square().sum().backward()
        with torch.no_grad():
            without = layer(x)
        found.append([result, without, given.grad, *(p.grad for p in layer.parameters())])
    for expected, ours in zip(*found, strict=True):
        assert ours.shape == expected.shape
        assert (ours - expected).abs().max() <= 1e-5 * expected.abs().max()


@pytest.mark.parametrize("inputs", [1, 16])
def test_a_volume_without_a_batch_is_taken_too(inputs: int) -> None:
    plain, ours = pair(inputs, 8, kernel_size=3, padding=1)
    x = torch.rand(inputs, 9, 10, 11)
    with torch.no_grad():
        expected = plain(x)
        assert (ours(x) - expected).abs().max() <= 1e-5 * expected.abs().max()


@pytest.mark.skipif(not torch.backends.mkldnn.is_available(), reason="torch without oneDNN")
@pytest.mark.parametrize("learning", [False, True])
def test_torch_does_not_take_its_slow_way(learning: bool) -> None:
    plain, ours = pair(32, 8, kernel_size=3, padding=1)
    x = torch.rand(1, 32, 8, 8, 8)
    slow = []
    for layer in (plain, ours):
        with torch.set_grad_enabled(learning), torch.autograd.profiler.profile() as seen:
            layer(x)
        slow.append(any("slow_conv3d" in event.key for event in seen.key_averages()))
    # The first will be False, too, once torch needs none of this.
    assert slow == [True, False]
