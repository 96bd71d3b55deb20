"""Bad configs, commands and files: each is given to the command line once, on files of its own.

    python tools/bad_inputs.py           all
    python tools/bad_inputs.py zip       those whose name has this text, with the answers

The answer must be code 2 and one line, or code 3 and a failed case, and have the words that are
listed for it. There is no traceback; no file that was there is changed; code 2 leaves no new one.
Each is tried in a fork of this process, which has imported the command line already; `regbench run`
then becomes Snakemake. The lists are those of bad_inputs.yaml, of this file and of the tests.
"""

import contextlib
import csv
import ctypes
import os
import re
import shlex
import shutil
import signal
import sys
import tempfile
import time
import traceback
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

import yaml

sys.path.insert(0, str(Path(__file__).resolve().parents[1] / "tests"))
from bad_annotations import ANNOTATIONS
from bad_data import PREPARED, REFUSED
from bad_fields import FIELDS
from damage import Folder
from helpers import shift_field, toy_dataset
from shell import Shell
from test_bad_configs import BAD as BEYOND_LIMITS
from test_bad_configs import config as config_with
from test_bad_configs import repeated
from test_challenge import BROKEN
from test_cli import BAD_REGISTER
from test_scaffold import BAD_NAMES
from test_transforms_bad import CASES as TRANSFORMS
from toy_project import PLUGINS

from regbench.cli.main import main as regbench
from regbench.spatial.field import write_field

#: What an answer may take: seconds, and MiB of memory.
MOST_S, MOST_MB = 60.0, 1024
BASE = {
    "name": "toy",
    "plugins": {kind: [str(PLUGINS / kind)] for kind in ("methods", "datasets")},
    "datasets": {"toy": {"plugin": "toy", "splits": {"test": {"count": 1, "seed": 300}}}},
    "tasks": {"toy": {"dataset": "toy", "labels": {"box": [1]}}},
    "methods": ["identity"],
    "metrics": ["dice"],
}


class Place(Folder):
    """A data set with fields, a pair of images, a project of toys, and `own`, of the box."""

    fixed = property(lambda self: self.root / "in" / "f.nii.gz")
    moving = property(lambda self: self.root / "in" / "m.nii.gz")
    output = property(lambda self: self.root / "out" / "o.nii.gz")
    project = property(lambda self: self.root / "project")
    own = property(lambda self: self.root / "own")
    config = property(lambda self: self.own / "config" / "toy.yaml")
    pair = Shell.pair

    def fill(self) -> None:
        """Make all of it."""
        Shell(self.root, None)  # type: ignore[arg-type]
        toy_dataset(self.json.parent, numbers=(1, 2))
        for n in (1, 2):
            name = f"disp_000{n}_000{n}.nii.gz"
            write_field(self.field.with_name(name), shift_field((0, 0, 0)))
        with contextlib.redirect_stdout(None):
            regbench(["init", str(self.own)])
        self.config.write_text(yaml.safe_dump(BASE))

    def write(self, name: str, content: str) -> None:
        """Replace a file."""
        (self.root / name).write_bytes(content.encode("latin-1"))

    def set(self, text: str) -> None:
        """Replace keys of the config."""
        self.config.write_text(yaml.safe_dump(BASE | yaml.safe_load(text)))

    def words(self, text: str) -> list[str]:
        """A command with the names of files in it."""
        names = ("root", "own", "project", "config", "json", "field", "fixed", "moving", "output")
        given = {name: str(getattr(self, name)) for name in names}
        given |= {"long": "x" * 300, "nested": "[" * 10**5}
        given["pair"] = shlex.join(map(str, self.pair()[:4]))
        given["data"] = f"--dataset {given['json']} --predictions {self.field.parent}"
        return shlex.split(text.format(**given))


@dataclass(frozen=True)
class BadCommand:
    """A command with something wrong in it.

    Attributes:
        what: is wrong.
        words: of the command, or a function that damages the place and returns them.
        says: words of the answer, in their order.
        make: damages the place.
        code: the exit code.
        sealed: nothing in the place may be written.
    """

    what: str
    words: str | Callable[[Any], list[Any]]
    says: tuple[str, ...]
    make: Callable[[Any], object] = lambda place: None
    code: int = 2
    sealed: bool = False


#: Both resolve a config; the first starts no process.
VERDICT, RUN = "verdict --config {config}", "run --config {config} -n"
CONVERT = "convert {pair} --output {output}"
SHIFT = "--root {project} register shift {pair} --output {output}"
EVALUATE = "--root {project} evaluate {data} --output {root}/out/m.csv"
TEAMS = "evaluate --dataset {json} --teams {root}/teams --output {root}/out"


