"""The settings of simulated motion, checked."""

from collections.abc import Mapping
from typing import Annotated, Any, ClassVar, Literal

from pydantic import Field

from regbench.base.errors import BadInput
from regbench.base.models import Model, Name, check, key
from regbench.data.prepare.recipe import Intensities, Millimetres, Recipe, Voxels

Share = Annotated[float, Field(ge=0, le=1)]


class SimulatedSettings(Model):
    """See `dataset.yaml`."""

    NULLABLE: ClassVar = ("spacing", "size")

    path: str = key("folder of the images", "")
    images: str = key("pattern of the images' names", "*")
    geometry: Literal["check", "trust"] = key("whether headers are compared", "check")
    labels: str = key("folder, or pattern with {image}, of the label maps", "")
    label_names: dict[Name, str] = key("names by label value", {})
    training: int = key("images to train on", 0, ge=0)
    validation: int = key("images to validate on", 0, ge=0)
    pairs_per_image: int = key("pairs of each image", 1, ge=1, le=1000)
    amplitude_mm: float = key("mean displacement in the labels", 6.0, gt=0)
    scale_mm: float = key("standard deviation of the motion's Gaussians", 20.0, gt=0)
    noise: Share = key("standard deviation of the noise", 0.02)
    contrast: float = key("spread of the grey-level curve", 0.3, ge=0, le=3)
    invert: bool = key("whether the moved image is a negative", False)
    seed: int = key("of everything random", 0, ge=0)
    spacing: Millimetres | None = key(
        "isotropic spacing", None, title="mm from 0.05 to 50, or null"
    )
    size: tuple[Voxels, Voxels, Voxels] | None = key(
        "crop box", None, strict=False, title="three numbers of voxels, or null"
    )
    around: Literal["labels", "body", "centre"] = key("what the box is put around", "body")
    intensity: Intensities = key("what becomes 0 and 1", {"percentiles": [0.5, 99.5]})

    def recipe(self) -> Recipe:
        """How an image is brought onto its grid."""
        return Recipe(
            alignment="given",
            spacing=self.spacing,
            size=self.size,
            around=self.around,
            fixed_intensity=self.intensity,
            moving_intensity=self.intensity,
        )


def read_settings(settings: Mapping[str, Any]) -> SimulatedSettings:
    """The settings of the data set.

    Raises:
        BadInput: a setting of the wrong kind, with its name.
    """
    known = check(SimulatedSettings, dict(settings), None, noun="setting")
    if not all(value.isdecimal() for value in known.label_names):
        expected = '{"1": liver}'
        raise BadInput("setting label_names", expected=expected, found=known.label_names)
    return known
