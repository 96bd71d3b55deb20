"""`regbench register` and `regbench warp`: one pair, outside a workflow."""

import argparse
from dataclasses import replace
from pathlib import Path
from typing import Any

import yaml

from regbench.base.errors import BadInput
from regbench.cli.catalog import add_config, catalog_of
from regbench.data.check import check_pair, read_image
from regbench.data.layout import Case, Entry
from regbench.data.pair import Side
from regbench.execution.protocol import Worker, WorkerFailure
from regbench.execution.worker import worker_job
from regbench.plan.resources import Limits
from regbench.plugins.catalog import lookup
from regbench.plugins.kinds import DatasetPlugin, MethodPlugin
from regbench.spatial.field import read_field
from regbench.spatial.nifti import read_volume, write_volume
from regbench.spatial.warp import warp_image, warp_labels


def add_commands(commands: Any) -> None:
    """Add the two commands."""
    register = commands.add_parser("register", help="register one pair with one method")
    register.add_argument("method", metavar="METHOD", help="method id; see `regbench methods`")
    _paths(register, fixed="fixed image", moving="moving image", output="displacement field")
    register.add_argument("--checkpoint", help="weights of a learned method")
    register.add_argument("--set", action="append", default=[], metavar="KEY=VALUE", dest="changes")
    register.add_argument("--seed", type=int, default=0)
    register.add_argument("--prealigned", action="store_true", help="the pair is affinely aligned")
    add_config(register)
    register.set_defaults(run=run_register)
    warp = commands.add_parser("warp", help="warp a moving image or label map by a field")
    _paths(warp, fixed="fixed image", moving="image or label map to warp", output="warped image")
    warp.add_argument("--displacement", required=True, type=Path, help="displacement field")
    warp.add_argument("--labels", action="store_true", help="the moving file is a label map")
    warp.set_defaults(run=run_warp)


def run_register(options: argparse.Namespace) -> int:
    """Register a pair in a worker of its own, within the method's limits."""
    catalog = catalog_of(options)
    plugin = lookup(catalog.methods, options.method, "method", broken=catalog.broken)
    settings = {**plugin.settings, **parse_changes(options.changes, plugin)}
    _refuse_controls(plugin)
    if options.checkpoint is not None and not plugin.learned:
        raise BadInput(f"method {plugin.id} takes no checkpoint", found=options.checkpoint)
    if options.checkpoint is None and plugin.learned:
        raise BadInput(f"method {plugin.id} is learned", expected="--checkpoint FILE")
    _check_output(options.output)
    case = Case(Entry(options.fixed), Entry(options.moving))
    fixed, moving = read_image(case.fixed), read_image(case.moving)
    check_pair(Side(fixed), Side(moving), case)
    limits = Limits(plugin.resources.time_limit_s, plugin.resources.memory_gb * 2**30)
    job = worker_job(
        replace(plugin, needs=()),
        settings,
        options.seed,
        prealigned=options.prealigned,
        checkpoint=options.checkpoint,
    )
    log = options.output.parent / f".{options.output.name}.log"
    try:
        worker = Worker(job, limits, log)
        try:
            answer = worker.ask(
                {
                    "fixed": str(options.fixed),
                    "moving": str(options.moving),
                    "output": str(options.output),
                    "warm_up": False,
                }
            )
        finally:
            worker.close()
    except WorkerFailure as failure:
        raise BadInput(f"{plugin.id} ended in {failure.outcome}: {failure.reason}") from failure
    finally:
        log.unlink(missing_ok=True)
    if not answer["ok"]:
        raise BadInput(f"{plugin.id} failed: {answer['reason']}")
    print(f"{options.output}: {plugin.id}, {answer['register_s']:.2f} s")
    return 0


def run_warp(options: argparse.Namespace) -> int:
    """Warp by a field on the fixed image's grid."""
    fixed = read_volume(options.fixed)
    moving = read_volume(options.moving, labels=options.labels)
    _check_output(options.output)
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


def parse_changes(changes: list[str], plugin: MethodPlugin | DatasetPlugin) -> dict[str, Any]:
    """`key=value` words as settings; values are YAML, keys must be the method's own."""
    found = {}
    for change in changes:
        key, separator, text = change.partition("=")
        if not separator or key not in plugin.settings:
            raise BadInput(
                f"--set {change}: unknown setting of {plugin.id}",
                expected=f"KEY=VALUE with KEY one of {', '.join(sorted(plugin.settings)) or '-'}",
            )
        try:
            found[key] = yaml.safe_load(text)
        except yaml.YAMLError as error:
            raise BadInput(f"--set {change}: not a value", found=str(error)) from error
    return found


def _paths(command: argparse.ArgumentParser, **helps: str) -> None:
    for name, text in helps.items():
        command.add_argument(f"--{name}", required=True, type=Path, help=text)


def _refuse_controls(plugin: MethodPlugin) -> None:
    if plugin.needs:
        raise BadInput(
            f"method {plugin.id} cannot register a pair alone: it needs {', '.join(plugin.needs)}",
            expected="a data set that knows it (run the workflow)",
        )
    missing = plugin.missing()
    if missing:
        raise BadInput(f"method {plugin.id} needs {missing[0]}", expected=plugin.install)


def _check_output(path: Path) -> None:
    if not path.name.endswith((".nii", ".nii.gz")):
        raise BadInput("the output is a NIfTI file", file=path, expected=".nii.gz")
