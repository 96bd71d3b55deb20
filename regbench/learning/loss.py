"""The training loss: MIND similarity plus lambda times diffusion regularisation (paper, Eq. 3).

MIND is the modality-independent neighbourhood descriptor (Heinrich et al. 2012).
"""

from collections.abc import Iterator
from functools import reduce
from typing import Any

import numpy as np
import torch
from torch.autograd.function import FunctionCtx, once_differentiable
from torch.nn import functional

from regbench.learning.loss_values import FLOOR, LEAST, mind_planes
from regbench.spatial.convert import to_grid
from regbench.spatial.operations import determinant

#: The six neighbours at distance 1: along each axis the next voxel, then the previous one.
OFFSETS = ((1, 0, 0), (-1, 0, 0), (0, 1, 0), (0, -1, 0), (0, 0, 1), (0, 0, -1))
#: Types of images whose MIND NumPy can compute.
_OF_NUMPY = (torch.float32, torch.float64)


def loss(
    moving: torch.Tensor,
    fixed_features: torch.Tensor,
    displacement: torch.Tensor,
    weight: float,
    fold_weight: float = 0.0,
    fold_sum_weight: float = 0.0,
) -> torch.Tensor:
    """The whole loss, in float32: similarity + weight * smoothness + the penalty on folds.

    The penalty is `fold_weight` times `folding`, a mean over the voxels, plus `fold_sum_weight`
    times the sum of the same over the voxels.
    """
    field = displacement.float()
    value = similarity(warp(moving, field), fixed_features) + weight * smoothness(field)
    fold_weight += fold_sum_weight * field[:, 0].numel()
    # The Jacobian costs time: it is computed only where it is asked for.
    return value + fold_weight * folding(field) if fold_weight else value


def warp(moving: torch.Tensor, displacement: torch.Tensor) -> torch.Tensor:
    """`moving(x + u(x))` for (N, C, X, Y, Z) and a voxel field (N, 3, X, Y, Z), differentiable.

    Linear, border replicated: the same as `regbench.spatial.warp.warp_image`.
    """
    return functional.grid_sample(
        moving, to_grid(displacement), mode="bilinear", padding_mode="border", align_corners=True
    )


def similarity(warped: torch.Tensor, fixed_features: torch.Tensor) -> torch.Tensor:
    """Mean over voxels and neighbours of |MIND(warped) - MIND(fixed)| (paper, Eq. 4).

    Args:
        warped: (N, 1, X, Y, Z).
        fixed_features: `mind(fixed)`, computed once a pair.
    """
    return (mind(warped) - fixed_features).abs().mean()


def smoothness(displacement: torch.Tensor) -> torch.Tensor:
    """Mean squared forward difference of a voxel field, averaged over axes and components."""
    parts = [torch.diff(displacement, dim=axis).square().mean() for axis in (2, 3, 4)]
    return torch.stack(parts).mean()


def folding(displacement: torch.Tensor) -> torch.Tensor:
    """Mean of max(0, -|J|) over the voxels: FAIM's own penalty (Kuang and Schmah 2019, Eq. 3)."""
    rows = [
        [
            torch.gradient(displacement[:, k], dim=axis + 1)[0] + float(k == axis)
            for axis in range(3)
        ]
        for k in range(3)
    ]
    return functional.relu(-determinant(*rows)).mean()


def mind(image: torch.Tensor) -> torch.Tensor:
    """MIND features (N, 6, X, Y, Z) of an image (N, 1, X, Y, Z).

    D_n is the 3x3x3 box mean of (I(x) - I(x+n))^2, V the mean of D_n over the neighbours n;
    MIND_n = exp(-(D_n - min D) / V). Borders are replicated.
    """
    graph = image.requires_grad and torch.is_grad_enabled()
    if image.device.type == "cpu" and image.dtype in _OF_NUMPY and not graph:
        return _mind_by_planes(image.detach())
    return _mind(image)


def _mind_by_planes(images: torch.Tensor) -> torch.Tensor:
    result = np.empty((images.shape[0], 6, *images.shape[2:]), images.numpy().dtype)
    for image, features in zip(images[:, 0].numpy(), result, strict=True):
        for x, plane in enumerate(mind_planes(image)):
            features[:, x] = plane
    return torch.from_numpy(result)


def _mind(image: torch.Tensor) -> torch.Tensor:
    """By whole volumes: on a GPU, and where a gradient is asked for."""
    features: torch.Tensor = _Features.apply(box_mean(_Differences.apply(image)))
    return features


