"""A campaign of faults on the toy project: kills, damaged files, full disks, bad inputs.

    python tools/campaign.py --kills 100 --damaged 40 --disks 20

Each bad input of `bad_inputs.py` is tried once. The other faults happen at a random place: after
each, the same command is run until it succeeds, at most three times, and the table's numbers,
without seconds, are compared with those of an undisturbed run. It ends with the counts of what was
tried and of what went wrong: code 1 where anything did.
"""

import argparse
import contextlib
import os
import random
import shutil
import signal
import subprocess
import sys
import tempfile
import time
from collections import Counter
from collections.abc import Callable
from pathlib import Path

import pandas as pd
import psutil

sys.path.insert(0, str(Path(__file__).resolve().parents[1] / "tests"))
from bad_inputs import Attempts, everything
from toy_project import ToyProject, kill_group, make_project

#: Runs after a fault within which everything must be right again: one may only refuse a file.
MOST_RUNS = 3


class Campaign:
    """The undisturbed project, and the counts."""

    def __init__(self, folder: Path, seed: int) -> None:
        self.folder = folder
        self.random = random.Random(seed)  # noqa: S311
        self.tried: Counter[str] = Counter()
        self.wrong: list[str] = []
        self.reference = self.project("reference")
        self.reference.snakemake()
        self.numbers = numbers(self.reference)
        (folder / "bad").mkdir()
        self.attempts, self.bad = Attempts(folder / "bad"), everything()

    def project(self, name: str) -> ToyProject:
        """A project like the undisturbed one, without results."""
        (self.folder / name).mkdir()
        project = make_project(self.folder / name, engine=True)
        project.config["datasets"]["toy"]["splits"] = {"test": {"count": 3, "seed": 300}}
        slow = {"method": "shift", "settings": {"sleep_s": 0.5}}
        project.config |= {"methods": ["identity", slow], "metrics": ["dice", "folds"]}
        project.write_config()
        return project

    def copy(self, name: str) -> ToyProject:
        """A copy of the undisturbed project with its results."""
        shutil.copytree(self.reference.root, self.folder / name, symlinks=True)
        return ToyProject(self.folder / name, self.reference.config)

    def must_recover(self, project: ToyProject, what: str, *arguments: str) -> None:
        """Run until it succeeds, then compare the numbers; no run may show a traceback."""
        for _ in range(MOST_RUNS):
            done = project.snakemake(*arguments, check=False)
            if "Traceback" in done.stdout + done.stderr:
                self.wrong.append(f"{what}: a traceback: {(done.stdout + done.stderr)[-1500:]}")
            if done.returncode == 0:
                break
            arguments = ()
        if done.returncode:
            self.wrong.append(f"{what}: code {done.returncode} after {MOST_RUNS} runs")
        elif numbers(project) != self.numbers:
            self.wrong.append(f"{what}: other numbers")

    def kill(self, number: int) -> None:
        """The workflow is killed at a random moment: all of it, or what runs deepest, or a job."""
        project = self.project(f"kill{number}")
        process = project.started()
        how = ("tree", "deepest", "launcher")[number % 3]
        while process.poll() is None and not list(project.root.glob("results/toy/toy/*/seed0/*")):
            time.sleep(0.05)
        time.sleep(self.random.uniform(0, 3))
        if how == "tree":
            kill_group(process)
        else:
            self._kill_inside(process.pid, "worker" if how == "deepest" else "stage")
            process.wait()
        kept = _statuses(project)
        self.must_recover(project, f"kill {how}")
        lost = [name for name, content in kept.items() if _statuses(project)[name] != content]
        if lost:
            self.wrong.append(f"kill {how}: finished cases were registered again: {lost}")

    def _kill_inside(self, pid: int, word: str) -> None:
        for child in psutil.Process(pid).children(recursive=True)[::-1]:
            with contextlib.suppress(psutil.Error):
                if any(word in part for part in child.cmdline()):
                    child.send_signal(signal.SIGKILL)
                    return

    def damage(self, number: int) -> None:
        """A file that the engine wrote is cut, changed or filled with noise; then it is read."""
        project = self.copy(f"damage{number}")
        places = ("results/toy/toy", "data/toy")
        files = [p for place in places for p in sorted((project.root / place).rglob("[!.]*.*"))]
        file = self.random.choice([path for path in files if path.is_file()])
        content = bytearray(file.read_bytes())
        how = self.random.choice(("cut", "changed", "noise"))
        if how == "cut":
            content = content[: self.random.randrange(len(content))]
        elif how == "changed":
            content[self.random.randrange(len(content))] ^= 1
        else:
            content = bytearray(self.random.randbytes(200))
        file.write_bytes(content)
        what = f"damage {how} {file.relative_to(project.root)}"
        self.must_recover(project, what, "--forcerun", "prepare", "register", "collect", "merge")

    def disk(self, number: int) -> None:
        """The results are on a disk of some hundred kB, which is enlarged after the first run."""
        project = self.project(f"disk{number}")
        results = project.root / "results"
        results.mkdir()
        size = self.random.randint(16, 120)
        mount = ["mount", "-t", "tmpfs", "-o", f"size={size}k", "tmpfs", str(results)]
        if os.geteuid() or subprocess.run(mount, check=False).returncode:
            self.tried["disk (no mount: skipped)"] += 1
            return
        try:
            first = project.snakemake(check=False)
            if "Traceback" in first.stdout + first.stderr:
                self.wrong.append(f"disk of {size} kB: a traceback")
            subprocess.run([*mount[:1], "-o", "remount,size=64m", str(results)], check=True)
            self.must_recover(project, f"disk of {size} kB")
        finally:
            subprocess.run(["umount", str(results)], check=True)  # noqa: S607

    def bad_input(self, number: int) -> None:
        """A bad config, command or file; each is tried once."""
        item = self.bad[number]
        if problem := self.attempts.wrong(item)[0]:
            self.wrong.append(f"bad input {item.what}: {problem}")

    def repeat(self, fault: Callable[[int], None], count: int) -> None:
        """Cause a fault so many times; each has a project of its own, removed in the end."""
        for number in range(count):
            fault(number)
            self.tried[fault.__name__] += 1
            print(f"{fault.__name__} {number + 1} of {count}, {len(self.wrong)} wrong", flush=True)
            shutil.rmtree(self.folder / f"{fault.__name__}{number}", ignore_errors=True)


