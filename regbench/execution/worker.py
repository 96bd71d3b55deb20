"""The process that a method runs in: it registers one pair a request.

It owns nothing but the method: limits, statuses and retries are the launcher's.
"""

import contextlib
import os
import resource
import sys
import time
import traceback
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np

from regbench.base.errors import BadInput
from regbench.execution.command import CommandMethod
from regbench.execution.protocol import Answerer, serve_requests
from regbench.execution.sandbox import confine, writable_folders
from regbench.plugins.interface import Context, FunctionMethod, Method
from regbench.spatial.field import (
    Field,
    check_displacement,
    check_plausible,
    read_field,
    write_field,
)
from regbench.spatial.nifti import read_volume
from regbench.spatial.submission import read_submitted
from regbench.spatial.volume import Volume


def main() -> None:
    """Serve requests until standard input closes."""
    serve_requests(start)


def start(job: dict[str, Any]) -> tuple[dict[str, str], Answerer]:
    """The method of a job, warm: versions of what is loaded, and what answers a request."""
    settle(job)
    method = make_method(job)
    warm_up(method, job)
    return versions() | method.versions(), lambda request: serve(method, request, job)


def settle(job: dict[str, Any]) -> None:
    """Take the folder of its own, so that a relative path leads there and nowhere else."""
    work = Path(job["workdir"])
    sys.path = [str(Path(place).resolve()) for place in sys.path]
    os.chdir(work)
    if job["confined"]:
        # Its parent: the answer and TMPDIR are there, too.
        confine(writable_folders(work.parent, Path(job["folder"])))


def make_method(job: dict[str, Any]) -> Method:
    """The method of a job: a class, a plain function, or a command line."""
    from regbench.plugins.loading import load_entry

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
        return CommandMethod(tuple(job["command"]), folder, job["settings"], context)
    entry = load_entry(folder, job["entry"])
    if isinstance(entry, type):
        return entry(job["settings"], context)
    return FunctionMethod(entry, job["settings"], context)


def warm_up(method: Method, job: dict[str, Any]) -> None:
    """One registration of a toy pair, so that no case pays for imports, caches or compilation.

    A method may refuse the toy: that says nothing about the real cases.
    """
    if job["warmup"] != "toy" or job["handed_fields"]:
        return
    rng = np.random.default_rng(0)
    # Blocks, not noise: something that can be registered.
    data = np.kron(rng.random((4, 4, 4)), np.ones((6, 6, 6))).astype(np.float32)
    fixed = Volume(data, np.eye(4))
    try:
        method.register(fixed, fixed.with_data(np.roll(data, 1, axis=0)))
    except Exception:
        traceback.print_exc()


def serve(method: Method, request: dict[str, Any], job: dict[str, Any]) -> dict[str, Any]:
    """Register one case, check the field, write it. Times the method's own work only."""
    fixed = read_volume(Path(request["fixed"]))
    moving = read_volume(Path(request["moving"]))
    extra = {
        name: read_submitted(Path(request[name]), fixed.shape, fixed.affine)
        for name in job["handed_fields"]
    }
    if request["warm_up"]:
        method.register(fixed, moving, **extra)
        return {}
    _reset_peak()
    started = time.perf_counter()
    cpu = _cpu_seconds()
    result = method.register(fixed, moving, **extra)
    elapsed = time.perf_counter() - started
    cpu = _cpu_seconds() - cpu
    if not isinstance(result, Field):
        raise BadInput(
            "register() returned no field",
            expected="regbench.spatial.field.Field",
            found=type(result).__name__,
        )
    check_displacement(result.displacement, fixed.shape)
    check_plausible(result.displacement)
    method.verify(fixed, moving, result)
    write_field(Path(request["output"]), Field(result.displacement, fixed.affine))
    return {"register_s": elapsed, "register_cpu_s": cpu, "peak_memory_mb": _peak_mb()}


def versions() -> dict[str, str]:
    """Versions of what is loaded and matters to the numbers."""
    names = ("numpy", "scipy", "nibabel", "torch", "ants", "numba")
    found = {n: getattr(sys.modules[n], "__version__", "") for n in names if n in sys.modules}
    return {"python": sys.version.split()[0], **{k: str(v) for k, v in found.items()}}


def _cpu_seconds() -> float:
    own = resource.getrusage(resource.RUSAGE_SELF)
    children = resource.getrusage(resource.RUSAGE_CHILDREN)
    return own.ru_utime + own.ru_stime + children.ru_utime + children.ru_stime


def _reset_peak() -> None:
    with contextlib.suppress(OSError):
        Path("/proc/self/clear_refs").write_text("5")


def _peak_mb() -> float | None:
    try:
        lines = Path("/proc/self/status").read_text().splitlines()
    except OSError:
        return None
    return next((int(v.split()[1]) / 1024 for v in lines if v.startswith("VmHWM:")), None)


if __name__ == "__main__":
    main()
