"""The settings of a preparation, checked."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Annotated, Any, ClassVar, Literal

from pydantic import Field

from regbench.base.models import Model, check, key
from regbench.data.prepare.intensity import Intensity, read_intensity

Millimetres = Annotated[float, Field(title="mm from 0.05 to 50", ge=0.05, le=50)]
Voxels = Annotated[int, Field(ge=1, le=4096)]


class RecipeSettings(Model):
    """The settings of a preparation. A data set plugin states defaults of its own."""

    NULLABLE: ClassVar = ("spacing", "size")

    alignment: Literal["affine", "rigid", "none", "given"] = key(
        "step 2. `given`: the pairs are affinely aligned already, and nothing is done; images of "
        "one shape, spacing and orientation are taken index to index. A task's `prealigned` is "
        "true with `affine` and `given`, where the config does not say otherwise",
        "affine",
    )
    alignment_spacing: Millimetres = key("the grid that the alignment is found on", 3.0)
    alignment_start: Literal["mass", "labels", "headers"] = key(
        "what coincides first: the centres of mass of the intensities; the centres of the labels "
        "that both images have; the worlds as the headers state them",
        "mass",
    )
    spacing: Millimetres | None = key(
        "isotropic spacing; `null`: the fixed image's own",
        None,
        "`null`",
        title="mm from 0.05 to 50, or null",
    )
    size: tuple[Voxels, Voxels, Voxels] | None = key(
        "the crop box; `null`: the fixed image's field of view",
        None,
        "`null`",
        strict=False,
        title="three numbers of voxels, or null",
    )
    around: Literal["labels", "mask", "body", "centre"] = key("what the box is put around", "body")
    fixed_intensity: Any = key(
        "what becomes 0 and 1 in the fixed image: `{window: [low, high]}` or "
        "`{percentiles: [low, high]}`",
        {"percentiles": [0.5, 99.5]},
        "`{percentiles: [0.5, 99.5]}`",
        title="mapping",
    )
    moving_intensity: Any = key(
        "the same for the moving image",
        {"percentiles": [0.5, 99.5]},
        "`{percentiles: [0.5, 99.5]}`",
        title="mapping",
    )


#: Setting to its default.
DEFAULTS: dict[str, Any] = RecipeSettings().model_dump()


@dataclass(frozen=True)
class Recipe:
    """How a pair is prepared.

    Attributes:
        alignment: of the moving to the fixed image: `affine`, `rigid`, `none` or `given`.
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
    given = {name: settings[name] for name in DEFAULTS if name in settings}
    known = check(RecipeSettings, given, None, noun="setting")
    return Recipe(
        alignment=known.alignment,
        alignment_start=known.alignment_start,
        alignment_spacing=known.alignment_spacing,
        spacing=known.spacing,
        size=known.size,
        around=known.around,
        fixed_intensity=read_intensity(known.fixed_intensity, "fixed_intensity"),
        moving_intensity=read_intensity(known.moving_intensity, "moving_intensity"),
    )