def numbers(project: ToyProject) -> list[str]:
    """The table's rows without the columns of seconds."""
    table = pd.read_csv(project.root / "reports" / "table.csv", dtype=str)
    kept = [name for name in table.columns if not name.startswith(("Time", "CPU seconds"))]
    return [",".join(map(str, row)) for row in table[kept].itertuples(index=False)]


def _statuses(project: ToyProject) -> dict[str, bytes]:
    """The finished cases that are ok."""
    files = project.root.glob("results/toy/toy/*/seed0/*/status.json")
    found = {str(file.relative_to(project.root)): file.read_bytes() for file in files}
    return {name: content for name, content in found.items() if b'"outcome": "ok"' in content}


def main() -> int:
    """Run the campaign and print its counts."""
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("--kills", type=int, default=100, help="of everything, a worker, a job")
    parser.add_argument("--damaged", type=int, default=40, help="files that the engine wrote")
    parser.add_argument("--disks", type=int, default=20, help="that are full; as root")
    parser.add_argument("--seed", type=int, default=1)
    options = parser.parse_args()
    with tempfile.TemporaryDirectory(prefix="campaign-") as folder:
        campaign = Campaign(Path(folder), options.seed)
        campaign.repeat(campaign.bad_input, len(campaign.bad))
        campaign.repeat(campaign.disk, options.disks)
        campaign.repeat(campaign.damage, options.damaged)
        campaign.repeat(campaign.kill, options.kills)
    print(", ".join(f"{name}: {count}" for name, count in campaign.tried.items()))
    print("\n".join(campaign.wrong) or "nothing went wrong")
    return 1 if campaign.wrong else 0


if __name__ == "__main__":
    sys.exit(main())
