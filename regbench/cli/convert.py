"""`regbench convert`: transforms of other tools to displacement fields, and the other way."""

import argparse

from regbench.base.errors import BadInput
from regbench.base.files import check_output
from regbench.cli.options import Command, option, path
from regbench.spatial.layouts import LAYOUTS, SUBMITTED
from regbench.spatial.submission import write_submitted
from regbench.spatial.transforms.itk import write_itk
from regbench.spatial.transforms.read import grid_of, layout_of, named, read_transforms
from regbench.spatial.volume import within
from regbench.spatial.warp import positions

#: What can be written, and the endings of such files.
_NIFTI = (".nii.gz", ".nii")
_WRITTEN = dict(zip(SUBMITTED, ((*_NIFTI, ".npz"), (".npz",)), strict=True)) | {"itk": _NIFTI}


def run_convert(options: argparse.Namespace) -> int:
    """Convert; refused where no voxel of the fixed image would look into the moving image."""
    endings = _WRITTEN[options.to]
    if not options.output.name.endswith(endings):
        what = f"{options.to} is written to another kind of file"
        raise BadInput(what, file=options.output, expected=" or ".join(endings))
    given = [options.fixed, options.moving, *(named(name)[0] for name in options.transform)]
    check_output(options.output, given)
    fixed, moving = grid_of(options.fixed), grid_of(options.moving)
    field = read_transforms(options.transform, options.layout, fixed, moving)
    inside = float(within(positions(field), moving.shape).mean())
    if not inside:
        what, expected = "leads outside the moving image everywhere", "a transform of this pair"
        raise BadInput(what, file=", ".join(options.transform), expected=expected)
    if options.to == "itk":
        write_itk(options.output, field, moving.affine)
    else:
        write_submitted(options.output, field, options.to)
    found = " and ".join({layout_of(named(name)[0], options.layout) for name in options.transform})
    seen = f"{inside:.1%} of the fixed voxels look into the moving image"
    print(f"{options.output}: {found} to {options.to}; {seen}")
    return 0


_TRANSFORM = (
    "may be repeated, in the order of antsApplyTransforms; [FILE,1] is the inverse, for a transform"
    " that maps moving to fixed"
)
COMMANDS = {
    "convert": Command(
        run_convert,
        path("--fixed", "fixed image; its header counts", required=True),
        path("--moving", "moving image; its header counts", required=True),
        option("--transform", _TRANSFORM, action="append", required=True, metavar="FILE"),
        option("--layout", "of the files; default: auto", choices=LAYOUTS, default="auto"),
        option("--to", "what to write; default: voxel", choices=list(_WRITTEN), default="voxel"),
        path("--output", "file to write", required=True),
    )
}
