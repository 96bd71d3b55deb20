# The plan of the active config, and what several rules share.
import gc
import inspect
import re
import subprocess
import time
from contextlib import suppress
from functools import cache
from pathlib import Path

from regbench.base import paths
from regbench.base.errors import BadInput, in_words
from regbench.base.files import check_writable
from regbench.plan import jobs as regbench_workflow
from regbench.reports.jobs import ReportJobs, known_reports, set_aside, withdraw

# Not workflow.basedir: that is the folder of whoever includes this workflow.
ROOT = Path(workflow.current_basedir.get_path_or_uri(secret_free=True)).parent


# What planning makes lives to its end: the collector would look at all of it again and again.
gc.freeze()
gc.set_threshold(20_000, 20, 20)
# Whether Snakemake runs no job.
DRY = re.search(r"\s(-[a-zA-Z]*n|--dry-?run)\b", " ".join(sys.argv))
# Where Snakemake keeps what a dry run found out, for the next run.
CACHE = Path(".snakemake", "iocache", "latest.pkl").absolute()
PLAN = None


def or_exit(function, *arguments, **named):
    """What `function` returns; bad input ends the workflow with its one line and code 2."""
    try:
        return function(*arguments, **named)
    except (BadInput, OSError) as error:
        sys.stderr.write(f"regbench: {in_words(error)}\n")
        if not DRY:
            # A folder that cannot be written must not hide the line above.
            with suppress(BadInput, OSError):
                if PLAN is None:
                    set_aside(known_reports(ROOT))
                else:
                    set_aside(PLAN.config.catalog.reports, PLAN.name)
        raise SystemExit(2) from None


# It ends in a traceback where it cannot write or delete that.
if DRY or CACHE.exists() or not CACHE.parent.exists():
    or_exit(check_writable, next(folder for folder in CACHE.parents if folder.exists()))
PLAN = or_exit(regbench_workflow.start, config, ROOT, workflow.configfiles)
REPORTS = ReportJobs(PLAN.config)
STARTED = time.time()
RUN_FOLDER = f"results/{PLAN.name}/{{task}}/{{run}}/seed{{seed}}"
TABLE = str(paths.metrics_file(PLAN.name))
LOGS = f"logs/{PLAN.name}"
BENCHMARKS = f"benchmarks/{PLAN.name}"
# Jobs replace their shell, so that they are what Snakemake stops.
STAGE = 'exec "$REGBENCH_PYTHON" -m regbench.cli.main stage'
# Snakemake asks for the signature of each of these functions several times a job.
OF_WILDCARDS = inspect.signature(lambda wildcards: None)
# On a cluster a job's memory is a limit for all that runs in it: beside the method, two Snakemake
# and the launcher.
BESIDE_MB = 1024


def any_of(names):
    """A wildcard constraint that takes these names and no others."""
    return "|".join(sorted({re.escape(name) for name in names})) or "$^"


wildcard_constraints:
    dataset=any_of(PLAN.config.datasets),
    task=any_of(PLAN.config.every_task),
    run=any_of(run.id for run in PLAN.config.every_run),
    environment=any_of(PLAN.environments),
    seed=r"\d+",
    shard=r"\d+-of-\d+",
    report=any_of(set(REPORTS.reports) - {*REPORTS.figures(), *REPORTS.pages()}),
    figure=any_of(REPORTS.figures()),
    page=any_of(REPORTS.pages()),


@cache
def needs(rule, **names):
    """What a job of a rule needs: see `regbench.plan.jobs.Needs`."""
    return or_exit(getattr(PLAN, rule), **names)


def need(rule, name):
    """A function of a job's wildcards: what the job needs by that name."""

    def needed(wildcards):
        # All shards of a run need the same.
        names = {key: value for key, value in wildcards.items() if key != "shard"}
        return getattr(needs(rule, **names), name)

    needed.__signature__ = OF_WILDCARDS
    return needed


def memory_mb(rule):
    """Memory of a job that runs a method."""

    def needed(wildcards):
        beside = BESIDE_MB if workflow.non_local_exec else 0
        return of_method(wildcards) + beside

    of_method = need(rule, "memory_mb")
    needed.__signature__ = OF_WILDCARDS
    return needed


def whole_machine(wildcards):
    """All cores; on a cluster, whose profile asks for a whole node, what the method takes."""
    if workflow.non_local_exec:
        return need("time", "threads")(wildcards)
    return workflow.cores


def forget_stale():
    """Before the first job: take away what the planned jobs make anew."""
    # `--touch` runs no job.
    if not workflow.touch:
        jobs = workflow.dag.needrun_jobs()
        planned = [str(file) for job in jobs for file in job.output]
        or_exit(withdraw, REPORTS.reports, PLAN.name, planned)


def verdict():
    """Print a new leaderboard; end with code 3 when a case failed."""
    if text := REPORTS.brief(STARTED):
        print(text)
    command = [
        sys.executable,
        "-m",
        "regbench.cli.main",
        "verdict",
        "--partial",
        "--config",
        PLAN.config_file,
    ]
    done = subprocess.run(command, capture_output=True, text=True)
    if done.returncode != 0:
        sys.stderr.write(done.stdout + done.stderr)
        raise SystemExit(done.returncode)
