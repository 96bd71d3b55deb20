"""The training loss: MIND against a slow reference, the torch warp against ours, smoothness."""

import itertools

import numpy as np
import pytest
import torch

from regbench.learning.loss import box_mean, folding, loss, mind, similarity, smoothness, warp
from regbench.learning.pairs import _FLIPPED
from regbench.spatial.convert import to_torch
from regbench.spatial.field import Field
from regbench.spatial.operations import jacobian_determinant
from regbench.spatial.volume import Volume
from regbench.spatial.warp import warp_image

SHAPE = (6, 5, 4)
#: The neighbours in the order of the channels.
NEIGHBOURS = ((1, 0, 0), (-1, 0, 0), (0, 1, 0), (0, -1, 0), (0, 0, 1), (0, 0, -1))


def slow_mind(image: np.ndarray) -> np.ndarray:
    """Voxel by voxel from the definition."""

    def at(x: int, y: int, z: int) -> float:
        clipped = (min(max(i, 0), n - 1) for i, n in zip((x, y, z), image.shape, strict=True))
        return float(image[tuple(clipped)])

    def squared(x: int, y: int, z: int, offset: tuple[int, int, int]) -> float:
        # The box replicates the squared differences beyond the border.
        x, y, z = (min(max(i, 0), n - 1) for i, n in zip((x, y, z), image.shape, strict=True))
        return (at(x, y, z) - at(x + offset[0], y + offset[1], z + offset[2])) ** 2

    distance = np.zeros((6, *image.shape))
    for k, offset in enumerate(NEIGHBOURS):
        for x, y, z in np.ndindex(image.shape):
            box = itertools.product((-1, 0, 1), repeat=3)
            distance[k, x, y, z] = np.mean(
                [squared(x + a, y + b, z + c, offset) for a, b, c in box]
            )
    variance = distance.mean(axis=0)
    variance = np.maximum(variance, 0.1 * variance.mean())
    return np.exp(-(distance - distance.min(axis=0)) / variance)


def random_image(seed: int = 0) -> torch.Tensor:
    return torch.rand(1, 1, *SHAPE, generator=torch.Generator().manual_seed(seed))


@pytest.mark.parametrize("graph", [False, True])
def test_mind_is_its_definition(graph: bool) -> None:
    image = random_image()
    # A flat half, in which the variance is below its floor.
    image[:, :, 3:] *= 0.1
    found = mind(image.requires_grad_(graph))[0].detach().numpy()
    image = image.detach()
    assert np.abs(found - slow_mind(image[0, 0].double().numpy())).max() < 1e-5


def test_the_box_mean_is_average_pooling_of_the_replicated_image() -> None:
    image = torch.rand(2, 3, *SHAPE, generator=torch.Generator().manual_seed(2))
    image = image.double().requires_grad_()
    padded = torch.nn.functional.pad(image, (1,) * 6, mode="replicate")
    assert torch.allclose(box_mean(image), torch.nn.functional.avg_pool3d(padded, 3, stride=1))
    assert torch.autograd.gradcheck(box_mean, (image[:, :1, :3, :2, :1],))


def test_mind_does_not_see_contrast_and_brightness_or_its_sign() -> None:
    image = random_image()
    for other in (3 * image + 2, 1 - image):
        assert torch.allclose(mind(image), mind(other), atol=1e-4)


def test_mind_of_a_mirrored_image_is_the_mirrored_mind() -> None:
    image = random_image()
    assert torch.allclose(mind(image.flip(2)), mind(image).flip(2)[:, _FLIPPED], atol=1e-6)


def test_the_gradient_of_mind_is_that_of_its_values() -> None:
    images = torch.cat([random_image(5), random_image(6)]).double()
    # In the flat half of one, the variance is below its floor, which the other half raises.
    images[0, :, 3:] *= 0.1
    assert torch.autograd.gradcheck(mind, (images.requires_grad_(),))


def test_mind_of_a_constant_image_is_finite() -> None:
    image = torch.ones(1, 1, *SHAPE).requires_grad_()
    features = mind(image)
    assert torch.equal(features, torch.ones_like(features))
    assert torch.equal(features, mind(image.detach()))
    features.sum().backward()
    assert image.grad is not None and not image.grad.any()


def test_the_torch_warp_is_the_engine_s() -> None:
    rng = np.random.default_rng(3)
    field = Field(rng.normal(0, 2, (*SHAPE, 3)).astype(np.float32), np.eye(4))
    image = random_image()
    ours = warp_image(Volume(image[0, 0].numpy(), np.eye(4)), field).data
    assert np.abs(warp(image, to_torch(field))[0, 0].numpy() - ours).max() < 1e-5


def test_smoothness_of_a_linear_field() -> None:
    x, y, z = torch.meshgrid(*(torch.arange(float(n)) for n in SHAPE), indexing="ij")
    field = torch.stack([2 * x + y, 3 * z, torch.zeros_like(x)])[None]
    # Squared slopes over three axes and three components: 4 + 1 + 9, of nine.
    assert smoothness(field) == pytest.approx(14 / 9)
    assert smoothness(torch.full((1, 3, *SHAPE), 7.0)) == 0


def test_folding_is_the_negative_part_of_the_jacobian() -> None:
    rng = np.random.default_rng(4)
    field = Field(rng.normal(0, 1, (*SHAPE, 3)).astype(np.float32), np.eye(4))
    expected = np.maximum(0, -jacobian_determinant(field.displacement)).mean()
    assert expected > 0.1
    assert float(folding(to_torch(field))) == pytest.approx(float(expected), rel=1e-5)
    image = random_image()
    weights = ((0.0, 0.0), (2.0, 0.0), (0.0, 1e-2), (2.0, 1e-2))
    losses = [float(loss(image, mind(image), to_torch(field), 0.5, *w)) for w in weights]
    # The mean, the sum over 6 x 5 x 4 voxels, and both.
    added = [value - losses[0] for value in losses[1:]]
    assert added == pytest.approx([2 * expected, 1.2 * expected, 3.2 * expected], rel=1e-4)


def test_the_loss_is_least_at_the_truth() -> None:
    fixed = torch.rand(1, 1, 40, 8, 8, generator=torch.Generator().manual_seed(1))
    # Only the last plane, of forty, has no counterpart.
    moving = fixed.roll(1, dims=2)
    truth = torch.zeros(1, 3, 40, 8, 8)
    truth[:, 0] = 1
    features = mind(fixed)
    inside = warp(moving, truth)
    assert similarity(inside, features) < 0.2 * similarity(moving, features)
    # The mean of absolute differences.
    offset = torch.tensor([0.1, -0.1]).repeat(features.shape[1] // 2).view(1, -1, 1, 1, 1)
    assert float(similarity(moving, mind(moving) + offset)) == pytest.approx(0.1, rel=1e-5)
    assert loss(moving, features, truth, 1.5) < loss(moving, features, 0 * truth, 1.5)
    assert loss(moving, features, truth, 1.5) == similarity(inside, features)
