"""Graph-cut registration through pydeform, its field in voxels."""

from importlib.metadata import version

import numpy as np
import pydeform

from regbench.plugins.interface import Method
from regbench.spatial.convert import from_itk, itk_geometry
from regbench.spatial.field import Field
from regbench.spatial.volume import Volume


class Deform(Method):
    """Fast graph-cut based optimisation (Ekström et al. 2020)."""

    def register(self, fixed: Volume, moving: Volume) -> Field:
        """The dense field of the finest level."""
        own = self.settings
        found = pydeform.register(
            to_volume(fixed),
            to_volume(moving),
            settings={
                "pyramid_levels": own["pyramid_levels"],
                "regularization_weight": own["regularization_weight"],
                "step_size": own["step_size"],
                "image_slots": [{"normalize": True, "cost_function": own["cost"]}],
            },
            silent=True,
            num_threads=self.context.threads,
        )
        # (Z, Y, X, 3) millimetres along LPS axes.
        vectors = np.array(found).transpose(2, 1, 0, 3)
        return from_itk(vectors, fixed.affine, moving.affine)

    def versions(self) -> dict[str, str]:
        """Of the package."""
        return {"pydeform": version("pydeform")}


def to_volume(image: Volume) -> pydeform.Volume:
    """The image as pydeform's, axes reversed, in LPS millimetres."""
    grid = itk_geometry(image.affine)
    data = np.ascontiguousarray(image.data.transpose(2, 1, 0), dtype=np.float32)
    return pydeform.Volume(data, tuple(grid.origin), tuple(grid.spacing), grid.direction)
