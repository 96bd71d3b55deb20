"""`regbench export`: a run's displacement fields as a Learn2Reg submission."""

import argparse
from pathlib import Path
from typing import Any

from regbench.base.errors import BadInput
from regbench.cli.catalog import DEFAULT_CONFIG, config_of
from regbench.measure.export import NAMES, plan_export, write_zip


def add_commands(commands: Any) -> None:
    """Add the command."""
    command = commands.add_parser("export", help="a run's fields as a Learn2Reg submission zip")
    command.add_argument("--config", default=None, help=f"default: {DEFAULT_CONFIG}")
    command.add_argument("--task", required=True, help="task of the config")
    command.add_argument("--run", required=True, dest="run_id", help="run on it; a method id")
    command.add_argument("--seed", type=int, help="default: the first of the run's seeds")
    command.add_argument("--output", required=True, type=Path, help="zip to write")
    command.add_argument("--names", choices=NAMES, default=NAMES[0], help="of the fields")
    command.add_argument("--allow-failed", action="store_true", help="leave failed cases out")
    command.set_defaults(run=run_export)


def run_export(options: argparse.Namespace) -> int:
    """Write the archive; refused where a case has no field, unless that is allowed."""
    # Against the folder of the caller: the config's paths are against the project's.
    output = options.output.resolve()
    if output.suffix != ".zip" or output.is_dir():
        raise BadInput("the output is a zip file", file=output, expected=".zip")
    config = config_of(options)
    run = config.run(options.task, options.run_id)
    seeds = config.seeds_of(run)
    seed = seeds[0] if options.seed is None else options.seed
    if seed not in seeds:
        raise BadInput(
            f"run {run.id} has no seed {seed}", expected=f"one of {', '.join(map(str, seeds))}"
        )
    export = plan_export(config, run, seed, options.names)
    if export.missing and not options.allow_failed:
        case, reason = next(iter(export.missing.items()))
        raise BadInput(
            f"{len(export.missing)} cases of {run.id} on {run.task.id} have no field",
            expected="all cases, or --allow-failed",
            found=f"{case}: {reason}",
        )
    if not export.fields:
        raise BadInput(f"no case of {run.id} on {run.task.id} has a field")
    for case, reason in export.missing.items():
        print(f"warning: {case} is not in it: {reason}")
    write_zip(output, export.fields)
    print(
        f"{options.output}: {len(export.fields)} fields of {run.id} on {run.task.id}, seed {seed}"
    )
    return 0
