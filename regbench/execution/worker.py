"""The process that a method runs in: it registers one pair a request.

The launcher decides about limits, statuses and retries; the worker knows the method only. In a
method's own environment there may be no package but NumPy and nibabel, so only they are imported.
"""

import contextlib
import math
import os
import resource
import sys
import time
import traceback
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from regbench.base.errors import BadInput
from regbench.execution.sandbox import confine, writable_folders
from regbench.execution.serving import Answerer, serve_requests
from regbench.plugins.interface import Context, FunctionMethod, Method
from regbench.plugins.loading import load_entry
from regbench.spatial.field import (
    Field,
    check_displacement,
    check_plausible,
    read_field,
    write_field,
)
from regbench.spatial.nifti import read_volume
from regbench.spatial.volume import Volume

if TYPE_CHECKING:
    from regbench.plugins.kinds import MethodPlugin

#: Fields that a method may list under `needs`: the worker reads them, and hands them to `register`
#: as keywords of these names.
_FIELD_KEYWORDS = ("true_field", "precomputed_field")


def worker_job(
    method: "MethodPlugin",
    settings: Mapping[str, Any],
    seed: int,
    *,
    prealigned: bool = False,
    training_fields: Sequence[Path] = (),
    checkpoint: str | Path | None = None,
    device: str = "cpu",
) -> dict[str, Any]:
    """The first line that a worker reads: all that it knows about its method.

    Paths are absolute, those in settings included: the worker has its own working folder.
    """
    own = method.environment
    return {
        "folder": str(method.folder.resolve()),
        "entry": method.entry,
        "command": list(method.command),
        "environment": None if own is None else str(own.folder),
        "install": method.install or (f"add it to {own.lock}" if own else ""),
        "confined": method.confined,
        "settings": absolute_paths({**method.unlisted_settings(), **settings}),
        "seed": seed,
        "threads": method.resources.threads,
        "device": device,
        "prealigned": prealigned,
        "warmup": method.warmup,
        "fields": [name for name in _FIELD_KEYWORDS if name in method.needs],
        "training_fields": [str(path.resolve()) for path in training_fields],
        "checkpoint": None if checkpoint is None else str(Path(checkpoint).resolve()),
    }


def field_request(path: Path | None) -> tuple[list[str], str]:
    """How a request states a field of the convention: names and layout for `read_transforms`."""
    return [str(path.absolute())] if path else [], "voxel"


def absolute_paths(settings: Mapping[str, Any], *, folders: bool = False) -> dict[str, Any]:
    """Settings for a process in another folder: those that name existing paths are made absolute.

    Args:
        settings: a value that names a file counts, and one with a slash that names a folder.
        folders: a value without a slash may name a folder, too.
    """

    def is_path(value: Any) -> bool:
        if not isinstance(value, str) or not value:
            return False
        # Not Path.is_file and Path.exists: they raise for text that is too long to be a name.
        exists = os.path.exists(value)  # noqa: PTH110
        return exists and (folders or "/" in value or os.path.isfile(value))  # noqa: PTH113

    return {k: str(Path(v).resolve()) if is_path(v) else v for k, v in settings.items()}


def main() -> None:
    """Serve requests until standard input closes."""
    serve_requests(start)


def start(job: dict[str, Any]) -> tuple[dict[str, Any], Answerer]:
    """Start a job's method and warm it up; what is known of it, and what answers."""
    work = Path(job["workdir"])
    sys.path = [str(Path(place).resolve()) for place in sys.path]
    # A relative path leads into the working folder and nowhere else.
    os.chdir(work)
    if job["confined"]:
        # The answer and TMPDIR lie in the parent of the working folder.
        confine(writable_folders(work.parent, Path(job["folder"])))
    method = make_method(job)
    if job["warmup"] == "toy" and not job["fields"]:
        warm_up(method)
    count = method.parameters()
    if type(count) not in (int, type(None)):
        # A plugin may have a function of that name for something else.
        found = type(count).__name__
        raise BadInput("the method's parameters()", expected="a whole number or None", found=found)
    facts = {"versions": versions() | method.versions(), "parameters": count}
    return facts, lambda request: serve(method, request, job["fields"])


def make_method(job: dict[str, Any]) -> Method:
    """The method of a job: a class, a plain function, or a command line."""
    paths = [Path(path) for path in job["training_fields"]]

    def training_fields() -> Iterator[Field]:
        return (read_field(path) for path in paths)

    context = Context(
        threads=job["threads"],
        seed=job["seed"],
        device=job["device"],
        prealigned=job["prealigned"],
        workdir=Path(job["workdir"]),
        checkpoint=None if job["checkpoint"] is None else Path(job["checkpoint"]),
        training_fields=training_fields,
    )
    folder = Path(job["folder"])
    if job["entry"] is None:
        from regbench.execution.program import CommandMethod

        return CommandMethod(job["command"], folder, job["settings"], context)
    entry = load_entry(folder, job["entry"])
    if isinstance(entry, type):
        return entry(job["settings"], context)
    return FunctionMethod(entry, job["settings"], context)