class _Differences(torch.autograd.Function):
    """(I(x) - I(x+n))^2, (N, 6, X, Y, Z): of opposite neighbours the same, but moved by a voxel.

    The gradients of this and of the features are written out: torch would take more passes.
    """

    @staticmethod
    def forward(ctx: Any, image: torch.Tensor) -> torch.Tensor:
        ctx.steps = [torch.diff(image, dim=axis) for axis in (2, 3, 4)]
        # An outermost voxel is its own neighbour: the border is replicated.
        result = image.new_zeros(len(image), len(OFFSETS), *image.shape[2:])
        for (ahead, back), step in zip(_opposite(result), ctx.steps, strict=True):
            ahead.copy_(step.square())
            back.copy_(ahead)
        return result

    @staticmethod
    @once_differentiable
    def backward(ctx: Any, gradient: torch.Tensor) -> torch.Tensor:
        result = gradient.new_zeros(len(gradient), 1, *gradient.shape[2:])
        pairs = zip((2, 3, 4), _opposite(gradient), ctx.steps, strict=True)
        for axis, (ahead, back), step in pairs:
            of_step = (ahead + back).mul_(step).mul_(2.0)
            last = gradient.shape[axis] - 1
            result.narrow(axis, 1, last).add_(of_step)
            result.narrow(axis, 0, last).sub_(of_step)
        return result


def _opposite(six: torch.Tensor) -> Iterator[tuple[torch.Tensor, torch.Tensor]]:
    """For each axis: the channels of the next and the previous voxel, where there is one."""
    for axis, both in zip((2, 3, 4), six.split(2, dim=1), strict=True):
        ahead, back = both.split(1, dim=1)
        last = six.shape[axis] - 1
        yield ahead.narrow(axis, 0, last), back.narrow(axis, 1, last)


class _Features(torch.autograd.Function):
    """exp(-(D_n - min D) / V) of the distances D (N, 6, X, Y, Z)."""

    @staticmethod
    def forward(ctx: Any, distance: torch.Tensor) -> torch.Tensor:
        mean = distance.mean(dim=1, keepdim=True)
        floor = FLOOR * mean.mean(dim=(1, 2, 3, 4), keepdim=True)
        # A constant image has no variance anywhere: the tiny bound keeps its features finite.
        variance = torch.maximum(mean, floor).clamp_min(LEAST)
        nearest = reduce(torch.minimum, distance.split(1, dim=1))
        exponent = (nearest - distance).div_(variance)
        features = exponent.exp()
        ctx.save_for_backward(features, exponent, variance, mean, floor)
        return features

    @staticmethod
    @once_differentiable
    def backward(ctx: Any, gradient: torch.Tensor) -> torch.Tensor:
        features, exponent, variance, mean, floor = ctx.saved_tensors
        slope = (gradient * features).div_(variance)
        of_variance = (slope * exponent).sum(dim=1, keepdim=True).neg_()
        of_mean = of_variance * (mean >= floor.clamp_min(LEAST))
        of_floor = (of_variance - of_mean).mul_(floor >= LEAST)
        of_mean += FLOOR * of_floor.mean(dim=(1, 2, 3, 4), keepdim=True)
        # Where several neighbours are the nearest, they share its gradient.
        nearest = (exponent == 0).to(slope.dtype)
        of_nearest = slope.sum(dim=1, keepdim=True).div_(nearest.sum(dim=1, keepdim=True))
        return torch.sub(of_mean.div_(len(OFFSETS)), slope).addcmul_(nearest, of_nearest)


def box_mean(image: torch.Tensor) -> torch.Tensor:
    """3x3x3 box mean over the last three axes, borders replicated; differentiable.

    As sums along one axis after the other: an order of magnitude faster on a CPU, forward and
    backward, than average pooling.
    """
    return _BoxMean.apply(image)


class _BoxMean(torch.autograd.Function):
    """The box mean with replicated borders is a symmetric matrix: it is its own gradient."""

    @staticmethod
    def forward(ctx: FunctionCtx, image: torch.Tensor) -> torch.Tensor:
        return _box_mean(image)

    @staticmethod
    @once_differentiable
    def backward(ctx: FunctionCtx, gradient: torch.Tensor) -> torch.Tensor:
        return _box_mean(gradient)


def _box_mean(image: torch.Tensor) -> torch.Tensor:
    for axis in (-3, -2, -1):
        last = image.shape[axis] - 1
        total = image.clone()
        total.narrow(axis, 1, last).add_(image.narrow(axis, 0, last))
        total.narrow(axis, 0, last).add_(image.narrow(axis, 1, last))
        for end in (0, last):
            total.narrow(axis, end, 1).add_(image.narrow(axis, end, 1))
        image = total
    return image.mul_(1.0 / 27.0)
