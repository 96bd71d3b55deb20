"""Measures the layout at scale: a trivial method under many names, on many tiny cases.

    python tools/benchmark_layout.py --methods 14 --tasks 3 --cases 1000
    python tools/benchmark_layout.py --methods 14 --tasks 3 --cases 10000 --fabricate

Prints, as Markdown rows, seconds and memory: of planning, of one run carried out, and of all that
reads finished results. With --fabricate only a few cases are carried out, and the results of the
others are made up from them (tools/fabricated_results.py); half of the methods are declared as
slow as SyN, so that their runs are many jobs; and the statistics and the page are rendered, too.
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

from fabricated_results import Template, enlarge, size_of  # noqa: E402
from toy_project import ToyProject, make_project, parse_plan  # noqa: E402

from regbench.plan.config import resolve  # noqa: E402
from regbench.plan.jobs import Plan  # noqa: E402

SHAPE = [10, 10, 8]
#: What SyN takes for 48x48x48 voxels, as a rate at the toy's 800.
SLOW = {"seconds_per_megavoxel": 4.6 / (800 / 1e6)}
#: Pairs that are really made and registered, where results are fabricated.
REAL = 4
REPORTS = ("leaderboard", "statistics", "ranking", "boxes", "tradeoff")


def measured(
    project: ToyProject, command: list[str], codes: tuple[int, ...] = (0,)
) -> tuple[tuple[float, float, float], str]:
    """Wall seconds, processor seconds, peak resident MB of the process; its standard output."""
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
    if os.waitstatus_to_exitcode(code) not in codes:
        raise SystemExit(f"failed: {' '.join(command)}\n{text[-2000:]}")
    seconds = time.perf_counter() - started
    return (seconds, usage.ru_utime + usage.ru_stime, usage.ru_maxrss / 1024), text


def row(what: str, numbers: tuple[float, ...] = ()) -> None:
    """Print a row of the table."""
    texts = [f"{number:.{digits}f}" for number, digits in zip(numbers, (1, 1, 0), strict=False)]
    print(f"| {' | '.join([what, *texts, *[''] * (3 - len(texts))])} |", flush=True)


def many(root: Path, methods: int, tasks: int, cases: int, slow: int) -> ToyProject:
    """The project: variants of one trivial method, tasks that share a data set of tiny pairs."""
    project = make_project(root)
    fast_folder = root / "methods" / "shift"
    data = yaml.safe_load((fast_folder / "method.yaml").read_text())
    variants = [(f"shift-{k}", {"settings": {"by": k / 10}}) for k in range(methods)]
    if slow:
        slow_folder = root / "methods" / "slow"
        shutil.copytree(fast_folder, slow_folder)
        own = {**data, "variants": dict(variants[-slow:]), "resources": SLOW}
        (slow_folder / "method.yaml").write_text(yaml.safe_dump(own))
    data["variants"] = dict(variants[: methods - slow])
    (fast_folder / "method.yaml").write_text(yaml.safe_dump(data))
    project.config |= {
        "datasets": {
            "toy": {
                "plugin": "toy",
                "settings": {"shape": SHAPE},
                "splits": {"test": {"count": cases, "seed": 300}},
            }
        },
        "tasks": {
            f"task-{k}": {"dataset": "toy", "labels": {"box": [1], "rod": [2]}}
            for k in range(tasks)
        },
        "methods": [name for name, _ in variants],
    }
    report = root / "reports" / "table.yaml"
    report.write_text(report.read_text().replace("task: toy", "task: task-0"))
    project.write_config()
    return project


def register_one(project: ToyProject, cases: int) -> Path:
    """Carry out one run of one task; its folder."""
    first = project.folder("shift-0", task="task-0")
    target = str((first / "metrics.csv").relative_to(project.root))
    command = project.snakemake_command(target, "--quiet", "all")
    row(f"prepare, register, evaluate {cases} cases", measured(project, command)[0])
    return first


def copy_results(project: ToyProject, first: Path, methods: int, tasks: int) -> None:
    """The folder of a run, copied under the other names, stands for the rest."""
    for k in range(tasks):
        for m in range(methods):
            copy = project.folder(f"shift-{m}", task=f"task-{k}")
            if copy != first:
                shutil.copytree(first, copy)


def fabricate_results(project: ToyProject, first: Path, cases: int) -> None:
    """Files of every run, as if all cases had been registered."""
    os.chdir(project.root)
    template = Template(first)
    ids = enlarge(Path("data/toy/toy/toy_dataset.json"), cases)
    plan = Plan(resolve(project.config, project.root))
    for number, run in enumerate(plan.config.runs):
        statuses = plan.evaluate(run.task.id, run.id, "0").inputs["statuses"]
        shards = [Path(file) for file in statuses]
        template.write(project.folder(run.id, task=run.task.id), ids, number, shards)


def read_everything(project: ToyProject, tasks: int, reports: list[str], page: bool) -> None:
    """Collect, merge and render, each in a process of its own, one after the other."""
    stage = [sys.executable, "-m", "regbench.cli.main", "stage"]
    with_config = ["--config", str(project.config_file)]
    merged = "results/toy/metrics.parquet"
    steps = [["collect", "--task", f"task-{k}"] for k in range(tasks)]
    steps.append(["merge"])
    for report in reports:
        table = "results/toy/task-0/metrics.parquet" if report == "table" else merged
        outputs = [f"reports/{report}.{ending}" for ending in ("csv", "md", "html")]
        if report in ("boxes", "tradeoff"):
            outputs.append(f"reports/{report}.png")
        steps.append(["render", "--report", report, "--results", table, *outputs])
    if page:
        shown = [f"--shown=reports/{report}.html" for report in reports]
        outputs = [*shown, "reports/index.html"]
        steps.append(["render", "--report", "index", "--results", merged, *outputs])
    total = [0.0, 0.0]
    for step in steps:
        found, _ = measured(project, [*stage, step[0], *with_config, *step[1:]])
        total = [a + b for a, b in zip(total, found, strict=False)]
        row(" ".join([step[0], *step[2:3]]), found)
    row("collect, merge and render, together", tuple(total))


def main() -> None:
    """Measure and print."""
    options = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    for name, default in (("methods", 14), ("tasks", 3), ("cases", 1000)):
        options.add_argument(f"--{name}", type=int, default=default)
    options.add_argument("--plan-only", action="store_true")
    options.add_argument("--fabricate", action="store_true")
    options.add_argument("--keep", type=Path, help="an empty folder to leave everything in")
    chosen = options.parse_args()
    root = chosen.keep or Path(tempfile.mkdtemp(prefix="regbench-layout-"))
    root.mkdir(parents=True, exist_ok=True)
    slow = chosen.methods // 2 if chosen.fabricate else 0
    try:
        project = many(root, chosen.methods, chosen.tasks, chosen.cases, slow)
        print("| what | seconds | CPU s | peak MB |\n| --- | ---: | ---: | ---: |")
        found, text = measured(project, project.snakemake_command("-n"))
        row(f"plan, {sum(parse_plan(text).values())} jobs", found)
        if chosen.plan_only:
            return
        reports = ["table", "leaderboard"]
        if chosen.fabricate:
            reports = ["table", *REPORTS]
            for name in (*REPORTS[1:], "index"):
                shutil.copy(REPO / "reports" / f"{name}.yaml", root / "reports")
            splits = project.config["datasets"]["toy"]["splits"]["test"]
            splits["count"] = REAL
            project.write_config()
            first = register_one(project, REAL)
            splits["count"] = chosen.cases
            project.write_config()
            fabricate_results(project, first, chosen.cases)
        else:
            first = register_one(project, chosen.cases)
            copy_results(project, first, chosen.methods, chosen.tasks)
        files = sum(len(names) for _, _, names in os.walk(root / "results"))
        row(f"({files} files in results, {size_of(root / 'results'):.0f} MB)")
        read_everything(project, chosen.tasks, reports, chosen.fabricate)
        for command in (["verdict"], ["retry", "--mark-only"]):
            words = [*command, "--config", str(project.config_file)]
            full = [sys.executable, "-m", "regbench.cli.main", *words]
            row(" ".join(command), measured(project, full, (0, 3))[0])
    finally:
        if not chosen.keep:
            shutil.rmtree(root, ignore_errors=True)


if __name__ == "__main__":
    main()
