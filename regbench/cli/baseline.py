"""`regbench baseline check` and `update`: a run's numbers against committed ones."""

import argparse
from pathlib import Path
from typing import Any

from regbench.cli.catalog import DEFAULT_CONFIG, config_of


def add_commands(commands: Any) -> None:
    """Add the two commands below one."""
    baseline = commands.add_parser("baseline", help="compare a run's metrics with golden values")
    actions = baseline.add_subparsers(dest="action", required=True, metavar="ACTION")
    check = actions.add_parser("check", help="what moved; exit code 1 when anything did")
    check.add_argument("--summary", type=Path, metavar="FILE.md", help="Markdown to write")
    update = actions.add_parser("update", help="take the run's numbers as golden values")
    update.add_argument("--reason", required=True, help="why they changed, for the changelog")
    for command, run in ((check, run_check), (update, run_update)):
        command.add_argument("--config", default=None, help=f"default: {DEFAULT_CONFIG}")
        command.add_argument(
            "--baseline",
            type=Path,
            metavar="FILE",
            help="golden values; default: baselines/<config's name>/values.csv",
        )
        command.set_defaults(run=run)


def run_check(options: argparse.Namespace) -> int:
    """Tell what moved, and write the summary; 1 when anything is not as it was."""
    # Here, not above: the other commands need not wait for pandas.
    from regbench.baseline.run import check, values_file

    # Paths are the caller's; reading the config goes to the project's folder.
    file, summary = _absolute(options.baseline), _absolute(options.summary)
    config = config_of(options)
    return 0 if check(config, file or values_file(config), summary) else 1


def run_update(options: argparse.Namespace) -> int:
    """Write changed rows as golden values, with the reason in the changelog."""
    from regbench.baseline.run import update, values_file

    file = _absolute(options.baseline)
    config = config_of(options)
    update(config, file or values_file(config), options.reason)
    return 0


def _absolute(path: Path | None) -> Path | None:
    return None if path is None else path.resolve()
