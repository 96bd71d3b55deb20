"""SyN through ANTsPy, with its transforms turned into one dense voxel field."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import ants

from regbench.base.errors import BadInput
from regbench.plugins.interface import Context, Method
from regbench.spatial.convert import check_own_warp, from_itk, to_ants
from regbench.spatial.field import Field
from regbench.spatial.volume import Volume


class SyN(Method):
    """Symmetric normalization (Avants et al. 2008)."""

    def __init__(self, settings: Mapping[str, Any], context: Context) -> None:
        super().__init__(settings, context)
        for name in ("iterations", "affine_iterations"):
            # ANTs takes a negative number for one of billions.
            if not all(type(number) is int and number >= 0 for number in settings[name]):
                expected = "whole numbers >= 0"
                raise BadInput(f"setting {name}", expected=expected, found=settings[name])
        # `ants.registration(random_seed=...)` is swallowed silently; this one holds.
        ants.config.set_ants_deterministic(True, seed_value=context.seed + 1)
        self.transforms: list[str] = []

    def register(self, fixed: Volume, moving: Volume) -> Field:
        """The dense field of all of ANTs' transforms, affine included."""
        own = self.settings
        kind = own["type_of_transform"]
        if kind == "auto":
            kind = "SyNOnly" if self.context.prealigned else "SyN"
        target, source = to_ants(fixed), to_ants(moving)
        prefix = self.context.workdir / "syn_"
        found = ants.registration(
            target,
            source,
            type_of_transform=kind,
            initial_transform="Identity" if kind == "SyNOnly" else None,
            outprefix=str(prefix),
            reg_iterations=tuple(own["iterations"]),
            syn_metric=own["metric"],
            syn_sampling=own["bins"],
            aff_iterations=tuple(own["affine_iterations"]),
            aff_random_sampling_rate=own["affine_sampling"],
            grad_step=own["gradient_step"],
            flow_sigma=own["flow_sigma"],
            total_sigma=own["total_sigma"],
        )
        self.transforms = found["fwdtransforms"]
        composed = ants.apply_transforms(
            target, source, self.transforms, compose=str(self.context.workdir / "all_")
        )
        vectors = ants.image_read(composed).numpy()
        Path(composed).unlink()
        return from_itk(vectors, fixed.affine, moving.affine)

    def verify(self, fixed: Volume, moving: Volume, field: Field) -> None:
        """Warp the moving image by ANTs and by the field: both must give the same image."""
        theirs = ants.apply_transforms(to_ants(fixed), to_ants(moving), self.transforms).numpy()
        check_own_warp("ANTs", theirs, moving, field)
