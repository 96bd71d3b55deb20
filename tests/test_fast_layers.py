"""The layers that the engine makes a network's layers into: torch's, but for rounding."""

import copy
from typing import Any

import pytest
import torch
from torch import nn

from regbench.learning.convolution import has_few_inputs, unfolded
from regbench.learning.fast import FAST
from regbench.learning.layers import UpsampledConv3d
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
    (16, 3, 9, {"kernel_size": 3, "padding": 1}),
    (6, 5, 9, {"kernel_size": (1, 2, 3), "padding": (0, 2, 1), "bias": False}),
    (6, 5, 9, {"kernel_size": 3, "padding": 2}),
    (6, 3, 9, {"kernel_size": 3, "padding": 1, "stride": (1, 1, 2)}),
    (2, 4, 9, {"kernel_size": 7, "padding": 3}),
    (2, 16, 10, {"kernel_size": 3, "padding": 1}),
    (2, 4, 9, {"kernel_size": (7, 5, 7), "padding": (3, 2, 3)}),
    (3, 16, 9, {"kernel_size": (2, 1, 3), "padding": (0, 0, 1), "bias": False}),
]


#: Inputs, then the arguments of a transposed convolution, and its settings.
TRANSPOSED: list[tuple[int, int, dict[str, Any]]] = [
    (32, 16, {"stride": 2}),
    (4, 6, {"stride": 2, "padding": 1, "output_padding": 1, "bias": False}),
    (4, 6, {"stride": (1, 2, 3), "padding": (0, 1, 1), "groups": 2}),
    (4, 6, {"stride": 2, "dilation": 2}),
]
DEVICES = ["cpu", *(["cuda"] if torch.cuda.is_available() else [])]


def pair(plain: nn.Module) -> tuple[nn.Module, nn.Module]:
    """A layer of torch's, and the engine's with the same weights."""
    ours = copy.deepcopy(plain)
    to_channels_last(ours)
    assert type(ours) is FAST[type(plain)] and list(ours.state_dict()) == list(plain.state_dict())
    return plain, ours


def differences(plain: nn.Module, ours: nn.Module, *inputs: torch.Tensor) -> list[float]:
    """From torch's numbers in float64: of the values, with and without gradients, and of each
    gradient, as shares of the largest."""
    found = []
    for layer, kind in ((plain.double(), torch.float64), (ours, torch.float32)):
        given = [x.to(kind, copy=True).requires_grad_() for x in inputs]
        result = layer(*given)
        # No gradient is a small difference of large ones.
        (result + 2.0).square().sum().backward()
        with torch.no_grad():
            without = layer(*given)
        gradients = [*(x.grad for x in given), *(p.grad for p in layer.parameters())]
        found.append([value.detach() for value in (result, without, *gradients)])
    for expected, values in zip(*found, strict=True):
        assert (values.shape, values.dtype) == (expected.shape, torch.float32)
    return [
        float((values - expected).abs().max() / expected.abs().max())
        for expected, values in zip(*found, strict=True)
    ]


@pytest.mark.parametrize("device", DEVICES)
@pytest.mark.parametrize("batch", [1, 2])
@pytest.mark.parametrize(("inputs", "outputs", "side", "how"), LAYERS)
def test_convolutions_are_those_of_torch(
    inputs: int, outputs: int, side: int, how: dict[str, Any], batch: int, device: str
) -> None:
    torch.manual_seed(0)
    layers = pair(nn.Conv3d(inputs, outputs, **how).to(device))
    x = torch.rand(batch, inputs, side, side + 1, side + 2, device=device)
    assert max(differences(*layers, x)) <= 1e-5


@pytest.mark.parametrize("batch", [1, 2])
@pytest.mark.parametrize(("inputs", "outputs", "how"), TRANSPOSED)
def test_transposed_convolutions_are_those_of_torch(
    inputs: int, outputs: int, how: dict[str, Any], batch: int
) -> None:
    torch.manual_seed(0)
    layers = pair(nn.ConvTranspose3d(inputs, outputs, 3, **how))
    assert max(differences(*layers, torch.rand(batch, inputs, 7, 8, 9))) <= 1e-5
    with pytest.raises(RuntimeError):
        layers[1](torch.rand(1, inputs + 1, 7, 8, 9))


