"""`regbench evaluate`: scoring a folder of displacement fields on a Learn2Reg data set."""

import argparse
from pathlib import Path
from typing import Any

from tqdm import tqdm

from regbench.base.errors import BadInput
from regbench.base.files import write_json
from regbench.base.records import Row, write_rows
from regbench.cli.catalog import add_config, catalog_of
from regbench.data.layout import PAIR_LISTS, read_layout
from regbench.measure.folder import Folder, find_fields, official_keys, score_case, unused_fields
from regbench.measure.learn2reg import official
from regbench.spatial.submission import LAYOUTS


def add_commands(commands: Any) -> None:
    """Add the command."""
    command = commands.add_parser("evaluate", help="score a folder of disp_*.nii.gz or .npz")
    command.add_argument("--dataset", required=True, type=Path, help="dataset JSON")
    command.add_argument("--predictions", required=True, type=Path, help="folder of fields")
    command.add_argument("--output", required=True, type=Path, help="csv to write")
    command.add_argument("--split", choices=list(PAIR_LISTS), help="default: test, or validation")
    command.add_argument(
        "--layout", choices=LAYOUTS, default=LAYOUTS[0], help="of the fields' numbers"
    )
    command.add_argument("--l2r-json", type=Path, help="also write Learn2Reg's own result file")
    command.add_argument(
        "--l2r-masked", action="store_true", help="in it, log J inside the fixed image's mask"
    )
    command.add_argument(
        "--follow-links", action="store_true", help="of the data set, out of its folder"
    )
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
    for output in (options.output, options.l2r_json):
        _check_output(output)
    if options.output == options.l2r_json:
        raise BadInput("csv and result file are one", file=options.output)
    metrics = list(catalog_of(options).metrics.values())
    folder = Folder(options.predictions, options.layout, options.follow_links)
    found = find_fields(folder.path, cases)
    for name in unused_fields(folder.path, found):
        print(f"warning: {name} belongs to no {split} pair")
    rows: list[Row] = []
    results = {}
    # On a terminal only: what is piped stays readable.
    keys = official_keys(cases)
    for case, key in tqdm(zip(cases, keys, strict=True), "evaluate", len(cases), disable=None):
        score = score_case(case, layout, folder, found[case.id], metrics, masked=options.l2r_masked)
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


def _check_output(path: Path | None) -> None:
    """Before the work, not after it."""
    if path is not None and path.is_dir():
        raise BadInput("is a folder", file=path, expected="a file to write")
