"""`regbench evaluate`: scoring a folder of displacement fields on a Learn2Reg data set."""

import argparse
from pathlib import Path
from typing import Any

from regbench.cli.catalog import add_config, catalog_of
from regbench.data.layout import PAIR_LISTS, Case, read_layout
from regbench.errors import BadInput
from regbench.fields import read_field
from regbench.measure.case import CaseFiles, failed_rows, measure
from regbench.measure.rows import Row, write_rows
from regbench.plugins import load_metric


def add_commands(commands: Any) -> None:
    """Add the command."""
    command = commands.add_parser("evaluate", help="score a folder of disp_*.nii.gz")
    command.add_argument("--dataset", required=True, type=Path, help="dataset JSON")
    command.add_argument("--predictions", required=True, type=Path, help="folder of fields")
    command.add_argument("--output", required=True, type=Path, help="csv to write")
    command.add_argument("--split", choices=list(PAIR_LISTS), help="default: test, or validation")
    add_config(command)
    command.set_defaults(run=run_evaluate)


def run_evaluate(options: argparse.Namespace) -> int:
    """Every metric on every case that the data set lists; a missing field is a failed row."""
    layout = read_layout(options.dataset)
    split = options.split or ("test" if layout.cases["test"] else "validation")
    cases = layout.cases[split]
    if not cases:
        raise BadInput(f"lists no {split} pairs", file=options.dataset)
    if not options.predictions.is_dir():
        raise BadInput("is not a folder", file=options.predictions, expected="disp_*.nii.gz in it")
    groups = layout.groups()
    metrics = catalog_of(options).metrics
    rows: list[Row] = []
    for case in cases:
        rows.extend(_case_rows(case, groups, metrics, options.predictions))
    write_rows(options.output, rows)
    bad = sorted({row.case for row in rows if row.status.startswith("failed")})
    print(f"{options.output}: {len(cases)} cases, {len(bad)} with failures")
    return 3 if bad else 0


def _case_rows(case: Case, groups: Any, metrics: Any, folder: Path) -> list[Row]:
    rows: list[Row] = []
    files: CaseFiles | None = None
    for metric in metrics.values():
        try:
            files = files or CaseFiles(
                case, read_field(_field_file(folder, case)), groups, "nearest"
            )
            rows.extend(list(measure(files, metric, load_metric(metric))))
        except Exception as error:
            why = f"failed: {' '.join(str(error).split())}"
            rows.extend(failed_rows(case.id, metric, groups, why))
    return rows


def _field_file(folder: Path, case: Case) -> Path:
    """`disp_<fixed>_<moving>.nii.gz` with whole stems, or with their case and modality numbers."""
    long = f"disp_{case.fixed.stem}_{case.moving.stem}.nii.gz"
    short = f"disp_{_number(case.fixed.stem)}_{_number(case.moving.stem)}.nii.gz"
    for name in (long, short):
        if (folder / name).is_file():
            return folder / name
    raise BadInput("no displacement field", file=folder, expected=f"{long} or {short}")


def _number(stem: str) -> str:
    return "_".join(stem.rsplit("_", 2)[1:])
