"""A 3x3x3 convolution of an upsampled volume, computed from the volume itself."""

import torch
from torch.nn import functional

from regbench.learning.convolution import convolution

#: Along one axis, between two voxels of the small volume lie two of the upsampled one. Of each
#: output there: the sum of the kernel's three weights that meet the near and the far voxel.
_ALONG = torch.tensor([[[1.0, 1.0, 0.0], [0.0, 0.0, 1.0]], [[1.0, 0.0, 0.0], [0.0, 1.0, 1.0]]])
#: (27, 64): from a kernel's weights to the eight kernels of 2x2x2 voxels.
_SUMS = torch.einsum("pti,quj,rvk->ijkpqrtuv", _ALONG, _ALONG, _ALONG).reshape(27, 64)


def of_upsampled(low: torch.Tensor, weight: torch.Tensor) -> torch.Tensor:
    """A convolution of nearest-neighbour upsampling by two, padded with zeros.

    Eight kernels of 2x2x2 voxels take the place of one of 3x3x3 over eight times the voxels: 8
    multiplications for 27.

    Args:
        low: (N, C, X, Y, Z).
        weight: (O, C, 3, 3, 3).

    Returns:
        (N, O, 2 X, 2 Y, 2 Z), channels last.
    """
    outputs, inputs = weight.shape[:2]
    with torch.autocast(low.device.type, enabled=False):
        sums = weight.reshape(-1, 27) @ _SUMS.to(weight)
    kernels = sums.view(outputs, inputs, 8, 2, 2, 2).permute(2, 0, 1, 3, 4, 5).flatten(0, 1)
    kernels = kernels.contiguous(memory_format=torch.channels_last_3d)
    eight = convolution(low, kernels, None, (1, 1, 1), (1, 1, 1), (1, 1, 1), 1)
    n, _, x, y, z = eight.shape
    apart = eight.permute(0, 2, 3, 4, 1).reshape(n, x, y, z, 2, 2, 2, outputs)
    volume = apart.permute(0, 1, 4, 2, 5, 3, 6, 7).reshape(n, 2 * x, 2 * y, 2 * z, outputs)
    # The outermost outputs lie outside. The result is no view: it may be changed in place.
    return functional.pad(volume.permute(0, 4, 1, 2, 3), (-1,) * 6)
