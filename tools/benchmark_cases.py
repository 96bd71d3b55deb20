"""Carries out a workflow of three methods on 10, 100 and 1,000 pairs; the last is killed half-way.

    python tools/benchmark_cases.py 10 100 1000

The pairs are the tests' toy pairs of 16x16x12 voxels, the methods identity, mean-field and
deeds-fast, with six metrics, on one core. Of the largest size all processes are killed once half of
the registrations are done, and the same command is given again. Prints, as Markdown rows, what each
size took, both parts together, and what a case more took between two sizes. The folder is a
temporary one, or --keep FOLDER.
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

import psutil
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
    project.config["metrics"] = ["dice", "epe", "folds", "hd95", "std_jacobian", "tre"]
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


def cpu_seconds(process: psutil.Process) -> float:
    """What a process, all below it and all that ended below it have worked."""
    family = [process, *process.children(recursive=True)]
    return sum(sum(member.cpu_times()[:4]) for member in family)


def first_half(project: ToyProject, cases: int) -> tuple[float, float]:
    """Carry out half of the registrations, then kill everything; wall and processor seconds."""
    started = time.perf_counter()
    process = subprocess.Popen(
        command_of(project),
        cwd=project.root,
        env=project.environment,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
        start_new_session=True,
    )
    try:
        while len(finished(project)) < cases * len(METHODS):
            if process.poll() is not None:
                raise SystemExit("the workflow ended before half of its registrations")
            time.sleep(2)
        return time.perf_counter() - started, cpu_seconds(psutil.Process(process.pid))
    finally:
        kill_group(process)


def the_rest(project: ToyProject) -> tuple[float, float]:
    """Give the command of a killed workflow again; wall and processor seconds."""
    before = finished(project)
    (seconds, cpu, _), _ = measured(project, command_of(project))
    after = finished(project)
    again = sum(after.get(file) != state for file, state in before.items())
    print(f"Killed with {len(before) // 2} of {len(after) // 2} registrations done;", end=" ")
    print(f"{again} of their files were written again.\n")
    return seconds, cpu


def row_of(project: ToyProject, cases: int, seconds: float, cpu: float) -> str:
    """What a finished workflow took."""
    folders = [project.root / name for name in ("data", "results")]
    files = sum(len(names) for place in folders for _, _, names in os.walk(place))
    most = max(peak for _, peak in jobs_of(project).values())
    rate = 60 * cases * len(METHODS) / seconds
    numbers = [cases, seconds, cpu, most, rate, files, sum(map(size_of, folders))]
    return "| " + " | ".join(f"{number:.0f}" for number in numbers) + " |"


def main() -> None:
    """Measure and print."""
    options = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    options.add_argument("cases", type=int, nargs="+")
    options.add_argument("--keep", type=Path, help="an empty folder to leave everything in")
    chosen = options.parse_args()
    root = chosen.keep or Path(tempfile.mkdtemp(prefix="regbench-cases-"))
    rows, totals = [], []
    try:
        for cases in chosen.cases:
            project = project_of(root / str(cases), cases)
            if cases == chosen.cases[-1]:
                one, two = first_half(project, cases), the_rest(project)
                seconds, cpu = one[0] + two[0], one[1] + two[1]
            else:
                (seconds, cpu, _), _ = measured(project, command_of(project))
            rows.append(row_of(project, cases, seconds, cpu))
            totals.append((cases, cpu))
        heads = ["pairs", "s", "CPU s", "peak MB", "registrations a minute", "files", "MB"]
        print("\n".join(["| " + " | ".join(heads) + " |", "|" + "---:|" * len(heads), *rows]))
        for (few, cpu_few), (many, cpu_many) in pairwise(totals):
            more = 1000 * (cpu_many - cpu_few) / (many - few)
            print(f"A pair more, {few} to {many}: {more:.0f} CPU ms")
    finally:
        if not chosen.keep:
            shutil.rmtree(root, ignore_errors=True)


if __name__ == "__main__":
    main()
