"""Mutants chosen by hand, the edits that a careless maintainer makes: do the tests see them?

    python tools/mutants.py                  all of tests/mutants.yaml
    python tools/mutants.py --only loss      those whose file or edit has this text
    python tools/mutants.py --part 2/5       the second of five equal parts

The tree is copied to a temporary folder, and each mutant is made in the copy: the working tree is
left alone. First each test file must pass without a mutant. Then a mutant is *killed* if one of its
test files fails or takes too long, and has *survived* otherwise. It ends with the score: code 1 if
a mutant survived that is not named as equivalent, code 2 if a mutant's text is not in its file
exactly once or a test fails by itself.
"""

import argparse
import contextlib
import multiprocessing
import os
import shutil
import signal
import subprocess
import sys
import tempfile
import time
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import pytest
import yaml

REPO = Path(__file__).resolve().parents[1]
LIST = REPO / "tests" / "mutants.yaml"
#: What most tests import, and what takes long to import.
PRELOAD = (
    *("hypothesis", "matplotlib.pyplot", "nibabel", "numba", "numpy", "pandas", "pydantic"),
    *("scipy.ndimage", "scipy.stats", "statsmodels.stats.multitest", "surface_distance", "torch"),
)
KILLED, SURVIVED, EQUIVALENT, LOST = "killed", "survived", "equivalent", "text not found"


@dataclass(frozen=True)
class Mutant:
    """One edit of one file.

    Attributes:
        file: path in the tree.
        edit: what it does, in words.
        old, new: text of the file, there once, and what takes its place.
        tests: the test files that watch the file, without folder and ending.
        equivalent: why no test can see it; empty for others.
    """

    file: str
    edit: str
    old: str
    new: str
    tests: tuple[str, ...]
    equivalent: str = ""

    @property
    def name(self) -> str:
        return f"{self.file}: {self.edit}"


class TestsFail(Exception):
    """Test files fail without a mutant."""


def read(file: Path) -> list[Mutant]:
    """The list: test files, then file, then edits."""
    return [
        Mutant(
            name, item["edit"], item["old"], item["new"], tuple(tests), item.get("equivalent", "")
        )
        for group in yaml.safe_load(file.read_text(encoding="utf-8"))
        for tests in [group["tests"]]
        for name, items in group["files"].items()
        for item in items
    ]


def copy_tree(source: Path, target: Path) -> None:
    """Copy what git knows of a tree, or would add to it."""
    git = ["git", "ls-files", "--cached", "--others", "--exclude-standard", "-z"]
    listed = subprocess.run(git, cwd=source, capture_output=True, check=True).stdout
    for name in filter(None, listed.decode().split("\0")):
        if (source / name).is_file():
            (target / name).parent.mkdir(parents=True, exist_ok=True)
            shutil.copy2(source / name, target / name)


def run_tests(tree: Path, tests: Sequence[str]) -> None:
    """Run test files of a tree in this process, which has imported nothing of any tree."""
    os.setsid()
    silent = os.open(os.devnull, os.O_RDWR)
    for stream in range(3):
        os.dup2(silent, stream)
    for name in [name for name in os.environ if name.startswith("PYTEST")]:
        del os.environ[name]
    os.environ |= {"PYTHONPATH": str(tree), "NUMBA_CACHE_DIR": str(tree / ".numba")}
    os.chdir(tree)
    sys.path[:0] = [str(tree)]
    files = [f"tests/{name}.py" for name in tests]
    sys.exit(int(pytest.main(["-x", "-q", "-p", "no:cacheprovider", *files])))


class Campaign:
    """A copy of the tree in which mutants live, one at a time."""

    def __init__(self, tree: Path, seconds: float, preload: Sequence[str] = ()) -> None:
        self.tree = tree
        self.seconds = seconds
        # A process that has imported what takes long, of which each run is a fork.
        self.context = multiprocessing.get_context("forkserver")
        self.context.set_forkserver_preload(list(preload))
        self.passed: set[str] = set()

    def passes(self, tests: Sequence[str]) -> bool:
        """Whether the test files pass, in one process, in time."""
        # numba does not see that a function in another file was edited.
        shutil.rmtree(self.tree / ".numba", ignore_errors=True)
        process = self.context.Process(target=run_tests, args=(self.tree, tests))
        process.start()
        process.join(self.seconds)
        # All that the tests started is in its group; without any there is nothing to end.
        with contextlib.suppress(ProcessLookupError):
            os.killpg(process.pid or 0, signal.SIGKILL)
        process.join()
        return process.exitcode == 0

    def check(self, mutants: Sequence[Mutant]) -> None:
        """Refuse test files that fail by themselves: they would kill every mutant."""
        files = {name for mutant in mutants for name in mutant.tests} - self.passed
        bad = [name for name in sorted(files) if not self.passes([name])]
        if bad:
            raise TestsFail(f"fail without a mutant: {', '.join(bad)}")
        self.passed |= files

    def judge(self, mutant: Mutant) -> str:
        """What becomes of a mutant; the copy is as it was afterwards."""
        file = self.tree / mutant.file
        text = file.read_text(encoding="utf-8") if file.is_file() else ""
        if text.count(mutant.old) != 1:
            return LOST
        if mutant.equivalent:
            return EQUIVALENT
        stat = file.stat()
        file.write_text(text.replace(mutant.old, mutant.new), encoding="utf-8")
        try:
            return SURVIVED if self.passes(mutant.tests) else KILLED
        finally:
            file.write_text(text, encoding="utf-8")
            # As it was for Python's compiled files, too: they go by a file's time.
            os.utime(file, ns=(stat.st_atime_ns, stat.st_mtime_ns))


def main(words: Sequence[str] | None = None) -> int:
    """The command line."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").split("\n\n")[0])
    parser.add_argument("--only", default="", metavar="TEXT", help="of a mutant's file or edit")
    parser.add_argument("--part", default="1/1", metavar="K/N", help="one of N equal parts")
    parser.add_argument("--seconds", type=float, default=120.0, help="for a mutant's tests")
    parser.add_argument("--list", type=Path, default=LIST, help="of mutants (default: %(default)s)")
    parser.add_argument("--tree", type=Path, default=REPO, help="a git checkout (this one)")
    options = parser.parse_args(words)
    part, parts = map(int, options.part.split("/"))
    chosen = [mutant for mutant in read(options.list) if options.only in mutant.name]
    chosen = chosen[len(chosen) * (part - 1) // parts : len(chosen) * part // parts]
    ends: Counter[str] = Counter()
    with tempfile.TemporaryDirectory(prefix="regbench-mutants-") as name:
        copy_tree(options.tree, Path(name))
        own = options.tree.resolve() == REPO
        campaign = Campaign(Path(name), options.seconds, PRELOAD if own else ())
        for mutant in chosen:
            started = time.monotonic()
            try:
                campaign.check([mutant])
            except TestsFail as problem:
                print(f"mutants: {problem}", file=sys.stderr)
                return 2
            end = campaign.judge(mutant)
            ends[end] += 1
            print(f"{end:<14} {time.monotonic() - started:5.1f} s  {mutant.name}", flush=True)
    counted = ends[KILLED] + ends[SURVIVED]
    rate = f" = {100 * ends[KILLED] / counted:.1f} %" if counted else ""
    rest = f"equivalent {ends[EQUIVALENT]}; {LOST} {ends[LOST]}"
    print(f"killed {ends[KILLED]} of {counted}{rate}; {rest}")
    return 2 if ends[LOST] else 1 if ends[SURVIVED] else 0


if __name__ == "__main__":
    sys.exit(main())
