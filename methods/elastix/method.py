"""elastix' B-spline registration through itk-elastix, its transforms as one dense voxel field."""

from importlib.metadata import version
from typing import Any

# `itk.elastix_registration_method` would import all of ITK first: 10 s instead of 3.
from itk.elxParameterObjectPython import elastixParameterObject
from itk.itkElastixRegistrationMethodPython import itkElastixRegistrationMethodIF3IF3
from itk.itkTransformixFilterPython import itkTransformixFilterIF3

from regbench.plugins.interface import Method
from regbench.spatial.convert import check_own_warp, from_itk, from_itk_image, to_itk_image
from regbench.spatial.field import Field
from regbench.spatial.volume import Volume


class Elastix(Method):
    """Stochastic gradient descent on a grid of B-splines (Klein et al. 2010)."""

    def register(self, fixed: Volume, moving: Volume) -> Field:
        """The dense field of all stages' transforms."""
        # Named, so that they outlive the filters, which hold no references of their own.
        target, source = to_itk_image(fixed), to_itk_image(moving)
        parameters = self.parameter_object()
        search = itkElastixRegistrationMethodIF3IF3.New()
        search.SetFixedImage(target)
        search.SetMovingImage(source)
        search.SetParameterObject(parameters)
        search.SetLogToConsole(False)
        search.SetNumberOfThreads(self.context.threads)
        search.UpdateLargestPossibleRegion()
        found = search.GetTransformParameterObject()
        dense = itkTransformixFilterIF3.New()
        dense.SetMovingImage(source)
        dense.SetTransformParameterObject(found)
        dense.SetComputeDeformationField(True)
        # It writes its field to a file, too: without this, into whatever folder the process is in.
        dense.SetOutputDirectory(str(self.context.workdir))
        dense.UpdateLargestPossibleRegion()
        self.warped = from_itk_image(dense.GetOutput())
        return from_itk(
            from_itk_image(dense.GetOutputDeformationField()), fixed.affine, moving.affine
        )

    def verify(self, fixed: Volume, moving: Volume, field: Field) -> None:
        """elastix' own warped image must be that of the field."""
        check_own_warp("elastix", self.warped, moving, field)

    def parameter_object(self) -> Any:
        """elastix' default parameter map of each stage, with the settings' changes."""
        own = self.settings
        stages = own["stages"][-1:] if self.context.prealigned else own["stages"]
        result = elastixParameterObject.New()
        for stage in stages:
            spacing = own["grid_spacing_mm"]
            values = result.GetDefaultParameterMap(stage, own["resolutions"], spacing)
            values["MaximumNumberOfIterations"] = (str(own["iterations"]),)
            values["NumberOfSpatialSamples"] = (str(own["samples"]),)
            if stage == "bspline":
                values["Metric0Weight"] = (str(own["metric_weight"]),)
                values["Metric1Weight"] = (str(own["bending_weight"]),)
            # Of the warped image that `verify` compares; the search knows nothing of it.
            values["FinalBSplineInterpolationOrder"] = ("1",)
            values["RandomSeed"] = (str(self.context.seed + 1),)
            result.AddParameterMap(values)
        return result

    def versions(self) -> dict[str, str]:
        """Of the package."""
        return {"itk-elastix": version("itk-elastix")}
