"""Commands that need no workflow: registering or warping a pair, scoring a folder of fields."""

import argparse
from contextlib import closing
from dataclasses import replace
from pathlib import Path

from tqdm import tqdm

from regbench.base.errors import BadInput
from regbench.base.files import write_json
from regbench.base.records import Row, write_rows
from regbench.cli.options import (
    CHANGES,
    PLUGIN_PATHS,
    SEED,
    Command,
    catalog_of,
    changes_of,
    flag,
    option,
    path,
)
from regbench.data.layout import FRAMES, PAIR_LISTS, Case, Entry, read_layout
from regbench.data.pair import labels_of, read_pair
from regbench.execution.protocol import Worker, WorkerFailure
from regbench.execution.worker import worker_job
from regbench.measure.folder import Folder, find_fields, official_keys, score_case, unused_fields
from regbench.measure.learn2reg import official
from regbench.plan.resources import Limits
from regbench.plugins.catalog import lookup
from regbench.plugins.kinds import MethodPlugin
from regbench.spatial.field import read_field
from regbench.spatial.nifti import read_volume, write_volume
from regbench.spatial.transforms.read import LAYOUTS
from regbench.spatial.warp import warp_image, warp_labels


def _check_nifti(output: Path) -> None:
    if not output.name.endswith((".nii", ".nii.gz")):
        raise BadInput("the output is a NIfTI file", file=output, expected=".nii.gz")


def run_register(options: argparse.Namespace) -> int:
    """Register a pair in a worker of its own, within the method's limits."""
    catalog = catalog_of(options)
    plugin = lookup(catalog.methods, options.method, "method", broken=catalog.broken)
    settings = {**plugin.settings, **changes_of(options, plugin)}
    _check_registers_alone(plugin, options.checkpoint)
    _check_nifti(options.output)
    case = Case(Entry(options.fixed), Entry(options.moving))
    read_pair(case)
    limits = Limits(plugin.resources.time_limit_s, plugin.resources.memory_gb * 2**30)
    job = worker_job(
        plugin,
        settings,
        options.seed,
        prealigned=options.prealigned,
        checkpoint=options.checkpoint,
    )
    request = {name: str(getattr(options, name)) for name in ("fixed", "moving", "output")}
    log = options.output.parent / f".{options.output.name}.log"
    try:
        with closing(Worker(job, limits, log)) as worker:
            answer = worker.ask({**request, "warm_up": False})
    except WorkerFailure as failure:
        raise BadInput(f"{plugin.id} ended in {failure.outcome}: {failure.reason}") from failure
    finally:
        log.unlink(missing_ok=True)
    if not answer["ok"]:
        raise BadInput(f"{plugin.id} failed: {answer['reason']}")
    print(f"{options.output}: {plugin.id}, {answer['register_s']:.2f} s")
    return 0


def _check_registers_alone(plugin: MethodPlugin, checkpoint: Path | None) -> None:
    """Refuse a method that needs more, or less, than two images and the given checkpoint."""
    if plugin.needs:
        raise BadInput(
            f"method {plugin.id} cannot register a pair alone: it needs {', '.join(plugin.needs)}",
            expected="a data set that knows it (run the workflow)",
        )
    missing = plugin.missing()
    if missing:
        raise BadInput(f"method {plugin.id} needs {missing[0]}", expected=plugin.install)
    if checkpoint is not None and not plugin.learned:
        raise BadInput(f"method {plugin.id} takes no checkpoint", found=checkpoint)
    if checkpoint is None and plugin.learned:
        raise BadInput(f"method {plugin.id} is learned", expected="--checkpoint FILE")


def run_warp(options: argparse.Namespace) -> int:
    """Warp by a field on the fixed image's grid."""
    fixed = read_volume(options.fixed)
    moving = read_volume(options.moving, labels=options.labels)
    _check_nifti(options.output)
    field = read_field(options.displacement, fixed.shape)
    if moving.shape != fixed.shape:
        raise BadInput(
            "fixed and moving differ in shape",
            file=options.moving,
            expected=fixed.shape,
            found=moving.shape,
        )
    field = replace(field, affine=fixed.affine)
    warped = warp_labels(moving, field) if options.labels else warp_image(moving, field)
    write_volume(options.output, warped)
    print(options.output)
    return 0


def run_evaluate(options: argparse.Namespace) -> int:
    """Every metric on every case that the data set lists; a missing field is a failed row."""
    layout = read_layout(options.dataset).with_frame(options.landmarks_frame)
    split = options.split or layout.evaluation_split()
    cases = layout.cases[split]
    if not layout.labels:
        layout = replace(layout, labels=labels_of(layout, cases, follow_links=options.follow_links))
    if not cases:
        raise BadInput(f"lists no {split} pairs", file=options.dataset)
    if not options.predictions.is_dir():
        raise BadInput("is not a folder", file=options.predictions, expected="disp_*.nii.gz in it")
    # Before the work, not after it.
    for output in (options.output, options.l2r_json):
        if output is not None and output.is_dir():
            raise BadInput("is a folder", file=output, expected="a file to write")
    if options.output == options.l2r_json:
        raise BadInput("csv and result file are one", file=options.output)
    metrics = list(catalog_of(options).metrics.values())
    folder = Folder(options.predictions, options.layout, options.follow_links)
    fields = find_fields(folder.path, cases)
    for name in unused_fields(folder.path, fields):
        print(f"warning: {name} belongs to no {split} pair")
    rows: list[Row] = []
    results = {}
    # On a terminal only: what is piped stays readable.
    keys = official_keys(cases)
    for case, key in tqdm(zip(cases, keys, strict=True), "evaluate", len(cases), disable=None):
        score = score_case(
            case, layout, folder, fields[case.id], metrics, masked=options.l2r_masked
        )
        rows += score.rows
        results[key] = score.official
        for remark in score.warnings:
            print(f"warning: {remark}")
    write_rows(options.output, rows)
    if options.l2r_json is not None:
        write_json(options.l2r_json, official(layout.name, results))
    bad = sorted({row.case for row in rows if row.status.startswith("failed")})
    print(f"{options.output}: {len(cases)} cases, {len(bad)} with failures")
    return 3 if bad else 0


_FIXED = path("--fixed", "fixed image", required=True)
COMMANDS = {
    "register": Command(
        run_register,
        option("method", "method id; see `regbench methods`", metavar="METHOD"),
        _FIXED,
        path("--moving", "moving image", required=True),
        path("--output", "displacement field", required=True),
        path("--checkpoint", "weights of a learned method"),
        CHANGES,
        SEED,
        flag("--prealigned", "the pair is affinely aligned"),
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
    "evaluate": Command(
        run_evaluate,
        path("--dataset", "dataset JSON", required=True),
        path("--predictions", "folder of fields", required=True, metavar="FOLDER"),
        path("--output", "csv to write", required=True),
        option("--split", "default: test, or validation", choices=list(PAIR_LISTS)),
        option("--layout", "of the fields' numbers", choices=LAYOUTS, default=LAYOUTS[0]),
        path("--l2r-json", "also write Learn2Reg's own result file"),
        flag("--l2r-masked", "in it, log J inside the fixed image's mask"),
        flag("--follow-links", "of the data set, out of its folder"),
        option("--landmarks-frame", "of landmarks whose files do not state it", choices=FRAMES),
        PLUGIN_PATHS,
    ),
}
