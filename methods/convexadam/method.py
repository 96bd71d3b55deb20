"""ConvexAdam through its own package; its fields are voxels of the array, as ours are."""

from collections.abc import Mapping
from importlib.metadata import version
from typing import Any

import numpy as np
import torch
from convexAdam.convex_adam_MIND import convex_adam_pt

from regbench.plugins.interface import Context, Method
from regbench.spatial.field import Field
from regbench.spatial.volume import Volume


class ConvexAdam(Method):
    """Coupled convex optimisation, then Adam on a grid (Siebert et al. 2024)."""

    def __init__(self, settings: Mapping[str, Any], context: Context) -> None:
        super().__init__(settings, context)
        torch.set_num_threads(context.threads)

    def register(self, fixed: Volume, moving: Volume) -> Field:
        """The field that the package returns, on the fixed grid."""
        own = self.settings
        # Its coarse grid drops what is left over of an axis, but is stretched over the whole axis.
        step = int(np.lcm(own["grid_spacing"], own["adam_grid_spacing"])) if own["pad"] else 1
        padding = [(0, -size % step) for size in fixed.shape]
        images = [
            torch.from_numpy(np.pad(volume.data, padding, mode="edge").astype(np.float32))
            for volume in (fixed, moving)
        ]
        found = convex_adam_pt(
            *images,
            mind_r=own["mind_radius"],
            mind_d=own["mind_dilation"],
            lambda_weight=own["lambda"],
            grid_sp=own["grid_spacing"],
            disp_hw=own["search_radius"],
            selected_niter=own["iterations"],
            selected_smooth=own["smoothing"],
            grid_sp_adam=own["adam_grid_spacing"],
            ic=own["inverse_consistent"],
            dtype=torch.float32,
            device=torch.device(self.context.device),
        )
        x, y, z = fixed.shape
        return Field(np.ascontiguousarray(found[:x, :y, :z], dtype=np.float32), fixed.affine)

    def versions(self) -> dict[str, str]:
        """Of the package."""
        return {"convexadam": version("convexadam")}
