"""How far a converted transform is from the tool's own warp, on one pair of images.

    python tools/benchmark_transforms.py FIXED.nii.gz MOVING.nii.gz [DEEDS.dat DEEDS_WARPED.nii.gz]

Each tool registers the pair shortly and warps the moving image. The converted field warps it, too.
Each line has quantiles of the difference, as shares of the range of intensities, over the voxels
that look at least one voxel inside the moving image. Tools that are not installed are left out.
"""

import subprocess
import sys
import tempfile
from collections.abc import Iterator
from importlib.util import find_spec
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from regbench.spatial.convert import from_itk_image, from_sitk, to_ants, to_itk_image, to_sitk
from regbench.spatial.nifti import read_array, read_volume
from regbench.spatial.transforms.read import grid_of, read_transforms
from regbench.spatial.volume import Volume
from regbench.spatial.warp import positions, warp_image

#: Names, layout, the tool's warped image, and whether fixed and moving have changed places.
Result = tuple[str, list[str], str, NDArray, bool]


def by_ants(fixed: Volume, moving: Volume, folder: Path) -> Iterator[Result]:
    """SyN's forward and inverse lists."""
    import ants

    images = to_ants(fixed), to_ants(moving)
    options = {"outprefix": f"{folder}/syn_", "reg_iterations": (20, 10, 0), "random_seed": 1}
    made = ants.registration(*images, "SyN", **options)
    names = made["fwdtransforms"]
    yield "ANTs SyN, forward", names, "auto", ants.apply_transforms(*images, names).numpy(), False
    names, turned = made["invtransforms"], [True, False]
    warped = ants.apply_transforms(*images[::-1], names, whichtoinvert=turned).numpy()
    yield "ANTs SyN, inverse", [f"[{names[0]},1]", names[1]], "auto", warped, True


def by_simpleitk(fixed: Volume, moving: Volume, folder: Path) -> Iterator[Result]:
    """A composite of a rigid transform, splines and a displacement field, in one .h5 file."""
    import SimpleITK as sitk

    images = to_sitk(moving), to_sitk(fixed)
    centre = fixed.affine @ [*(np.array(fixed.shape) / 2), 1]
    rigid = sitk.Euler3DTransform(
        np.array([-1, -1, 1.0]) * centre[:3], 0.05, -0.04, 0.03, (2, 1, 3)
    )
    splines = sitk.BSplineTransformInitializer(images[1], (6, 6, 4), 3)
    random = np.random.default_rng(0)
    splines.SetParameters(random.normal(0, 3, len(splines.GetParameters())).tolist())
    filling = sitk.TransformToDisplacementFieldFilter()
    filling.SetReferenceImage(images[1])
    field = sitk.DisplacementFieldTransform(filling.Execute(splines))
    whole = sitk.CompositeTransform([rigid, splines, field])
    sitk.WriteTransform(whole, f"{folder}/composite.h5")
    warped = from_sitk(sitk.Resample(*images, whole, sitk.sitkLinear))
    yield "SimpleITK, composite", [f"{folder}/composite.h5"], "auto", warped, False


def by_elastix(fixed: Volume, moving: Volume, folder: Path) -> Iterator[Result]:
    """Rigid, affine and splines, each starting from the one before."""
    import itk

    parameters = itk.ParameterObject.New()
    for kind in ("rigid", "affine", "bspline"):
        stage = parameters.GetDefaultParameterMap(kind, 3)
        stage["MaximumNumberOfIterations"] = ["60"]
        stage["ResampleInterpolator"] = ["FinalLinearInterpolator"]
        stage["ResultImagePixelType"] = ["float"]
        parameters.AddParameterMap(stage)
    images = to_itk_image(fixed), to_itk_image(moving)
    result, found = itk.elastix_registration_method(*images, parameter_object=parameters)
    names = [f"{folder}/TransformParameters.{k}.txt" for k in range(3)]
    for k, name in enumerate(names):
        if k:
            found.SetParameter(k, "InitialTransformParameterFileName", names[k - 1])
        one = itk.ParameterObject.New()
        one.AddParameterMap(found.GetParameterMap(k))
        one.WriteParameterFile(name)
    yield "elastix, a chain of three", names[-1:], "auto", from_itk_image(result), False


def by_greedy(fixed: Volume, moving: Volume, folder: Path) -> Iterator[Result]:
    """A warp after an affine. In a process of its own: beside ITK it finds no image reader."""
    from regbench.spatial.nifti import write_volume

    write_volume(folder / "fixed.nii.gz", fixed)
    write_volume(folder / "moving.nii.gz", moving)
    pair = f"-d 3 -i {folder}/fixed.nii.gz {folder}/moving.nii.gz -m SSD -n 20x10"
    apply = f"-d 3 -rf {folder}/fixed.nii.gz -ri LINEAR -rm {folder}/moving.nii.gz"
    for words in (
        f"{pair} -a -ia-image-centers -o {folder}/affine.mat",
        f"{pair} -it {folder}/affine.mat -o {folder}/warp.nii.gz",
        f"{apply} {folder}/warped.nii.gz -r {folder}/warp.nii.gz {folder}/affine.mat",
    ):
        code = f"import picsl_greedy; picsl_greedy.Greedy3D().execute({words!r})"
        subprocess.run([sys.executable, "-c", code], check=True, capture_output=True)
    names = [f"{folder}/warp.nii.gz", f"{folder}/affine.mat"]
    warped, _ = read_array(folder / "warped.nii.gz")
    yield "Greedy, warp and affine", names, "greedy", warped, False


TOOLS = {"ants": by_ants, "SimpleITK": by_simpleitk, "itk": by_elastix, "picsl_greedy": by_greedy}


def report(result: Result, paths: list[Path], volumes: list[Volume]) -> None:
    """Print a tool's line."""
    title, names, layout, theirs, turned = result
    order = slice(None, None, -1 if turned else 1)
    field = read_transforms(names, layout, *map(grid_of, paths[order]))
    moving = volumes[order][1]
    target = positions(field)
    inside = ((target >= 1) & (target <= np.array(moving.shape) - 2)).all(axis=-1)
    apart = np.abs(warp_image(moving, field).data - theirs)[inside] / np.ptp(moving.data)
    values = [f"{q:.1e}" for q in (*np.quantile(apart, (0.5, 0.99, 0.999)), apart.max())]
    print(f"| {title} | {inside.mean():.0%} | {' | '.join(values)} |", flush=True)


def main() -> None:
    """Print a table."""
    paths = [Path(name) for name in sys.argv[1:3]]
    volumes = [read_volume(path) for path in paths]
    print(
        "| Transform | voxels | median | 99 % | 99.9 % | largest |\n|---|---:|---:|---:|---:|---:|"
    )
    if len(sys.argv) == 5:
        warped, _ = read_array(Path(sys.argv[4]))
        report(("Deeds, .dat", [sys.argv[3]], "auto", warped, False), paths, volumes)
    for package, tool in TOOLS.items():
        if find_spec(package):
            with tempfile.TemporaryDirectory() as folder:
                for result in tool(*volumes, Path(folder)):
                    report(result, paths, volumes)


if __name__ == "__main__":
    main()
