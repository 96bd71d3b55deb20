"""Which files a method wrote, by the record of `regbench.check.watched`.

The record misses what compiled code and subprocesses write; for those, folders are compared.
"""

import tempfile
from collections.abc import Iterator, Mapping
from pathlib import Path

from regbench.base.files import sha256
from regbench.check import FAIL, OK, UNEDITED_TITLES, WARNING, Finding
from regbench.check.bench import Bench
from regbench.execution.sandbox import writable_folders
from regbench.plugins.kinds import DatasetPlugin, MethodPlugin

#: More printed bytes than this fill disks, because each job has a log.
LOUD_BYTES = 2**20

_WHERE = (
    "write to self.context.workdir (a command: its working folder), which is removed afterwards"
)


def contents(folder: Path) -> dict[str, str]:
    """Relative path to hash of every file below a folder, except compiled Python."""
    return {
        str(path.relative_to(folder)): sha256(path)
        for path in sorted(folder.rglob("*"))
        if path.is_file() and "__pycache__" not in path.parts
    }


def changed(before: Mapping[str, str], after: Mapping[str, str]) -> list[str]:
    """Names of the files that two `contents` do not share."""
    names = before.keys() | after.keys()
    return sorted(name for name in names if before.get(name) != after.get(name))


def described(
    plugin: MethodPlugin | DatasetPlugin, file: str, *, needed: bool
) -> Iterator[Finding]:
    """What is unedited or missing of the texts for people in a plugin's `file`."""
    if plugin.title in UNEDITED_TITLES:
        text = f"the title is {plugin.title!r}"
        yield Finding("metadata", WARNING, text, f"set title in {file}")
    if needed and not plugin.description:
        fix = f"add a line description: to {file}"
        yield Finding("metadata", WARNING, "no description", fix)


def inputs_finding(before: Mapping[str, str], after: Mapping[str, str]) -> Finding:
    """Whether the input files are as they were; new files do not count."""
    names = [name for name in changed(before, after) if name in before]
    if names:
        text = f"changed {len(names)} input files, {names[0]} first"
        return Finding("inputs", FAIL, text, "copy what you change into your working folder")
    return Finding("inputs", OK, "left as they were")


def writes_findings(
    bench: Bench, plugin_before: Mapping[str, str], printed_before: int
) -> Iterator[Finding]:
    """Files that the method wrote where it should not, and whether it printed much.

    Args:
        bench: whose workers have ended.
        plugin_before: `contents` of the plugin's folder before it ran.
        printed_before: bytes of the log before it ran.
    """
    folder = bench.plugin.folder.resolve()
    outside = {str(folder / name) for name in changed(plugin_before, contents(folder))}
    outside |= {str(path) for path in bench.here.rglob("*") if path.is_file()}
    left = []
    record = bench.record.read_bytes() if bench.record.is_file() else b""
    for path in map(Path, record.decode(errors="surrogateescape").splitlines()):
        kind = place_of(path, bench)
        if kind == "outside":
            outside.add(str(path))
        elif kind == "temporary" and path.exists():
            left.append(str(path))
    if outside:
        more = f" and {len(outside) - 1} more" if len(outside) > 1 else ""
        text = f"writes outside its folder: {min(outside)}{more}"
        yield Finding("files", FAIL, text, _WHERE)
    elif left:
        text = f"leaves {len(left)} files in the temporary folder: {left[0]}"
        yield Finding("files", WARNING, text, _WHERE)
    else:
        yield Finding("files", OK, "writes nothing outside its working folder")
    printed = size(bench.log) - printed_before
    if printed > LOUD_BYTES:
        text = f"printed {printed / 2**20:.0f} MiB while it was checked"
        yield Finding("output", WARNING, text, "print less: each job keeps it in a log")


def size(file: Path) -> int:
    """Bytes of a file; 0 where there is none."""
    return file.stat().st_size if file.is_file() else 0


def place_of(path: Path, bench: Bench) -> str:
    """Where a written path lies: `own`, `temporary` or `outside`."""
    if "__pycache__" in path.parts:
        return "own"
    own = writable_folders(bench.outputs, bench.plugin.folder)
    # matplotlib's, too, which a library may bring in.
    if any(path.is_relative_to(p) for p in (*own, Path.home() / ".config" / "matplotlib")):
        return "own"
    if any(path.is_relative_to(p) for p in (bench.inputs, bench.here, bench.plugin.folder)):
        return "outside"
    return "temporary" if path.is_relative_to(tempfile.gettempdir()) else "outside"
