"""The training loss: MIND similarity plus lambda times diffusion regularisation (paper, Eq. 3)."""

import torch
from torch.nn import functional

from regbench.learning.mind import mind
from regbench.spatial.convert import to_grid
from regbench.spatial.operations import determinant


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
    found: torch.Tensor = functional.relu(-determinant(*rows)).mean()
    return found


def loss(
    moving: torch.Tensor,
    fixed_features: torch.Tensor,
    displacement: torch.Tensor,
    weight: float,
    fold_weight: float = 0.0,
) -> torch.Tensor:
    """The whole loss, in float32: similarity + weight * smoothness + fold_weight * folding."""
    field = displacement.float()
    value = similarity(warp(moving, field), fixed_features) + weight * smoothness(field)
    # The Jacobian costs time: only where it is asked for.
    return value + fold_weight * folding(field) if fold_weight else value