#: Contents of a config that are made: what is wrong, the content, words of the answer.
CONTENTS = (
    ("a config of zeros", "\0" * 200, "is not valid YAML in line 1"),
    ("a config of 100000 brackets", "name: " + "[" * 10**5, "is not valid YAML"),
    ("a config with a number of 5000 digits", f"seeds: [{'9' * 5000}]\n", "is not valid YAML"),
    ("a config that repeats itself", repeated("x{}: &a{} [{}]\n"), "1e+09 values"),
    (
        "settings that repeat themselves",
        "methods:\n- method: shift\n  settings:\n" + repeated("    x{}: &a{} [{}]\n"),
        "1e+09 values",
    ),
)


def listed() -> Iterator[BadCommand]:
    """Those of the file beside this one, and CONTENTS."""
    known = yaml.safe_load(Path(__file__).with_suffix(".yaml").read_text(encoding="utf-8"))
    for words, kind in ((VERDICT, "configs"), (RUN, "planned")):
        for text, says in known[kind].items():
            yield BadCommand(text, words, tuple(says), partial(Place.set, text=text))
    for words, says in known["commands"].items():
        yield BadCommand(words, words, tuple(says))
    for words, says in known["sealed"].items():
        yield BadCommand(f"sealed: {words}", words, tuple(says), sealed=True)
    for what, content, *says in (*CONTENTS, *((k, *v) for k, v in known["contents"].items())):
        make = partial(Place.write, name="own/config/toy.yaml", content=content)
        yield BadCommand(what, RUN, tuple(says), make)
    for what, (name, content, *says) in known["methods"].items():
        make = partial(Place.write, name=f"project/methods/shift/{name}", content=content)
        yield BadCommand(what, SHIFT, tuple(says), make)


def of_tests() -> Iterator[BadCommand]:
    """Those that the tests try."""
    for bad in REFUSED:
        yield BadCommand(bad.what, EVALUATE, bad.says, bad.make)
    for bad in (*FIELDS, *(bad for _, bad in ANNOTATIONS)):
        yield BadCommand(bad.what, EVALUATE, bad.says, bad.make, 3)
    for bad in PREPARED:
        if bad.what.startswith("image: ") and "link" not in bad.what:
            yield BadCommand(f"{bad.what}, to register", _registered, bad.says, bad.make)
    for name, (words, says) in BAD_REGISTER.items():
        words = lambda p, words=words: ["--root", p.project, *words(p)]  # noqa: E731
        yield BadCommand(f"register: {name}", words, tuple(map(str, says)))
    for name, (file, layout, write, said) in TRANSFORMS.items():
        if name not in ("missing", "layout", "dat nan"):
            words = f"{CONVERT} --layout {layout} --transform {{root}}/{file}"
            make = lambda p, write=write, file=file: write(p.root / file)  # noqa: E731
            yield BadCommand(f"a transform: {name}", words, (said,), make)
    for changes, says in BEYOND_LIMITS:
        make = partial(Place.set, text=yaml.safe_dump(config_with(**dict(changes))))
        yield BadCommand(f"a limit: {str(changes)[:60]}", RUN, says, make)
    for name in BAD_NAMES:
        yield BadCommand(
            f"the name {name!r}", f"new-method -- {shlex.quote(name)}", ("not a name",)
        )
    for name, (write, said) in BROKEN.items():
        yield BadCommand(f"a zip of a team: {name}", TEAMS, (said,), _team(write), 3)


def _registered(place: Place) -> list[Any]:
    images = {"fixed": place.image(), "moving": place.image("Toy_0001_0001")}
    return ["--root", place.project, *place.pair("register", "shift", **images)]


def _team(write: Callable[[Path], object]) -> Callable[[Place], object]:
    return lambda p: ((p.root / "teams").mkdir(), write(p.root / "teams" / "one.zip"))


