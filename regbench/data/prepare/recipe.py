"""The settings of a preparation, checked."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np

from regbench.base.errors import BadInput
from regbench.data.prepare.intensity import Intensity, read_intensity

#: Setting to its default: a data set plugin states the same keys, with defaults of its own.
DEFAULTS: dict[str, Any] = {
    "alignment": "affine",
    "alignment_start": "mass",
    "alignment_spacing": 3.0,
    "spacing": None,
    "size": None,
    "around": "body",
    "fixed_intensity": {"percentiles": [0.5, 99.5]},
    "moving_intensity": {"percentiles": [0.5, 99.5]},
}
ALIGNMENTS = ("affine", "rigid", "none")
STARTS = ("mass", "labels", "headers")
AROUND = ("labels", "mask", "body", "centre")


@dataclass(frozen=True)
class Recipe:
    """How a pair is prepared.

    Attributes:
        alignment: of the moving to the fixed image: `affine`, `rigid` or `none`.
        alignment_start: what it puts on one another first: `mass`, `labels` or `headers`.
        alignment_spacing: millimetres of the isotropic grid that the alignment is found on.
        spacing: millimetres of the prepared grid, isotropic; None: the fixed image's own.
        size: (X, Y, Z) voxels of the crop box; None: the fixed image's whole field of view.
        around: what of the fixed image the box is put around.
        fixed_intensity, moving_intensity: which intensities become 0 and 1.
    """

    alignment: str
    alignment_start: str
    alignment_spacing: float
    spacing: float | None
    size: tuple[int, int, int] | None
    around: str
    fixed_intensity: Intensity
    moving_intensity: Intensity


def read_recipe(settings: Mapping[str, Any]) -> Recipe:
    """The recipe in a data set's settings; other settings are not looked at.

    Raises:
        BadInput: a setting of the wrong kind, with its name.
    """
    own = {**DEFAULTS, **{key: settings[key] for key in DEFAULTS if key in settings}}
    size = own["size"]
    if size is not None:
        whole = isinstance(size, list | tuple) and all(
            isinstance(n, int) and not isinstance(n, bool) and 1 <= n <= 4096 for n in size
        )
        if not whole or len(size) != 3:
            raise BadInput(
                "setting size is malformed", expected="three numbers of voxels, or null", found=size
            )
        size = (size[0], size[1], size[2])
    spacing = own["spacing"]
    return Recipe(
        alignment=_choice("alignment", own["alignment"], ALIGNMENTS),
        alignment_start=_choice("alignment_start", own["alignment_start"], STARTS),
        alignment_spacing=_millimetres("alignment_spacing", own["alignment_spacing"]),
        spacing=None if spacing is None else _millimetres("spacing", spacing),
        size=size,
        around=_choice("around", own["around"], AROUND),
        fixed_intensity=read_intensity(own["fixed_intensity"], "fixed_intensity"),
        moving_intensity=read_intensity(own["moving_intensity"], "moving_intensity"),
    )


def _choice(name: str, value: Any, known: tuple[str, ...]) -> str:
    if value not in known:
        raise BadInput(
            f"setting {name} is unknown", expected=f"one of {', '.join(known)}", found=value
        )
    return str(value)


def _millimetres(name: str, value: Any) -> float:
    good = isinstance(value, int | float) and not isinstance(value, bool)
    if not good or not np.isfinite(value) or not 0.05 <= value <= 50:
        raise BadInput(
            f"setting {name} is malformed", expected="millimetres from 0.05 to 50", found=value
        )
    return float(value)
