"""`regbench evaluate`: scoring a folder of displacement fields on a Learn2Reg data set."""

import argparse
from pathlib import Path
from typing import Any

from regbench.cli.catalog import add_config, catalog_of
from regbench.data.given_fields import find_field
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
            if files is None:
                field = read_field(find_field(folder, case.fixed.stem, case.moving.stem))
                files = CaseFiles(case, field, groups, "nearest")
            rows.extend(list(measure(files, metric, load_metric(metric))))
        except Exception as error:
            why = f"failed: {' '.join(str(error).split())}"
            rows.extend(failed_rows(case.id, metric, groups, why))
    return rows
