"""SimpleITK's demons over several resolutions, its field in voxels."""

from collections.abc import Mapping
from importlib.metadata import version
from typing import Any

import SimpleITK as sitk

from regbench.plugins.interface import Context, Method
from regbench.spatial.convert import check_own_warp, from_itk, from_sitk, to_sitk
from regbench.spatial.field import Field
from regbench.spatial.volume import Volume

FILTERS = {
    "fast-symmetric": sitk.FastSymmetricForcesDemonsRegistrationFilter,
    "diffeomorphic": sitk.DiffeomorphicDemonsRegistrationFilter,
}


class Demons(Method):
    """Demons with symmetric forces (Vercauteren et al. 2009), coarse to fine."""

    def __init__(self, settings: Mapping[str, Any], context: Context) -> None:
        super().__init__(settings, context)
        sitk.ProcessObject.SetGlobalDefaultNumberOfThreads(context.threads)

    def register(self, fixed: Volume, moving: Volume) -> Field:
        """The dense field of the finest level."""
        own = self.settings
        demons = FILTERS[own["forces"]]()
        demons.SetNumberOfIterations(own["iterations"])
        demons.SetSmoothDisplacementField(True)
        demons.SetStandardDeviations(own["smoothing"])
        target = to_sitk(fixed)
        # Demons take images on one grid. What lies outside the moving image is its border.
        source = sitk.Resample(
            to_sitk(moving), target, sitk.Transform(), sitk.sitkLinear, 0.0, sitk.sitkFloat32, True
        )
        field = None
        for factor, sigma in zip(own["shrink_factors"], own["sigmas_mm"], strict=True):
            images = [shrink(image, factor, sigma) for image in (target, source)]
            if field is not None:
                field = sitk.Resample(
                    field, images[0], sitk.Transform(), useNearestNeighborExtrapolator=True
                )
            field = demons.Execute(*images, *([] if field is None else [field]))
        self.field = field
        return from_itk(from_sitk(field), fixed.affine, moving.affine)

    def verify(self, fixed: Volume, moving: Volume, field: Field) -> None:
        """SimpleITK's own warped image must be that of the field."""
        # The transform takes the vectors out of the image it is given.
        transform = sitk.DisplacementFieldTransform(sitk.Image(self.field))
        warped = sitk.Resample(to_sitk(moving), to_sitk(fixed), transform)
        check_own_warp("SimpleITK", from_sitk(warped), moving, field)

    def versions(self) -> dict[str, str]:
        """Of the package."""
        return {"SimpleITK": version("SimpleITK")}


def shrink(image: sitk.Image, factor: int, sigma: float) -> sitk.Image:
    """The image smoothed by `sigma` mm, on a grid with `factor` times its spacing."""
    if factor == 1 and sigma == 0:
        return image
    return sitk.Shrink(sitk.SmoothingRecursiveGaussian(image, sigma), [factor] * 3)
