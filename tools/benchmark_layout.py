"""Measures the layout at scale: a trivial method under many names, on many tiny cases.

    python tools/benchmark_layout.py --methods 14 --tasks 3 --cases 1000

Prints, as Markdown rows: planning time and memory, jobs, files, one run carried out, and the time
to collect and render from finished results of all.
"""

import argparse
import os
import shutil
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import yaml

REPO = Path(__file__).resolve().parent.parent
sys.path.insert(0, str(REPO / "tests"))

from toy_project import ToyProject, make_project, parse_plan  # noqa: E402


def measured(project: ToyProject, command: list[str]) -> tuple[float, float, str]:
    """Wall seconds, peak resident MB of the process, and its standard output."""
    started = time.perf_counter()
    process = subprocess.Popen(
        command,
        cwd=project.root,
        env=project.environment,
        stdout=subprocess.PIPE,
        stderr=subprocess.DEVNULL,
        text=True,
    )
    text = process.stdout.read() if process.stdout else ""
    _, code, usage = os.wait4(process.pid, 0)
    if os.waitstatus_to_exitcode(code) != 0:
        raise SystemExit(f"failed: {' '.join(command)}\n{text}")
    return time.perf_counter() - started, usage.ru_maxrss / 1024, text


def many(root: Path, methods: int, tasks: int, cases: int) -> ToyProject:
    """The project: variants of one trivial method, tasks that share a data set of tiny pairs."""
    project = make_project(root)
    yaml_file = root / "methods" / "shift" / "method.yaml"
    data = yaml.safe_load(yaml_file.read_text())
    data["variants"] = {f"shift-{k}": {"settings": {"by": k / 10}} for k in range(methods)}
    yaml_file.write_text(yaml.safe_dump(data))
    project.config |= {
        "datasets": {
            "toy": {
                "plugin": "toy",
                "settings": {"shape": [10, 10, 8]},
                "splits": {"test": {"count": cases, "seed": 300}},
            }
        },
        "tasks": {
            f"task-{k}": {"dataset": "toy", "labels": {"box": [1], "rod": [2]}}
            for k in range(tasks)
        },
        "methods": list(data["variants"]),
    }
    report = root / "reports" / "table.yaml"
    report.write_text(report.read_text().replace("task: toy", "task: task-0"))
    project.write_config()
    return project


def main() -> None:
    """Measure and print."""
    options = argparse.ArgumentParser(description=__doc__)
    for name, default in (("methods", 14), ("tasks", 3), ("cases", 1000)):
        options.add_argument(f"--{name}", type=int, default=default)
    options.add_argument("--plan-only", action="store_true")
    chosen = options.parse_args()
    root = Path(tempfile.mkdtemp(prefix="regbench-layout-"))
    try:
        project = many(root, chosen.methods, chosen.tasks, chosen.cases)
        seconds, memory, text = measured(project, project.snakemake_command("-n"))
        jobs = parse_plan(text)
        print("| what | seconds | peak MB |\n| --- | ---: | ---: |")
        print(f"| plan, {sum(jobs.values())} jobs | {seconds:.1f} | {memory:.0f} |")
        if chosen.plan_only:
            return
        # One run of one task is carried out; its folder, copied under the other names, stands for
        # the rest: planning, collecting and rendering see the same files.
        first = root / "results/toy/task-0/shift-0/seed0"
        target = str((first / "metrics.csv").relative_to(root))
        seconds, memory, _ = measured(project, project.snakemake_command(target, "--quiet", "all"))
        print(
            f"| prepare, register, evaluate {chosen.cases} cases | {seconds:.1f} | {memory:.0f} |"
        )
        for k in range(chosen.tasks):
            for m in range(chosen.methods):
                copy = root / f"results/toy/task-{k}/shift-{m}/seed0"
                if copy != first:
                    shutil.copytree(first, copy)
        files = sum(len(names) for _, _, names in os.walk(root / "results"))
        print(f"| ({files} files in results) | | |")
        total = 0.0
        config = str(project.config_file)
        stage = [sys.executable, "-m", "regbench.cli.main", "stage"]
        merged = "results/toy/metrics.parquet"
        steps = [
            ["collect", "--config", config, "--task", f"task-{k}"] for k in range(chosen.tasks)
        ]
        steps.append(["merge", "--config", config])
        for report, table in (
            ("table", "results/toy/task-0/metrics.parquet"),
            ("leaderboard", merged),
        ):
            outputs = [f"reports/{report}.csv", f"reports/{report}.md"]
            steps.append(
                ["render", "--config", config, "--report", report, "--results", table, *outputs]
            )
        for step in steps:
            seconds, memory, _ = measured(project, [*stage, *step])
            total += seconds
            print(
                f"| {step[0]} {step[4] if len(step) > 4 else ''} | {seconds:.1f} | {memory:.0f} |"
            )
        print(f"| collect and render, together | {total:.1f} | |")
    finally:
        shutil.rmtree(root, ignore_errors=True)


if __name__ == "__main__":
    main()
