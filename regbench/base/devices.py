"""Which device a job computes on: GPUs are handed out by lock, one run each."""

import fcntl
import os
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from regbench.base.errors import BadInput


class NoDevice(BadInput):
    """A GPU is asked for and there is none."""


#: What a config may ask for.
REQUESTS = ("auto", "cpu", "cuda")
#: The variable that names another folder for the locks: one that all users of a machine share.
LOCKS = "REGBENCH_DEVICE_LOCKS"
#: Set by Slurm in its jobs.
SLURM_JOB = "SLURM_JOB_ID"
#: What CUDA_VISIBLE_DEVICES holds for none; the last is Slurm's word.
_NONE = ("", "-1", "NoDevFiles")
_POLL_S = 1.0


def visible_gpus() -> list[str]:
    """The GPUs this process may use: those of CUDA_VISIBLE_DEVICES, else all of the machine.

    In a Slurm job none but the former: the others, though they may be seen, are other people's.
    """
    named = os.environ.get("CUDA_VISIBLE_DEVICES")
    if named is not None:
        return [name.strip() for name in named.split(",") if name.strip() not in _NONE]
    if SLURM_JOB in os.environ:
        return []
    found = Path("/dev").glob("nvidia[0-9]*")
    return sorted(path.name.removeprefix("nvidia") for path in found)


@contextmanager
def device(request: str) -> Iterator[str]:
    """A device for one run, `cpu` or `cuda:<k>`, held as long as the context.

    Waits while other runs hold all GPUs. A killed holder frees its device by dying.

    Args:
        request: `cpu`; `cuda`; or `auto`, a GPU where there is one.

    Raises:
        NoDevice: a GPU is asked for and there is none.
    """
    if request not in REQUESTS:
        raise BadInput(f"unknown device {request!r}", expected=f"one of {', '.join(REQUESTS)}")
    gpus = visible_gpus() if request != "cpu" else []
    if request == "cuda" and not gpus:
        raise NoDevice("device: cuda, but this machine shows no GPU", expected="device: auto")
    if not gpus:
        yield "cpu"
        return
    while True:
        for index, gpu in enumerate(gpus):
            with _lock_file(gpu).open("a") as file:
                try:
                    fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
                except BlockingIOError:
                    continue
                yield f"cuda:{index}"
                return
        time.sleep(_POLL_S)


def _lock_file(gpu: str) -> Path:
    default = Path(tempfile.gettempdir(), f"regbench-devices-{os.getuid()}")
    folder = Path(os.environ.get(LOCKS) or default)
    folder.mkdir(parents=True, exist_ok=True)
    # Two Slurm jobs on a node may both call their GPU 0, and neither has to wait for the other.
    job = os.environ.get(SLURM_JOB)
    name = gpu if job is None else f"slurm-{job}-{gpu}"
    return folder / "".join(c if c.isalnum() or c in "-." else "_" for c in name)
