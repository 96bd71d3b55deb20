"""Carries out a workflow of three methods on 10, 100 and 1,000 pairs, and on one killed half-way.

    python tools/benchmark_cases.py 10 100 1000

The pairs are the tests' toy pairs of 16x16x12 voxels, the methods identity, mean-field and
deeds-fast; every metric is measured, on one core. Prints, as Markdown rows, what each size took,
what a case took by stage, and what a case more took between two sizes. Then the largest size again:
all of its processes are killed once half of the registrations are done, and the same command is
given again. The folder is a temporary one, or --keep FOLDER.
"""

import argparse
import csv
import os
import shutil
import subprocess
import tempfile
import time
from itertools import pairwise
from pathlib import Path

from benchmark_layout import REPO, measured, size_of
from toy_project import ToyProject, kill_group, make_project

from regbench.base.records import FIELD_NAME, STATUS_NAME

SHAPE = [16, 16, 12]
METHODS = ["identity", "mean-field", "deeds-fast"]
STAGES = ("prepare", "register", "evaluate", "collect")


def project_of(root: Path, cases: int) -> ToyProject:
    """A project with so many test pairs, in an empty folder."""
    root.mkdir(parents=True)
    project = make_project(root)
    shutil.copytree(REPO / "methods" / "deeds", root / "methods" / "deeds")
    data = {"plugin": "toy", "settings": {"shape": SHAPE}}
    data["splits"] = {"test": {"count": cases, "seed": 300}}
    project.config |= {"datasets": {"toy": data}, "methods": METHODS, "job_minutes": 1000}
    project.config["limits"] = {"memory_gb": 8}
    project.write_config()
    return project


def jobs_of(project: ToyProject) -> dict[str, tuple[float, float]]:
    """Stage to the processor seconds and the largest resident MB of its jobs, by Snakemake."""
    found = dict.fromkeys(STAGES, (0.0, 0.0))
    for file in (project.root / "benchmarks").rglob("*.tsv"):
        stage = file.parent.name if file.parent.name == "prepare" else file.stem.split("-")[0]
        with file.open(newline="") as handle:
            (job,) = csv.DictReader(handle, delimiter="\t")
        if stage in found:
            seconds, most = found[stage]
            found[stage] = (seconds + float(job["cpu_time"]), max(most, float(job["max_rss"])))
    return found


def command_of(project: ToyProject) -> list[str]:
    """The workflow on one core."""
    target = "results/toy/metrics.parquet"
    return project.snakemake_command(target, "--cores", "1", "--quiet", "all")


def finished(project: ToyProject) -> dict[Path, tuple[int, int]]:
    """The files of the registrations that are done, and when they were written."""
    done = (project.root / "results").rglob(STATUS_NAME)
    files = [file for status in done for file in (status, status.with_name(FIELD_NAME))]
    states = {file: file.stat() for file in files if file.is_file()}
    return {file: (state.st_ino, state.st_mtime_ns) for file, state in states.items()}


def killed(project: ToyProject, cases: int) -> None:
    """Kill everything when half of the registrations are done; give the command again."""
    process = subprocess.Popen(
        command_of(project),
        cwd=project.root,
        env=project.environment,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
        start_new_session=True,
    )
    while len(finished(project)) < cases * len(METHODS):
        time.sleep(0.5)
    kill_group(process)
    before = finished(project)
    (seconds, *_), _ = measured(project, command_of(project))
    after = finished(project)
    again = sum(after.get(file) != state for file, state in before.items())
    print(f"killed with {len(before) // 2} of {len(after) // 2} registrations done; the rest took")
    print(f"{seconds:.0f} s; {again} files of finished registrations were written again")


def main() -> None:
    """Measure and print."""
    options = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    options.add_argument("cases", type=int, nargs="+")
    options.add_argument("--keep", type=Path, help="an empty folder to leave everything in")
    options.add_argument("--no-kill", action="store_true")
    chosen = options.parse_args()
    root = chosen.keep or Path(tempfile.mkdtemp(prefix="regbench-cases-"))
    heads = ["pairs", "s", "CPU s", "peak MB", "registrations a minute", "files", "MB"]
    print("| " + " | ".join(heads) + " |\n|" + "---:|" * len(heads))
    sizes: list[tuple[int, float, dict[str, tuple[float, float]]]] = []
    try:
        for cases in chosen.cases:
            project = project_of(root / str(cases), cases)
            (seconds, cpu, _), _ = measured(project, command_of(project))
            jobs = jobs_of(project)
            sizes.append((cases, cpu, jobs))
            folders = [project.root / name for name in ("data", "results")]
            files = sum(len(names) for place in folders for _, _, names in os.walk(place))
            rate = 60 * cases * len(METHODS) / seconds
            numbers = [seconds, cpu, max(most for _, most in jobs.values()), rate, files]
            numbers.append(sum(map(size_of, folders)))
            print(f"| {cases} | " + " | ".join(f"{x:.0f}" for x in numbers) + " |", flush=True)
        print("\n| CPU ms of a case more | " + " | ".join(STAGES) + " | together |")
        for (few, cpu0, jobs0), (many, cpu1, jobs1) in pairwise(sizes):
            parts = [jobs1[name][0] - jobs0[name][0] for name in STAGES]
            each = [1000 * part / (many - few) for part in (*parts, cpu1 - cpu0)]
            print(f"| {few} to {many} | " + " | ".join(f"{x:.1f}" for x in each) + " |")
        if not chosen.no_kill:
            cases = chosen.cases[-1]
            killed(project_of(root / "killed", cases), cases)
    finally:
        if not chosen.keep:
            shutil.rmtree(root, ignore_errors=True)


if __name__ == "__main__":
    main()