def warm_up(method: Method) -> None:
    """Register a toy pair, so that no case pays for imports, caches or compilation.

    A method may refuse the toy pair: that says nothing about the real cases.
    """
    rng = np.random.default_rng(0)
    # Blocks, not noise: something that can be registered.
    data = np.kron(rng.random((4, 4, 4)), np.ones((6, 6, 6))).astype(np.float32)
    fixed = Volume(data, np.eye(4))
    try:
        method.register(fixed, fixed.with_data(np.roll(data, 1, axis=0)))
    except Exception:
        traceback.print_exc()


def serve(method: Method, request: dict[str, Any], fields: list[str]) -> dict[str, Any]:
    """Register one case, check the field, write it. Only the method's own work is timed."""
    fixed = read_volume(Path(request["fixed"]))
    # A method may write into its images.
    affine = fixed.affine.copy()
    moving = read_volume(Path(request["moving"]))
    keywords: dict[str, Field] = {}
    if fields:
        # Here, not above: it needs SciPy.
        from regbench.spatial.transforms.read import read_transforms

        grids = [fixed.grid, moving.grid]
        keywords = {name: read_transforms(*request[name], *grids) for name in fields}
    if request.get("warm_up"):
        method.register(fixed, moving, **keywords)
        return {}
    with contextlib.suppress(OSError):
        # Of the peak memory.
        Path("/proc/self/clear_refs").write_text("5")
    cpu_started, busy_started, started = _cpu_seconds(), _busy_seconds(), time.perf_counter()
    field = method.register(fixed, moving, **keywords)
    elapsed = time.perf_counter() - started
    busy, cpu = _busy_seconds() - busy_started, _cpu_seconds() - cpu_started
    # The system counts in hundredths of a second: of shorter times it knows little.
    load = min(max(busy - cpu, 0.0) / max(elapsed, 0.1), len(os.sched_getaffinity(0)))
    if not isinstance(field, Field):
        raise BadInput(
            "register() returned no field",
            expected="regbench.spatial.field.Field",
            found=type(field).__name__,
        )
    check_displacement(field.displacement, fixed.shape)
    check_plausible(field.displacement)
    method.verify(fixed, moving, field)
    write_field(Path(request["output"]), Field(field.displacement, affine))
    return {
        "register_s": elapsed,
        "register_cpu_s": cpu,
        "load": None if math.isnan(load) else load,
        "peak_memory_mb": _peak_mb(),
    }


def versions() -> dict[str, str]:
    """Versions of the loaded packages that matter to the numbers."""
    versions = {"python": sys.version.split()[0]}
    for name in ("numpy", "scipy", "nibabel", "torch", "ants", "numba"):
        if name in sys.modules:
            versions[name] = str(getattr(sys.modules[name], "__version__", ""))
    return versions


def _cpu_seconds() -> float:
    """Seconds that processors have worked for this process and all that it started."""
    usages = [resource.getrusage(who) for who in (resource.RUSAGE_SELF, resource.RUSAGE_CHILDREN)]
    seconds = sum(usage.ru_utime + usage.ru_stime for usage in usages)
    return seconds + _seconds_below(os.getpid())


def _seconds_below(pid: int) -> float:
    """The same of the processes that a process started and their own, those that ended included.

    From /proc: a method's environment need not have psutil.
    """
    parents: dict[int, int] = {}
    ticks: dict[int, int] = {}
    for file in Path("/proc").glob("[0-9]*/stat"):
        with contextlib.suppress(OSError):
            # The name, in parentheses, may hold anything.
            fields = file.read_text().rpartition(")")[2].split()
            one = int(file.parent.name)
            parents[one], ticks[one] = int(fields[1]), sum(map(int, fields[11:15]))
    family = {pid}
    while found := {one for one, parent in parents.items() if parent in family} - family:
        family |= found
    return sum(ticks[one] for one in family - {pid}) / os.sysconf("SC_CLK_TCK")


def _busy_seconds() -> float:
    """Seconds that the processors open to this process have worked, for whatever process."""
    try:
        lines = Path("/proc/stat").read_text().splitlines()
    except OSError:
        return math.nan
    mine = {f"cpu{number}" for number in os.sched_getaffinity(0)}
    numbers = [list(map(int, line.split()[1:9])) for line in lines if line.split()[0] in mine]
    # All but idle and waiting for disks.
    return sum(sum(n) - n[3] - n[4] for n in numbers) / os.sysconf("SC_CLK_TCK")


def _peak_mb() -> float | None:
    try:
        lines = Path("/proc/self/status").read_text().splitlines()
    except OSError:
        return None
    return next((int(v.split()[1]) / 1024 for v in lines if v.startswith("VmHWM:")), None)


if __name__ == "__main__":
    main()
