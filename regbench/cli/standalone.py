"""Commands that need no workflow: on a pair, on other tools' transforms, on a folder of fields."""

import argparse
import os
from dataclasses import replace
from itertools import chain
from pathlib import Path

from regbench.base.devices import REQUESTS
from regbench.base.errors import BadInput
from regbench.base.files import check_output
from regbench.cli.options import (
    CHANGES,
    PLUGIN_PATHS,
    SEED,
    Command,
    catalog_of,
    changes_of,
    flag,
    number,
    option,
    path,
)
from regbench.data.layout import FRAMES, PAIR_LISTS, read_layout
from regbench.spatial import LAYOUTS, SUBMITTED

#: What `convert` can write, and the endings of such files.
_NIFTI = (".nii.gz", ".nii")
_WRITTEN = dict(zip(SUBMITTED, ((*_NIFTI, ".npz"), (".npz",)), strict=True)) | {"itk": _NIFTI}


def _check_nifti(output: Path) -> None:
    if not output.name.endswith((".nii", ".nii.gz")):
        raise BadInput("the output is a NIfTI file", file=output, expected=".nii.gz")


def run_register(options: argparse.Namespace) -> None:
    """Register a pair; with labels or landmarks of both images, print Dice and TRE."""
    from regbench.api import register
    from regbench.plugins.catalog import lookup

    catalog = catalog_of(options)
    plugin = lookup(catalog.methods, options.method, "method", broken=catalog.broken)
    _check_nifti(options.output)
    made = register(
        plugin.id,
        options.fixed,
        options.moving,
        options.output,
        settings=changes_of(options, plugin),
        checkpoint=options.checkpoint,
        seed=options.seed,
        device=options.device,
        prealigned=options.prealigned,
        labels=_both(options, "labels"),
        landmarks=_both(options, "landmarks"),
        trust_geometry=options.trust_geometry,
        catalog=catalog,
    )
    weights = f", weights {made.checkpoint}" if made.checkpoint else ""
    print(f"{options.output}: {plugin.id}, {made.seconds:.2f} s, {made.device}{weights}")
    for before, after in made.accuracy:
        name = f"{before.metric} {before.label}".rstrip()
        print(f"{name}: {before.value:.2f} before, {after.value:.2f} after ({before.unit})")


def _both(options: argparse.Namespace, kind: str) -> tuple[Path, Path] | None:
    """The files of both images that two options name."""
    fixed, moving = (getattr(options, f"{side}_{kind}") for side in ("fixed", "moving"))
    if (fixed is None) != (moving is None):
        raise BadInput(f"{kind} of one image", expected=f"--fixed-{kind} and --moving-{kind}")
    return None if fixed is None else (fixed, moving)


def run_warp(options: argparse.Namespace) -> None:
    """Warp by a field on the fixed image's grid."""
    from regbench.spatial.field import read_field
    from regbench.spatial.nifti import check_shape, read_volume, write_volume
    from regbench.spatial.warp import warp_image, warp_labels

    fixed = read_volume(options.fixed)
    moving = read_volume(options.moving, labels=options.labels)
    _check_nifti(options.output)
    check_output(options.output, [options.fixed, options.moving, options.displacement])
    field = read_field(options.displacement, fixed.shape)
    check_shape(options.moving, fixed.shape, "fixed and moving differ in shape")
    field = replace(field, affine=fixed.affine)
    warped = warp_labels(moving, field) if options.labels else warp_image(moving, field)
    write_volume(options.output, warped)
    print(options.output)


def run_convert(options: argparse.Namespace) -> None:
    """Convert; refused where no voxel of the fixed image would look into the moving image."""
    from regbench.spatial.submission import write_submitted
    from regbench.spatial.transforms.itk import write_itk
    from regbench.spatial.transforms.read import grid_of, layout_of, named, read_transforms
    from regbench.spatial.volume import within
    from regbench.spatial.warp import positions

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


