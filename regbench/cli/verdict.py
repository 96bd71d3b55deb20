"""`regbench verdict` and `regbench retry`: what failed and why, and repeating it."""

import argparse
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

from regbench.base.files import read_json, write_json
from regbench.base.paths import CASES, RETRIES, retries, run_folder
from regbench.base.records import FAILURES, FIELD_NAME, STATUS_NAME
from regbench.cli.catalog import DEFAULT_CONFIG, config_of
from regbench.measure.evaluate import failed_metrics
from regbench.plan.config import Config, RunConfig
from regbench.plugins.kinds import installed


def add_commands(commands: Any) -> None:
    """Add the two commands."""
    for name, text, run in (
        ("verdict", "list failed cases; exit code 3 when there are any", run_verdict),
        ("retry", "repeat failed cases, and what depends on them", run_retry),
    ):
        command = commands.add_parser(name, help=text)
        command.add_argument("--config", default=None, help=f"default: {DEFAULT_CONFIG}")
        command.set_defaults(run=run)
        if name == "retry":
            command.add_argument("--mark-only", action="store_true", help="do not run the workflow")
            command.add_argument("--cores", default="all")


def run_verdict(options: argparse.Namespace) -> int:
    """Print every failed or skipped case, and every failed metric; 3 when anything failed."""
    config = config_of(options)
    count = dict.fromkeys(("ok", "failed", "skipped"), 0)
    pending = metrics = 0
    for folder, name in _folders(config):
        if not (folder / CASES).is_file():
            pending += 1
            print(f"{name}: not finished")
            continue
        statuses = read_json(folder / CASES)
        for status in statuses:
            outcome = status["outcome"]
            count["failed" if outcome in FAILURES else outcome] += 1
            if outcome != "ok":
                print(f"{name} {status['case']}: {outcome}: {status['reason']}")
        for row in failed_metrics(folder, statuses):
            metrics += 1
            print(f"{name} {row.case}: {row.metric} {row.label}: {row.status}")
    print(
        f"{count['ok']} ok, {count['failed']} failed, {count['skipped']} skipped; "
        f"{metrics} failed metrics; {pending} runs not finished"
    )
    return 3 if count["failed"] or metrics else 0


def run_retry(options: argparse.Namespace) -> int:
    """Forget the failed cases' statuses, then run the workflow again.

    A case whose metric failed because its field was not kept is registered again, too, and one that
    was skipped for a package that is installed by now.
    """
    config = config_of(options)
    forgotten = 0
    for folder, name in _folders(config):
        if not (folder / CASES).is_file():
            continue
        statuses = read_json(folder / CASES)
        failed = [s["case"] for s in statuses if _to_repeat(s)]
        for case in failed:
            (folder / case / STATUS_NAME).unlink(missing_ok=True)
        unmeasured = sorted({row.case for row in failed_metrics(folder, statuses)})
        for case in unmeasured:
            # A field that was dropped is made again where a metric asks for it.
            if not (folder / case / FIELD_NAME).is_file():
                (folder / case / STATUS_NAME).unlink(missing_ok=True)
        failed += unmeasured
        for case in failed:
            print(f"{name} {case}: will be repeated")
        if failed:
            # The workflow plans a run again whose count of retries has changed.
            write_json(folder / RETRIES, retries(folder) + 1)
        forgotten += len(failed)
    print(f"{forgotten} failed cases")
    if forgotten == 0 or options.mark_only:
        return 0
    command = [sys.executable, "-m", "snakemake", "--cores", str(options.cores)]
    if options.config:
        command += ["--configfile", str(Path(options.config).resolve())]
    return subprocess.run(command, cwd=config.root, env=os.environ, check=False).returncode


def _to_repeat(status: dict[str, Any]) -> bool:
    """Whether a case failed, or was skipped for a package that is there now."""
    return status["outcome"] in FAILURES or installed(status["facts"].get("missing", ""))


def _folder(config: Config, run: RunConfig, seed: int) -> Path:
    return run_folder(config.name, run.task.id, run.id, seed)


def _folders(config: Config) -> list[tuple[Path, str]]:
    return [
        (_folder(config, run, seed), f"{run.task.id} {run.id} seed{seed}")
        for run in config.every_run
        for seed in config.seeds_of(run)
        # A grid that nobody asked for is not unfinished.
        if not run.task.sweep or _folder(config, run, seed).is_dir()
    ]
