"""FireANTs' greedy registration, its warp (and affine) as one dense voxel field."""

from collections.abc import Mapping
from importlib.metadata import version
from typing import Any

import numpy as np
import torch
from fireants.io.image import BatchedImages, Image
from fireants.registration.affine import AffineRegistration
from fireants.registration.greedy import GreedyRegistration
from fireants.utils.globals import MIN_IMG_SIZE

from regbench.plugins.interface import Context, Method
from regbench.spatial.convert import check_own_warp, to_sitk
from regbench.spatial.field import Field
from regbench.spatial.volume import Volume, percentile_window, voxel_grid


class FireANTs(Method):
    """Greedy diffeomorphic registration by adaptive Riemannian optimisation (Jena et al. 2024)."""

    def __init__(self, settings: Mapping[str, Any], context: Context) -> None:
        super().__init__(settings, context)
        torch.set_num_threads(context.threads)
        torch.manual_seed(context.seed)

    def register(self, fixed: Volume, moving: Volume) -> Field:
        """The dense field: the warp, then the affine where the pairs are not aligned before."""
        own, device = self.settings, self.context.device
        images = [
            BatchedImages([Image(to_sitk(padded(unit(v))), device=device)]) for v in (fixed, moving)
        ]
        common = {
            **{"loss_type": own["loss"], "cc_kernel_size": own["window"], "optimizer": "Adam"},
            "progress_bar": False,
        }
        affine = None
        if not self.context.prealigned:
            first = AffineRegistration(
                own["scales"],
                own["affine_iterations"],
                *images,
                optimizer_lr=own["affine_rate"],
                **common,
            )
            first.optimize()
            affine = first.get_affine_matrix().detach()
        greedy = GreedyRegistration(
            own["scales"],
            own["iterations"],
            *images,
            optimizer_lr=own["rate"],
            smooth_grad_sigma=own["smooth_gradient"],
            smooth_warp_sigma=own["smooth_warp"],
            init_affine=affine,
            **common,
        )
        greedy.optimize()
        with torch.no_grad():
            # (1, Z, Y, X, 3) in [-1, 1] over the moving image, components along x, y, z.
            places = greedy.get_warped_coordinates(*images)[0].cpu().numpy()
            self.warped = greedy.evaluate(*images)[0, 0].cpu().numpy().transpose(2, 1, 0)
        index = (places.transpose(2, 1, 0, 3) + 1) / 2 * (np.array(self.warped.shape) - 1)
        x, y, z = fixed.shape
        self.warped = self.warped[:x, :y, :z]
        displacement = index[:x, :y, :z] - voxel_grid(fixed.shape)
        return Field(displacement.astype(np.float32), fixed.affine)

    def verify(self, fixed: Volume, moving: Volume, field: Field) -> None:
        """FireANTs' own warped image must be that of the field."""
        check_own_warp("FireANTs", self.warped, unit(moving), field)

    def versions(self) -> dict[str, str]:
        """Of the packages in its environment."""
        return {name: version(name) for name in ("fireants", "SimpleITK")}


def unit(image: Volume) -> Volume:
    """Intensities between robust percentiles, mapped to [0, 1]."""
    low, high = percentile_window(image.data)
    scaled = (image.data - low) / max(float(high - low), 1e-12)
    return image.with_data(np.clip(scaled, 0.0, 1.0).astype(np.float32))


def padded(image: Volume) -> Volume:
    """The image with sides that FireANTs takes: its border goes on beyond the far ends."""
    widths = [(0, max(0, MIN_IMG_SIZE - side)) for side in image.shape]
    return Volume(np.pad(image.data, widths, mode="edge"), image.affine)
