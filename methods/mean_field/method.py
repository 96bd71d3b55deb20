"""The mean true field of the training cases, whatever the images show."""

from collections.abc import Mapping
from typing import Any

import numpy as np

from regbench.base.errors import BadInput
from regbench.plugins.interface import Context, Method
from regbench.spatial.field import Field
from regbench.spatial.volume import Volume


class MeanField(Method):
    """Averages once, then answers every pair with the same field."""

    def __init__(self, settings: Mapping[str, Any], context: Context) -> None:
        super().__init__(settings, context)
        total = np.zeros(())
        count = 0
        for field in context.training_fields():
            total = total + field.displacement.astype(np.float64)
            count += 1
        if count == 0:
            raise BadInput("no true field of a training case is known")
        self.mean = (total / count).astype(np.float32)

    def register(self, fixed: Volume, moving: Volume) -> Field:
        """The mean field; it fits only images on the training cases' grid."""
        if self.mean.shape[:3] != fixed.shape:
            raise BadInput(
                "the training fields have another shape",
                expected=fixed.shape,
                found=self.mean.shape,
            )
        return Field(self.mean, fixed.affine)
