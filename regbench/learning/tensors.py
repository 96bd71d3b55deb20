"""Volumes as network input: normalised, padded to the network's multiple, and cropped back."""

import numpy as np
import torch
from torch.nn import functional

from regbench.spatial.volume import Volume, percentile_window


def to_input(volume: Volume) -> torch.Tensor:
    """(1, 1, X, Y, Z) float32, intensities between robust percentiles mapped to [0, 1]."""
    low, high = percentile_window(volume.data)
    span = max(float(high - low), 1e-12)
    data = np.clip((volume.data - low) / span, 0.0, 1.0).astype(np.float32)
    return torch.from_numpy(np.ascontiguousarray(data))[None, None]


def pad_to_multiple(image: torch.Tensor, multiple: int) -> torch.Tensor:
    """Pad the far ends by replication until every side is a multiple."""
    x, y, z = ((-size) % multiple for size in image.shape[2:])
    if not (x or y or z):
        return image
    return functional.pad(image, (0, z, 0, y, 0, x), mode="replicate")


def crop_to(field: torch.Tensor, shape: torch.Size) -> torch.Tensor:
    """Undo `pad_to_multiple`: the first voxels of each side."""
    x, y, z = shape[2:]
    return field[:, :, :x, :y, :z]
