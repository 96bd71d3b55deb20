"""Commands on a workflow's results: verdict, retry, export, baseline."""

import argparse
import os
import subprocess
from collections import Counter

from regbench.base.errors import BadInput
from regbench.base.records import FAILURES, INTERRUPTED
from regbench.cli.options import CONFIG, CORES, Command, config_of, flag, option, path
from regbench.cli.workflow import snakemake_command
from regbench.measure.failures import forget_failures, results_of
from regbench.measure.fields import FORMATS, NAMES, plan_export, write_zip


def run_verdict(options: argparse.Namespace) -> int:
    """Print every failed or skipped case, every failed metric, and every run that is not finished;
    3 when anything failed or is not finished."""
    outcomes: Counter[str] = Counter()
    pending = metrics = 0
    for run in results_of(config_of(options), options.partial):
        if run.statuses is None:
            pending += 1
            print(f"{run.name}: not finished")
            continue
        for status in run.statuses:
            outcome = status["outcome"]
            group = outcome if outcome == INTERRUPTED or outcome not in FAILURES else "failed"
            outcomes[group] += 1
            if outcome != "ok":
                print(f"{run.name} {status['case']}: {outcome}: {status['reason']}")
        for row in run.failed_metrics():
            metrics += 1
            print(f"{run.name} {row.case}: {row.metric} {row.label}: {row.status}")
    counts = ", ".join(f"{outcomes[name]} {name}" for name in ("ok", "failed", "skipped"))
    if outcomes[INTERRUPTED]:
        counts += f", {outcomes[INTERRUPTED]} interrupted (the next run tries them again)"
    print(f"{counts}; {metrics} failed metrics; {pending} runs not finished")
    lost = outcomes["failed"] + outcomes[INTERRUPTED] + metrics
    return 3 if lost or (pending and not options.partial) else 0


def run_retry(options: argparse.Namespace) -> int:
    """Forget the failed cases' statuses, then run the workflow again; 3 when there are none, but
    runs that are not finished."""
    config = config_of(options)
    runs = list(results_of(config))
    assert config.file is not None
    # Before anything is forgotten: without Snakemake nothing could be repeated.
    words = [] if options.mark_only else snakemake_command(config.root, config.file, options.cores)
    forgotten = 0
    for run in runs:
        for case in forget_failures(run):
            forgotten += 1
            print(f"{run.name} {case}: will be repeated")
    pending = sum(run.statuses is None for run in runs)
    print(f"{forgotten} failed cases" + f"; {pending} runs not finished" * bool(pending))
    if forgotten == 0:
        return 3 if pending else 0
    if options.mark_only:
        return 0
    environment = {**os.environ, "REGBENCH_ROOT": str(config.root)}
    return subprocess.run(words, env=environment, check=False).returncode


def run_export(options: argparse.Namespace) -> None:
    """Write the archive; refused where a case has no field, unless that is allowed."""
    # Before the config is read, which changes the folder that paths are relative to.
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
    write_zip(output, export, options.format)
    print(
        f"{options.output}: {len(export.fields)} fields of {run.id} on {run.task.id}, seed {seed}"
    )


def run_baseline(options: argparse.Namespace) -> int:
    """Tell what moved (1 when anything did), or write golden values."""
    # Here, not above: the other commands need not wait for pandas.
    from regbench.baseline.run import check, init, update, values_file

    # Before the config is read, which changes the folder that paths are relative to.
    file = options.baseline and options.baseline.resolve()
    summary = options.summary.resolve() if options.action == "check" and options.summary else None
    config = config_of(options)
    # `init` makes its own runs.
    for run in () if options.action == "init" else results_of(config):
        if run.statuses is None:
            raise BadInput("is not finished", file=run.folder, expected="a run of the workflow")
    file = file or values_file(config)
    if options.action == "check":
        return 0 if check(config, file, summary) else 1
    if options.action == "init":
        init(config, file, options.runs, options.reference, str(options.cores))
    else:
        update(config, file, options.reason)
    return 0


_BASELINE = path("--baseline", "golden values; default: baselines/<config's name>/values.csv")
COMMANDS: dict[str, Command | dict[str, Command]] = {
    "verdict": Command(
        run_verdict, CONFIG, flag("--partial", "runs that are not finished are no failure")
    ),
    "retry": Command(
        run_retry,
        CONFIG,
        flag("--mark-only", "do not run the workflow"),
        CORES,
    ),
    "export": Command(
        run_export,
        CONFIG,
        option("--task", "task of the config", required=True),
        option("--run", "run on it; a method id", required=True, dest="run_id"),
        option("--seed", "default: the first of the run's seeds", type=int),
        path("--output", "zip to write", required=True),
        option("--names", "of the fields", choices=NAMES, default=NAMES[0]),
        option("--format", "of the fields", choices=FORMATS, default=FORMATS[0]),
        flag("--allow-failed", "leave failed cases out"),
    ),
    "baseline": {
        "init": Command(
            run_baseline,
            CONFIG,
            _BASELINE,
            option(
                "--runs",
                "of the workflow, to see how far they differ; default: 3",
                type=int,
                default=3,
            ),
            option("--reference", "method whose time the others' are measured by", default=""),
            CORES,
            help="run the workflow several times; write golden values and tolerances",
        ),
        "check": Command(
            run_baseline,
            CONFIG,
            _BASELINE,
            path("--summary", "Markdown to write", metavar="FILE.md"),
            help="tell what moved; exit code 1 when anything did",
        ),
        "update": Command(
            run_baseline,
            CONFIG,
            _BASELINE,
            option("--reason", "why they changed, for the changelog", required=True),
            help="take the run's numbers as golden values",
        ),
    },
}
