"""MIND: the modality-independent neighbourhood descriptor (Heinrich et al. 2012)."""

import torch
from torch.nn import functional

#: The six neighbours at distance 1.
OFFSETS = ((1, 0, 0), (-1, 0, 0), (0, 1, 0), (0, -1, 0), (0, 0, 1), (0, 0, -1))
#: The variance estimate is at least this share of its mean over the image: Heinrich's 0.001 lets
#: noise in flat areas dominate.
FLOOR = 0.1


def mind(image: torch.Tensor) -> torch.Tensor:
    """MIND features (N, 6, X, Y, Z) of an image (N, 1, X, Y, Z).

    D_n is the 3x3x3 box mean of (I(x) - I(x+n))^2, V the mean of D_n over the neighbours n;
    MIND_n = exp(-(D_n - min D) / V). Borders are replicated.
    """
    x, y, z = image.shape[2:]
    padded = functional.pad(image, (1, 1, 1, 1, 1, 1), mode="replicate")
    differences = torch.cat(
        [
            (image - padded[:, :, 1 + a : 1 + a + x, 1 + b : 1 + b + y, 1 + c : 1 + c + z]) ** 2
            for a, b, c in OFFSETS
        ],
        dim=1,
    )
    spread = functional.pad(differences, (1, 1, 1, 1, 1, 1), mode="replicate")
    distance = functional.avg_pool3d(spread, 3, stride=1)
    variance = distance.mean(dim=1, keepdim=True)
    floor = FLOOR * variance.mean(dim=(1, 2, 3, 4), keepdim=True)
    # A constant image has no variance anywhere: the tiny bound keeps its features finite.
    variance = torch.maximum(variance, floor).clamp_min(1e-12)
    nearest = distance.min(dim=1, keepdim=True).values
    return torch.exp(-(distance - nearest) / variance)