class Attempts:
    """Tries one after the other, in a folder."""

    def __init__(self, folder: Path) -> None:
        self.folder, self.place = folder, Place(folder / "place", [])
        self.place.fill()
        self.place.root.rename(folder / "template")

    def wrong(self, item: BadCommand) -> tuple[str, str]:
        """What is wrong with the answer to a bad input, if anything; and the answer."""
        place = Place(self.place.root, [])
        shutil.rmtree(place.root, ignore_errors=True)
        shutil.copytree(self.folder / "template", place.root, symlinks=True)
        item.make(place)
        words = place.words(item.words) if isinstance(item.words, str) else item.words(place)
        words = [*map(str, words), *map(str, place.more)]
        before = _content(place.root)
        for path in (place.root, *place.root.rglob("*")) if item.sealed else ():
            path.chmod(path.stat().st_mode & ~0o222)
        code, megabytes, out, err = self._run(words, item.sealed)
        after = _content(place.root)
        told = [line for line in err.splitlines() if re.match(r"regbench( [\w-]+)*: ", line)]
        answer, rows = told[0] if told else "", []
        if item.code == 3:
            if (table := place.root / "out" / "m.csv").is_file():
                rows = list(csv.DictReader(table.read_text().splitlines()))
            answer = "\n".join([out, err, *(row["status"] for row in rows)])
        found = re.search(".*?".join(map(re.escape, item.says)), answer, re.DOTALL)
        passing = PASSING + r"|/own/(data|results)/" * words[0].startswith("train")
        new = [name for name in after.keys() - before.keys() if not re.search(passing, name)]
        problems = {
            f"code {code}": code != item.code,
            "a traceback": "Traceback" in out + err,
            f"{len(told)} lines": item.code == 2 and len(told) != 1,
            f"not the words {item.says}": not item.says or found is None,
            "a number": any((row["value"] == "nan") == (row["status"] == "ok") for row in rows),
            "a file is changed": any(after.get(name) != before[name] for name in before),
            f"new files: {new}": item.code == 2 and new,
            f"{megabytes} MiB": megabytes > MOST_MB,
        }
        return ", ".join(text for text, is_so in problems.items() if is_so), err + out

    def _run(self, words: list[str], sealed: bool) -> tuple[int, int, str, str]:
        """Code, memory and output of a command, in a fork of this process."""
        files = [self.folder / name for name in ("out", "err")]
        for file in files:
            file.write_text("")
        started = time.monotonic()
        if not (pid := os.fork()):
            os._exit(_child(words, self.place.own, files, sealed))
        while not (ended := os.wait4(pid, os.WNOHANG))[0]:
            time.sleep(0.01)
            if time.monotonic() - started > MOST_S:
                os.kill(pid, signal.SIGKILL)
        code = os.waitstatus_to_exitcode(ended[1])
        out, err = (file.read_text(errors="replace") for file in files)
        return code, ended[2].ru_maxrss // 1024, out, err


#: Files that a refused command may leave: caches, notes of Snakemake, the config of a run.
PASSING = r"__pycache__|/\.snakemake/|/results/toy/configs/"


def _content(root: Path) -> dict[str, bytes]:
    """The files below a folder."""
    files = (file for file in root.rglob("*") if file.is_file())
    return {str(file): file.read_bytes() for file in files}


def _respect_permissions() -> None:
    """Of root: take the right away to write what nobody may write, from its programs, too."""
    libc = ctypes.CDLL(None, use_errno=True)
    # PR_SET_SECUREBITS: SECBIT_NOROOT and its lock. Then no capabilities.
    if os.geteuid() == 0 and libc.prctl(28, 3, 0, 0, 0) == 0:
        libc.capset((ctypes.c_uint32 * 2)(0x20080522, 0), (ctypes.c_uint32 * 6)())


def _child(words: list[str], folder: Path, files: list[Path], sealed: bool) -> int:
    """Run a command as if it had been started by itself."""
    for number, file in enumerate([Path(os.devnull), *files]):
        os.dup2(os.open(file, os.O_RDWR), number)
    os.chdir(folder)
    if sealed:
        _respect_permissions()
    try:
        return regbench(words)
    except SystemExit as end:
        return int(end.code or 0)
    except BaseException:
        traceback.print_exc()
        return 99
    finally:
        sys.stdout.flush()
        sys.stderr.flush()


def everything() -> list[BadCommand]:
    """All bad inputs."""
    return [*listed(), *of_tests()]


def main() -> int:
    """Try those that are asked for, and print what is wrong."""
    only, wrong = "".join(sys.argv[1:2]), 0
    chosen = [item for item in everything() if only in item.what]
    with tempfile.TemporaryDirectory(prefix="bad-inputs-") as folder:
        attempts = Attempts(Path(folder))
        for item in chosen:
            problem, answer = attempts.wrong(item)
            wrong += bool(problem)
            if problem or only:
                print(f"## {item.what}\n-- {problem}\n{answer}", flush=True)
    print(f"{len(chosen)} bad inputs, {wrong} with a wrong answer")
    return 1 if wrong else 0


if __name__ == "__main__":
    sys.exit(main())
