"""A test bench for one method: toy pairs with known fields, and workers that register them."""

from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from regbench.base.files import sha256
from regbench.execution.protocol import Worker, WorkerFailure
from regbench.execution.worker import field_request, worker_job
from regbench.plan.resources import Limits
from regbench.plugins.kinds import MethodPlugin
from regbench.spatial.field import Field, read_field, write_field
from regbench.spatial.nifti import write_volume
from regbench.spatial.volume import Volume, voxel_grid

#: Three unequal sizes, so that swapped axes show.
SHAPE = (32, 28, 36)
#: Three unequal spacings (mm) and two flipped axes, so that wrong units and directions show.
AFFINE = np.array(
    [[-0.8, 0.0, 0.0, 12.0], [0.0, 1.5, 0.0, -20.0], [0.0, 0.0, -3.0, 55.0], [0.0, 0.0, 0.0, 1.0]]
)
#: Voxels by which the pairs for the field convention are shifted, along one axis each.
SHIFT = 2.0

_BLOBS = 14
_FLOOR = 0.05


@dataclass(frozen=True)
class ToyPair:
    """Two images and the true field on the fixed grid: `moving(x + u(x))` is `fixed(x)`."""

    name: str
    fixed: Volume
    moving: Volume
    field: Field

    @property
    def inside(self) -> NDArray[np.bool_]:
        """Voxels of the fixed image that lie inside a blob."""
        return np.asarray(self.fixed.data > 2 * _FLOOR)


def shifted(axis: int) -> ToyPair:
    """A pair with a shift of SHIFT voxels along one axis."""
    displacement = np.zeros((*SHAPE, 3), np.float32)
    displacement[..., axis] = SHIFT
    return _pair(f"shift along axis {axis}", displacement, seed=0)


def bent(*, seed: int = 0, shape: tuple[int, int, int] = SHAPE) -> ToyPair:
    """A pair with a smooth displacement of up to two voxels along each axis."""
    rng = np.random.default_rng([seed, 1])
    places = voxel_grid(shape) / (np.array(shape, np.float32) - 1)
    # Half a wave along each axis: 0 at the rim, and no fold.
    window = np.sin(np.pi * places).prod(axis=-1, keepdims=True)
    direction = rng.uniform(1.2, 2.0, 3) * rng.choice([-1.0, 1.0], 3)
    return _pair("bent", (window * direction).astype(np.float32), seed)


def _pair(name: str, displacement: NDArray[np.float32], seed: int) -> ToyPair:
    grid = voxel_grid(displacement.shape[:3])
    fixed, moving = (
        Volume(_blobs(places, grid.shape[:3], seed), AFFINE)
        for places in (grid + displacement, grid)
    )
    return ToyPair(name, fixed, moving, Field(displacement, AFFINE))


def _blobs(places: NDArray, shape: tuple[int, ...], seed: int) -> NDArray[np.float32]:
    """Intensities at places (..., 3), voxels of a grid: Gaussian blobs on a background of 0."""
    rng = np.random.default_rng([seed, 0])
    sizes = np.array(shape)
    total = np.zeros(places.shape[:-1])
    for _ in range(_BLOBS):
        centre = rng.uniform(0.3, 0.7, 3) * (sizes - 1)
        width = rng.uniform(1.6, 3.2, 3)
        away = (((places - centre) / width) ** 2).sum(axis=-1)
        total += rng.uniform(0.4, 1.0) * np.exp(-0.5 * away)
    return np.maximum(total - _FLOOR, 0.0).astype(np.float32)


@dataclass(frozen=True)
class Registration:
    """A field that a method returned, the hash of its file, and the cost of the registration."""

    field: Field
    sha: str
    seconds: float
    cpu_s: float
    peak_mb: float


@dataclass
class Bench:
    """Registers pairs with one method. The next request replaces a worker that has ended.

    Attributes:
        plugin, settings: the method. Where it `needs` a field, it gets the toy pair's true field.
        limits: of one registration.
        folder: gets the folders `inputs`, `outputs` and `here`, in which the workers start.
        log: file for what the method prints.
        checkpoint: weights of a learned method.
    """

    plugin: MethodPlugin
    settings: dict[str, Any]
    limits: Limits
    folder: Path
    log: Path
    checkpoint: Path | None = None

    def __post_init__(self) -> None:
        places = [self.folder / name for name in ("inputs", "outputs", "here")]
        for place in places:
            place.mkdir()
        self.inputs, self.outputs, self.here = places
        self.record = self.folder / "written.txt"
        self._workers: dict[int, Worker] = {}
        self._count = 0

    def close(self) -> None:
        """End all workers. The next request starts a new one."""
        for worker in self._workers.values():
            worker.close()
        self._workers.clear()

    def put(self, pair: ToyPair) -> dict[str, Path]:
        """The files of a pair, written once: fixed, moving, true field."""
        place = self.inputs / pair.name.replace(" ", "-")
        paths = {role: place / f"{role}.nii.gz" for role in ("fixed", "moving", "field")}
        if not place.is_dir():
            write_volume(paths["fixed"], pair.fixed)
            write_volume(paths["moving"], pair.moving)
            write_field(paths["field"], pair.field)
        return paths

    def register(self, pair: ToyPair, seed: int = 0) -> Registration:
        """Register a pair; raises as `register_files` does."""
        return self.register_files(self.put(pair), seed)

    def register_files(self, paths: dict[str, Path], seed: int = 0) -> Registration:
        """Register the files `fixed` and `moving`; `field` is for methods that need one.

        Raises:
            WorkerFailure: the method gave no field.
        """
        self._count += 1
        output = self.outputs / f"{self._count}.nii.gz"
        request = {
            "fixed": str(paths["fixed"]),
            "moving": str(paths["moving"]),
            "true_field": field_request(paths["field"]),
            "precomputed_field": field_request(paths["field"]),
            "output": str(output),
        }
        try:
            worker = self._worker(seed, paths["field"])
            answer = worker.ask(request)
        except WorkerFailure:
            self._workers.pop(seed, None)
            raise
        refuse_failure(answer)
        peak = max(worker.peak_bytes / 2**20, answer["peak_memory_mb"] or 0.0)
        seconds, cpu_s = answer["register_s"], answer["register_cpu_s"]
        return Registration(read_field(output), sha256(output), seconds, cpu_s, peak)

    def _worker(self, seed: int, training_field: Path) -> Worker:
        if seed not in self._workers:
            job = worker_job(
                # Not confined: a write outside is reported, not refused. No warm-up: the time limit
                # must hold for the first registration.
                self.plugin.model_copy(update={"warmup": "none", "confined": False}),
                self.settings,
                seed,
                training_fields=(
                    [training_field] if "training_fields" in self.plugin.needs else []
                ),
                checkpoint=self.checkpoint,
            )
            program = ("regbench.check.watched", str(self.record))
            self._workers[seed] = Worker(
                job, self.limits, self.log, program=program, folder=self.here
            )
        return self._workers[seed]


def refuse_failure(answer: dict[str, Any]) -> None:
    """Raise WorkerFailure if a worker answered that it could not do what was asked."""
    if not answer["ok"]:
        outcome = "out-of-memory" if answer["kind"] == "memory" else "failed"
        raise WorkerFailure(outcome, answer["reason"])
