"""One pair of images with everything that is known about it, in memory."""

from dataclasses import dataclass, field
from typing import Any

import numpy as np
from numpy.typing import NDArray

from regbench.spatial.field import Field
from regbench.spatial.volume import Volume

SPLITS = ("training", "validation", "test")


@dataclass(frozen=True)
class Side:
    """One image of a pair.

    Attributes:
        image: intensities.
        labels: label map on the image's grid.
        mask: region of interest on the image's grid.
        landmarks: (n, 3) voxel coordinates; row i of both sides is the same anatomical point.
    """

    image: Volume
    labels: Volume | None = None
    mask: Volume | None = None
    landmarks: NDArray[np.float64] | None = None


@dataclass(frozen=True)
class Pair:
    """Two images of one patient: `sides[0]` is fixed in the data set's own direction.

    Attributes:
        sides: modality 0 and modality 1.
        fields: where known, the true fields: `fields[k]` has `sides[k]` fixed and the other moving.
        notes: what is worth keeping about the pair, for the data set's own report; JSON-able.
    """

    sides: tuple[Side, Side]
    fields: tuple[Field, Field] | None = None
    notes: dict[str, Any] = field(default_factory=dict)
