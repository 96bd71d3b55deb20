"""What a method did to the files around it."""

import os
import tempfile
from collections.abc import Mapping
from pathlib import Path

from regbench.base.files import sha256
from regbench.check.bench import Bench
from regbench.check.finding import FAIL, OK, WARNING, Finding

#: Printing more than this fills disks: there is a log for each job.
LOUD_BYTES = 2**20

_WHERE = (
    "write to self.context.workdir (a command: its working folder), which is removed afterwards"
)


def contents(folder: Path) -> dict[str, str]:
    """Relative path to hash of every file below a folder; compiled Python left out."""
    return {
        str(path.relative_to(folder)): sha256(path)
        for path in sorted(folder.rglob("*"))
        if path.is_file() and "__pycache__" not in path.parts
    }


def inputs_finding(before: Mapping[str, str], after: Mapping[str, str]) -> Finding:
    """Whether the input files are as they were."""
    changed = [name for name in before if after.get(name) != before[name]]
    if changed:
        text = f"changed {len(changed)} input files, {changed[0]} first"
        return Finding("inputs", FAIL, text, "copy what you change into your working folder")
    return Finding("inputs", OK, "left as they were")


def writes_findings(
    bench: Bench, plugin_before: Mapping[str, str], printed_before: int
) -> list[Finding]:
    """Files that the method wrote where it should not, and whether it printed much.

    Args:
        bench: whose workers have ended.
        plugin_before: `contents` of the plugin's folder before it ran.
        printed_before: bytes of the log before it ran.
    """
    folder = bench.plugin.folder.resolve()
    after = contents(folder)
    outside = [str(folder / name) for name in after if plugin_before.get(name) != after[name]]
    outside += [str(path) for path in sorted(bench.here.rglob("*")) if path.is_file()]
    left = []
    for path in _recorded(bench):
        kind = place_of(path, bench)
        if kind == "outside":
            outside.append(str(path))
        elif kind == "temporary" and path.exists():
            left.append(str(path))
    found = []
    if outside:
        names = sorted(set(outside))
        text = f"writes outside its folder: {names[0]}" + (
            f" and {len(names) - 1} more" if len(names) > 1 else ""
        )
        found.append(Finding("files", FAIL, text, _WHERE))
    elif left:
        text = f"leaves {len(left)} files in the temporary folder: {left[0]}"
        found.append(Finding("files", WARNING, text, _WHERE))
    else:
        found.append(Finding("files", OK, "writes nothing outside its working folder"))
    printed = size(bench.log) - printed_before
    if printed > LOUD_BYTES:
        text = f"printed {printed / 2**20:.0f} MiB while it was checked"
        found.append(Finding("output", WARNING, text, "print less: each job keeps it in a log"))
    return found


def size(file: Path) -> int:
    """Bytes of a file; 0 where there is none."""
    return file.stat().st_size if file.is_file() else 0


def _recorded(bench: Bench) -> list[Path]:
    if not bench.record.is_file():
        return []
    text = bench.record.read_bytes().decode(errors="surrogateescape")
    return [Path(line) for line in text.splitlines()]


def place_of(path: Path, bench: Bench) -> str:
    """What a written path is: `own`, `temporary` or `outside`."""
    if "__pycache__" in path.parts or path.is_relative_to(bench.outputs):
        return "own"
    if path.parts[1:2] in (("dev",), ("proc",)):
        return "own"
    if any(path.is_relative_to(cache) for cache in _caches()):
        return "own"
    if any(path.is_relative_to(p) for p in (bench.inputs, bench.here, bench.plugin.folder)):
        return "outside"
    temporary = Path(tempfile.gettempdir())
    return "temporary" if path.is_relative_to(temporary) else "outside"


def _caches() -> list[Path]:
    """Folders that libraries keep compiled or downloaded things in."""
    home = Path.home()
    named = [os.environ.get(name) for name in ("XDG_CACHE_HOME", "NUMBA_CACHE_DIR", "MPLCONFIGDIR")]
    return [home / ".cache", home / ".config" / "matplotlib", *(Path(n) for n in named if n)]