def test_a_transposed_convolution_takes_an_output_size() -> None:
    plain, ours = pair(nn.ConvTranspose3d(2, 3, 3, stride=2))
    x = torch.rand(1, 2, 5, 5, 5)
    for size in ([11, 11, 11], [12, 12, 12]):
        assert torch.allclose(ours(x, size), plain(x, size), atol=1e-6)


@pytest.mark.parametrize("batch", [1, 2])
@pytest.mark.parametrize("inputs", [1, 2])
@pytest.mark.parametrize(("size", "bias"), [(7, True), (9, False), (11, True)])
def test_a_large_kernel_computes_blocks(size: int, bias: bool, inputs: int, batch: int) -> None:
    torch.manual_seed(0)
    layers = pair(nn.Conv3d(inputs, 4, size, padding=size // 2, bias=bias))
    x = torch.rand(batch, inputs, 8, 10, 6)
    with torch.autograd.profiler.profile(record_shapes=True) as seen:
        layers[1](x)
    events = seen.key_averages(group_by_input_shape=True)
    weights = [e.input_shapes[1] for e in events if e.key == "aten::convolution"]
    assert weights == [[32, 8 * inputs, *[(size + 1) // 2] * 3]]
    assert max(differences(*layers, x)) <= 1e-5


#: Sides of the features that are upsampled: few voxels, odd sides, and one voxel along an axis.
LOW = [(3, 4, 5), (10, 11, 12), (1, 30, 40)]


@pytest.mark.parametrize("device", DEVICES)
@pytest.mark.parametrize("batch", [1, 2])
@pytest.mark.parametrize(("low", "beside"), [(8, 2), (4, 16)])
@pytest.mark.parametrize("sides", LOW)
def test_a_convolution_after_upsampling_is_that_of_torch(
    sides: tuple[int, int, int], low: int, beside: int, batch: int, device: str
) -> None:
    torch.manual_seed(0)
    layers = pair(UpsampledConv3d(low + beside, 6).to(device))
    x = torch.rand(batch, low, *sides, device=device)
    skip = torch.rand(batch, beside, *(2 * side for side in sides), device=device)
    assert max(differences(*layers, x, skip)) <= 1e-5


def test_a_convolution_after_upsampling_needs_twice_the_sides() -> None:
    x, skip = torch.rand(1, 2, 12, 12, 12), torch.rand(1, 2, 24, 24, 23)
    for layer in pair(UpsampledConv3d(4, 6)):
        with pytest.raises(RuntimeError, match="Sizes of tensors must match"):
            layer(x, skip)


def test_after_upsampling_there_is_no_upsampled_tensor() -> None:
    x, skip = torch.rand(1, 16, 12, 12, 12), torch.rand(1, 2, 24, 24, 24)
    seen_in = []
    for layer in pair(UpsampledConv3d(18, 6)):
        with torch.autograd.profiler.profile() as seen:
            layer(x, skip).sum().backward()
        seen_in.append(any("upsample" in event.key for event in seen.key_averages()))
    assert seen_in == [True, False]


@pytest.mark.parametrize("shape", [(1, 5, 6, 7, 8), (3, 5)])
@pytest.mark.parametrize("slopes", [1, 5])
def test_prelus_are_those_of_torch(slopes: int, shape: tuple[int, ...]) -> None:
    torch.manual_seed(0)
    layers = pair(nn.PReLU(slopes))
    nn.init.uniform_(layers[0].weight, -0.5, 1.5)
    layers[1].load_state_dict(layers[0].state_dict())
    x = torch.randn(shape)
    x[0, :2] = 0.0
    assert max(differences(*layers, x)) <= 1e-6


def test_a_prelu_needs_no_more_memory_forward_than_torch_s() -> None:
    x = torch.randn(1, 5, 16, 16, 16)
    taken = []
    for layer in pair(nn.PReLU(5)):
        with torch.autograd.profiler.profile(profile_memory=True) as seen:
            layer(x)
        taken.append(sum(max(0, event.self_cpu_memory_usage) for event in seen.key_averages()))
    assert taken[1] <= taken[0]


@pytest.mark.parametrize(
    ("layer", "frozen", "operation"),
    [
        (nn.ConvTranspose3d(4, 6, 3, stride=2), "weight", "aten::convolution_backward"),
        (nn.ConvTranspose3d(4, 6, 3, stride=2), "input", "aten::conv3d"),
        (nn.PReLU(4), "weight", "aten::sum"),
        (nn.PReLU(4), "input", "aten::add_"),
    ],
)
def test_no_gradient_is_computed_that_nobody_asks_for(
    layer: nn.Module, frozen: str, operation: str
) -> None:
    ours = pair(layer)[1]
    leaves = {"weight": ours.weight, "input": torch.randn(2, 4, 6, 7, 8)}
    kept = next(name for name in leaves if name != frozen)
    found = []
    for asked in (True, False):
        for name, leaf in leaves.items():
            leaf.grad = None
            leaf.requires_grad_(asked or name == kept)
        loss = ours(leaves["input"]).square().mean()
        with torch.autograd.profiler.profile() as seen:
            loss.backward()
        taken = any(event.key == operation for event in seen.key_averages())
        found.append((taken, leaves[frozen].grad is not None))
        assert leaves[kept].grad is not None
        found.append(leaves[kept].grad.clone())
    assert found[0] == (True, True) and found[2] == (False, False)
    assert torch.equal(found[1], found[3])


@pytest.mark.parametrize("device", DEVICES)
@pytest.mark.parametrize("size", [5, 6, 11])
def test_a_large_kernel_is_unfolded(size: int, device: str) -> None:
    torch.manual_seed(0)
    plain = nn.Conv3d(2, 8, size, padding=size // 2).to(device)
    x = torch.rand(1, 2, 12, 13, 14, device=device)
    expected = plain(x)
    ours = unfolded(plain, x, plain.padding)
    assert ours.shape == expected.shape
    assert (ours - expected).abs().max() <= 1e-5 * expected.abs().max()
    # On the processor it does not pay.
    with torch.autocast(device, torch.bfloat16):
        assert has_few_inputs(plain, x) is (device == "cuda")


@pytest.mark.parametrize(
    "layer",
    [nn.Conv3d(4, 4, 3), nn.ConvTranspose3d(4, 4, 3), nn.PReLU(4), UpsampledConv3d(6, 4)],
)
def test_numbers_are_as_autocast_has_them(layer: nn.Module) -> None:
    found = []
    given = [torch.randn(1, 4, 12, 12, 12)]
    if isinstance(layer, UpsampledConv3d):
        given.append(torch.randn(1, 2, 24, 24, 24))
    for one in pair(layer):
        with torch.autocast("cpu", torch.bfloat16):
            value = one(*given)
        value.float().sum().backward()
        assert one.weight.grad.dtype == torch.float32
        found.append(value)
    assert found[0].dtype == found[1].dtype
    assert torch.allclose(found[0].float(), found[1].float(), atol=0.02)


@pytest.mark.parametrize("inputs", [1, 16])
def test_a_volume_without_a_batch_is_taken_too(inputs: int) -> None:
    plain, ours = pair(nn.Conv3d(inputs, 8, 3, padding=1))
    x = torch.rand(inputs, 9, 10, 11)
    with torch.no_grad():
        expected = plain(x)
        assert (ours(x) - expected).abs().max() <= 1e-5 * expected.abs().max()


@pytest.mark.skipif(not torch.backends.mkldnn.is_available(), reason="torch without oneDNN")
@pytest.mark.parametrize("learning", [False, True])
@pytest.mark.parametrize("inputs", [2, 32])
def test_torch_does_not_take_its_slow_way(inputs: int, learning: bool) -> None:
    plain, ours = pair(nn.Conv3d(inputs, 8, 3, padding=1))
    x = torch.rand(1, inputs, 8, 8, 8)
    slow = []
    for layer in (plain, ours):
        with torch.set_grad_enabled(learning), torch.autograd.profiler.profile() as seen:
            layer(x)
        slow.append(any("slow_conv3d" in event.key for event in seen.key_averages()))
    # The first will be False, too, once torch needs none of this.
    assert slow == [True, False]
