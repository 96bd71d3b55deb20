"""Greedy through picsl_greedy, its warp (and affine) as one dense voxel field."""

from importlib.metadata import version

from picsl_greedy import Greedy3D

from regbench.plugins.interface import Method
from regbench.spatial.convert import check_own_warp, from_itk, from_sitk, to_sitk
from regbench.spatial.field import Field
from regbench.spatial.volume import Volume


class Greedy(Method):
    """Greedy diffeomorphic registration (Yushkevich et al. 2016)."""

    def register(self, fixed: Volume, moving: Volume) -> Field:
        """The dense field: the warp, then the affine where the pairs are not aligned before."""
        own = self.settings
        # Seed 0 would be a different one every time.
        common = f"-threads {self.context.threads} -seed {self.context.seed + 1} -V 0"
        steps = "x".join(str(n) for n in own["iterations"])
        images = {"fixed": to_sitk(fixed), "moving": to_sitk(moving)}
        tool = Greedy3D()
        first = ""
        if not self.context.prealigned:
            options = f"-a -dof 12 -i fixed moving -m {own['affine_metric']} -n {steps} {common}"
            tool.execute(f"{options} -o affine", affine=None, **images)
            first = "-it affine"
        # By default a warp is rounded to a tenth of a voxel: -wp 0.
        options = f"-i fixed moving {first} -m {own['metric']} -n {steps} {common} -wp 0"
        options += f" -s {own['smoothing'][0]} {own['smoothing'][1]}"
        tool.execute(f"{options} -o warp", warp=None, **images)
        # One field of both parts, and Greedy's own warped image for `verify`.
        options = f"-rf fixed -rm moving warped -rc both -r warp {'affine' * bool(first)} {common}"
        tool.execute(f"{options} -wp 0", both=None, warped=None)
        self.warped = from_sitk(tool["warped"])
        return from_itk(from_sitk(tool["both"]), fixed.affine, moving.affine)

    def verify(self, fixed: Volume, moving: Volume, field: Field) -> None:
        """Greedy's own warped image must be that of the field."""
        check_own_warp("Greedy", self.warped, moving, field)

    def versions(self) -> dict[str, str]:
        """Of the package."""
        return {"picsl_greedy": version("picsl_greedy")}