def run_evaluate(options: argparse.Namespace) -> int:
    """Every metric on every case that the data set lists; a missing field is a failed row."""
    from regbench.api import evaluate

    # Before the work, not after it.
    if options.output.is_file() or (options.l2r_json and options.l2r_json.is_file()):
        listed = chain(*read_layout(options.dataset).cases.values())
        inputs = [options.dataset, *(file for case in listed for file in case.files)]
        given = options.predictions.rglob("*") if options.predictions else ()
        inputs += [file for file in given if file.suffix not in (".csv", ".json")]
        for output in filter(None, (options.output, options.l2r_json)):
            check_output(output, inputs)
    for output in (options.output, options.l2r_json):
        if output is not None and (output.is_file() if options.teams else output.is_dir()):
            kinds = ("a file", "a folder") if options.teams else ("a folder", "a file")
            raise BadInput(f"is {kinds[0]}", file=output, expected=f"{kinds[1]} to write")
    if options.output == options.l2r_json:
        raise BadInput("csv and result file are one", file=options.output)
    found = evaluate(
        options.dataset,
        options.predictions,
        teams=options.teams,
        split=options.split,
        layout=options.layout,
        masked=options.l2r_masked,
        follow_links=options.follow_links,
        landmarks_frame=options.landmarks_frame,
        trust_geometry=options.trust_geometry,
        cores=options.cores or len(os.sched_getaffinity(0)),
        catalog=catalog_of(options),
    )
    for remark in found.warnings:
        print(f"warning: {remark}")
    found.write(options.output, options.l2r_json)
    print(found)
    failed = found.failures
    for team, case, reason in failed if options.teams else ():
        print(f"{team} {case}: {reason}")
    cases = len({row.case for rows in found.rows.values() for row in rows})
    print(f"{options.output}: {cases} cases, {len(failed)} with failures")
    return 3 if failed else 0


_TRANSFORM = (
    "may be repeated, in the order of antsApplyTransforms; [FILE,1] is the inverse, for a transform"
    " that maps moving to fixed"
)
_FIXED = path("--fixed", "fixed image", required=True)
_TRUST = flag("--trust-geometry", "do not compare what headers say of places; voxels count")
COMMANDS = {
    "register": Command(
        run_register,
        option("method", "method id; see `regbench methods`", metavar="METHOD"),
        _FIXED,
        path("--moving", "moving image", required=True),
        path("--output", "displacement field", required=True),
        path("--checkpoint", "weights of a learned method: a file, reference or reference:TASK"),
        option("--device", "auto: a GPU if there is one", choices=REQUESTS, default="auto"),
        *(
            path(f"--{side}-{kind}", f"of the {side} image: print {metric} before and after")
            for kind, metric in (("labels", "Dice"), ("landmarks", "the TRE"))
            for side in ("fixed", "moving")
        ),
        CHANGES,
        SEED,
        flag("--prealigned", "the pair is affinely aligned"),
        _TRUST,
        PLUGIN_PATHS,
    ),
    "warp": Command(
        run_warp,
        _FIXED,
        path("--moving", "image or label map to warp", required=True),
        path("--output", "warped image", required=True),
        path("--displacement", "displacement field", required=True),
        flag("--labels", "the moving file is a label map"),
    ),
    "convert": Command(
        run_convert,
        path("--fixed", "fixed image; its header counts", required=True),
        path("--moving", "moving image; its header counts", required=True),
        option("--transform", _TRANSFORM, action="append", required=True, metavar="FILE"),
        option("--layout", "of the files; default: auto", choices=LAYOUTS, default="auto"),
        option("--to", "what to write; default: voxel", choices=list(_WRITTEN), default="voxel"),
        path("--output", "file to write", required=True),
    ),
    "evaluate": Command(
        run_evaluate,
        path("--dataset", "dataset JSON", required=True),
        path("--predictions", "folder of fields", metavar="FOLDER"),
        path("--teams", "folder of a folder or zip of fields for each team", metavar="FOLDER"),
        path("--output", "csv to write; with --teams a folder", required=True),
        option("--split", "default: test, or validation", choices=list(PAIR_LISTS)),
        option("--layout", "of the fields' numbers", choices=LAYOUTS, default=LAYOUTS[0]),
        path("--l2r-json", "also write Learn2Reg's own result file; with --teams a folder"),
        flag("--l2r-masked", "in it, log J inside the fixed image's mask"),
        flag("--follow-links", "of the data set, out of its folder"),
        _TRUST,
        option(
            "--cores", "processes, with --teams; default: all cores", type=number(int, 1, 2**31)
        ),
        option("--landmarks-frame", "of landmarks whose files do not state it", choices=FRAMES),
        PLUGIN_PATHS,
    ),
}
