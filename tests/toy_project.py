"""A project in a temporary folder: the real rules and metrics, toy data and toy methods."""

import contextlib
import os
import shutil
import signal
import subprocess
import sys
import time
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import yaml

REPO = Path(__file__).resolve().parent.parent
PLUGINS = Path(__file__).resolve().parent / "plugins"
IGNORED = shutil.ignore_patterns("__pycache__")


@dataclass
class ToyProject:
    """A project root with a config; commands run in it as a user would run them."""

    root: Path
    config: dict[str, Any] = field(default_factory=dict)

    @property
    def config_file(self) -> Path:
        return self.root / "toy.yaml"

    def write_config(self) -> None:
        self.config_file.write_text(yaml.safe_dump(self.config, sort_keys=False))

    @property
    def environment(self) -> dict[str, str]:
        # The project's own copy of the engine comes before the installed one.
        own = (self.root / "regbench").is_dir()
        path = str(self.root) if own else os.environ.get("PYTHONPATH", "")
        names = {k: v for k, v in os.environ.items() if not k.startswith("REGBENCH_")}
        return {**names, "PYTHONPATH": path, "REGBENCH_PYTHON": sys.executable}

    def snakemake(self, *arguments: str, check: bool = True) -> subprocess.CompletedProcess[str]:
        self.write_config()
        done = subprocess.run(
            self.snakemake_command(*arguments),
            cwd=self.root,
            env=self.environment,
            capture_output=True,
            text=True,
        )
        if check and done.returncode != 0:
            raise AssertionError(f"snakemake ended with {done.returncode}:\n{done.stderr[-4000:]}")
        return done

    def snakemake_command(self, *arguments: str) -> list[str]:
        base = [sys.executable, "-m", "snakemake", "--cores", "2"]
        return [*base, *arguments, "--configfile", str(self.config_file)]

    def started(self) -> subprocess.Popen[bytes]:
        """The workflow in a session of its own, to be killed."""
        self.write_config()
        return subprocess.Popen(
            self.snakemake_command(),
            cwd=self.root,
            env=self.environment,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
            start_new_session=True,
        )

    def planned(self, *arguments: str) -> dict[str, int]:
        """Rule to number of jobs that would run now."""
        return parse_plan(self.snakemake("-n", *arguments).stdout)

    def regbench(self, *arguments: str) -> subprocess.CompletedProcess[str]:
        self.write_config()
        return subprocess.run(
            [sys.executable, "-m", "regbench.cli.main", *arguments],
            cwd=self.root,
            env=self.environment,
            capture_output=True,
            text=True,
        )

    def folder(self, run: str, task: str = "toy", seed: int = 0) -> Path:
        return self.root / "results" / "toy" / task / run / f"seed{seed}"


def parse_plan(text: str) -> dict[str, int]:
    """The job table that `snakemake -n` prints."""
    jobs: dict[str, int] = {}
    inside = False
    for line in text.splitlines():
        words = line.split()
        if words[:2] == ["job", "count"]:
            inside = True
        elif inside and len(words) == 2 and words[1].isdigit():
            jobs[words[0]] = int(words[1])
        elif inside and not line.startswith("-"):
            inside = False
    jobs.pop("total", None)
    jobs.pop("all", None)
    return jobs


def make_project(root: Path, *, engine: bool = False) -> ToyProject:
    """A project with the rules, metrics and reports of the repository.

    Args:
        root: an empty folder.
        engine: copy the engine too, for tests that edit it.
    """
    for name in ("Snakefile", "workflow", "rules", "profiles", "metrics", "config"):
        source = REPO / name
        if source.is_dir():
            shutil.copytree(source, root / name, ignore=IGNORED)
        else:
            shutil.copy(source, root / name)
    if engine:
        # With what Python has compiled of it, which goes by the files' times.
        shutil.copytree(REPO / "regbench", root / "regbench")
    for name in ("identity", "oracle", "mean_field"):
        shutil.copytree(REPO / "methods" / name, root / "methods" / name, ignore=IGNORED)
    shutil.copytree(REPO / "datasets" / "learn2reg", root / "datasets/learn2reg", ignore=IGNORED)
    for kind in ("methods", "datasets"):
        shutil.copytree(PLUGINS / kind, root / kind, dirs_exist_ok=True, ignore=IGNORED)
    shutil.copytree(REPO / "reports" / "kinds", root / "reports" / "kinds", ignore=IGNORED)
    table = yaml.safe_load((REPO / "reports" / "table2.yaml").read_text())
    # The paper's recipe is in a report that the toy project lacks.
    del table["recipe"]
    (root / "reports" / "table.yaml").write_text(yaml.safe_dump({**table, "task": "toy"}))
    shutil.copy(REPO / "reports" / "leaderboard.yaml", root / "reports")
    project = ToyProject(
        root,
        {
            "name": "toy",
            "datasets": {"toy": {"plugin": "toy"}},
            "tasks": {"toy": {"dataset": "toy", "labels": {"box": [1], "both": [1, 2]}}},
            "methods": ["identity", "oracle", "shift"],
        },
    )
    project.write_config()
    return project


#: Names the test that started a process, to all that the process starts.
MARK = "TOY_PROJECT_MARK"


def still_running(mark: str, within_s: float = 10.0) -> list[str]:
    """Commands, but this one, that were started under MARK=`mark` and do not end in time."""
    import psutil

    deadline = time.monotonic() + within_s
    while True:
        commands = []
        for process in psutil.process_iter():
            with contextlib.suppress(psutil.Error, OSError):
                if process.pid != os.getpid() and process.environ().get(MARK) == mark:
                    commands.append(" ".join(process.cmdline()))
        if not commands or time.monotonic() > deadline:
            return commands
        time.sleep(0.1)


def kill_group(process: subprocess.Popen[bytes]) -> None:
    """SIGKILL the whole tree of a process that leads a group of its own."""
    import psutil

    try:
        family = [*psutil.Process(process.pid).children(recursive=True)]
    except psutil.NoSuchProcess:
        family = []
    with contextlib.suppress(ProcessLookupError):
        os.killpg(process.pid, signal.SIGKILL)
    for member in family:
        try:
            member.kill()
        except psutil.NoSuchProcess:
            continue
    process.wait()
