"""The settings of a preparation, checked, and the intensities that become 0 and 1."""

from collections.abc import Mapping
from typing import Annotated, Any, ClassVar, Literal

from numpy.typing import NDArray
from pydantic import AfterValidator, Field, Strict
from pydantic_core import PydanticCustomError

from regbench.base.errors import BadInput
from regbench.base.models import Model, check, key
from regbench.spatial.volume import percentile_window

Millimetres = Annotated[float, Field(title="mm from 0.05 to 50", ge=0.05, le=50)]
Voxels = Annotated[int, Field(ge=1, le=4096)]
Percent = Annotated[float, Field(ge=0, le=100)]


def _ascending(pair: tuple[float, float]) -> tuple[float, float]:
    if not pair[0] < pair[1]:
        raise PydanticCustomError("descending", "not in ascending order")
    return pair


class Intensity(Model):
    """Which intensities become 0 and 1."""

    ONE_OF: ClassVar = ("window", "percentiles")

    window: Annotated[tuple[float, float], Strict(False), AfterValidator(_ascending)] | None = key(
        "two intensities, Hounsfield units of a CT", None, title="[low, high] with low < high"
    )
    percentiles: (
        Annotated[tuple[Percent, Percent], Strict(False), AfterValidator(_ascending)] | None
    ) = key(
        "of the native image's voxels", None, title="[low, high] with low < high, from 0 to 100"
    )

    def bounds(self, data: NDArray) -> tuple[float, float]:
        """The intensities that become 0 and 1, for an image with these native voxels.

        Raises:
            BadInput: the two percentiles are one intensity.
        """
        if self.percentiles is None:
            return self.window or (0.0, 1.0)
        low, high = map(float, percentile_window(data, self.percentiles))
        if not low < high:
            one, two = self.percentiles
            raise BadInput(
                f"its percentiles {one:g} and {two:g} are one intensity",
                expected="percentiles that differ: take others, or a window",
                found=low,
            )
        return low, high


#: A setting of intensities, whose default is stated as in a file.
Intensities = Annotated[
    Intensity,
    Field(
        title="mapping with window or percentiles, [low, high]",
        validate_default=True,
    ),
]


class Recipe(Model):
    """How a pair is prepared. A data set plugin states defaults of its own."""

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
    fixed_intensity: Intensities = key(
        "what becomes 0 and 1 in the fixed image: `{window: [low, high]}` or "
        "`{percentiles: [low, high]}`, of the native voxels",
        {"percentiles": [0.5, 99.5]},
        "`{percentiles: [0.5, 99.5]}`",
    )
    moving_intensity: Intensities = key(
        "the same for the moving image",
        {"percentiles": [0.5, 99.5]},
        "`{percentiles: [0.5, 99.5]}`",
    )


#: Setting to its default, as a file states it.
DEFAULTS: dict[str, Any] = {name: field.default for name, field in Recipe.model_fields.items()}


def read_recipe(settings: Mapping[str, Any]) -> Recipe:
    """The recipe in a data set's settings; other settings are not looked at.

    Raises:
        BadInput: a setting of the wrong kind, with its name.
    """
    given = {name: settings[name] for name in DEFAULTS if name in settings}
    return check(Recipe, given, None, noun="setting")
