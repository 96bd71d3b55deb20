"""Deeds as a method: two back ends, one result."""

from collections.abc import Mapping
from importlib.metadata import version
from pathlib import Path
from typing import Any

import numpy as np

from regbench.base.files import sha256
from regbench.plugins.interface import Context, Method
from regbench.spatial.field import Field
from regbench.spatial.volume import Volume

from .affine import prealign, read_affine, with_affine
from .isotropic import to_isotropic, to_own_grid
from .levels import Levels, register


class Deeds(Method):
    """Dense displacement sampling on a spanning tree (Heinrich et al. 2013)."""

    def __init__(self, settings: Mapping[str, Any], context: Context) -> None:
        super().__init__(settings, context)
        self.levels = Levels(
            settings["spacings"], settings["radii"], settings["steps"], settings["weight"]
        )
        named = settings["affine"]
        self.affine = read_affine(Path(named)) if named else None

    def register(self, fixed: Volume, moving: Volume) -> Field:
        """The field of the pair; both images are brought to isotropic voxels and back."""
        spacing = float(self.settings["spacing_mm"])
        target = to_isotropic(fixed, fixed.affine, spacing)
        source = to_isotropic(moving, fixed.affine, spacing)
        if self.affine is not None:
            source = prealign(source, self.affine)
        if self.settings["backend"] == "external":
            from .external import register_outside

            displacement = register_outside(
                self.settings["binary"], target, source, self.levels, self.context
            )
        else:
            displacement = self._embedded(target, source)
        field = Field(displacement, target.affine)
        if self.affine is not None:
            field = with_affine(field, self.affine)
        return to_own_grid(field, fixed)

    def versions(self) -> dict[str, str]:
        """Numba's, loaded or not. The external program prints none: its hash stands for one."""
        if self.settings["backend"] != "external":
            return {"numba": version("numba")}
        from .external import find_program

        return {"deedsBCV": f"sha256 {sha256(Path(find_program(self.settings['binary'])))}"}

    def _embedded(self, fixed: Volume, moving: Volume) -> np.ndarray:
        # Inside, axis 0 is the contiguous one.
        images = (np.ascontiguousarray(v.data.T, dtype=np.float32) for v in (fixed, moving))
        field = register(*images, self.levels, self.context.threads)
        return np.ascontiguousarray(field.transpose(2, 1, 0, 3))
