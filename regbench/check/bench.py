"""A bench for one method: pairs on disk, workers of their own, and what became of each request."""

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from regbench.base.files import sha256
from regbench.check.toy import ToyPair
from regbench.execution.protocol import Worker, WorkerFailure
from regbench.execution.worker import absolute_paths, worker_job
from regbench.plan.resources import Limits
from regbench.plugins.kinds import MethodPlugin
from regbench.spatial.field import Field, read_field, write_field
from regbench.spatial.nifti import write_volume


@dataclass(frozen=True)
class Answer:
    """What became of one registration.

    Attributes:
        outcome: `ok`, `failed`, `timeout` or `out-of-memory`.
        reason: one line, for everything but ok.
        field: the displacement field, where there is one.
        sha: of its file.
        seconds, cpu_s, peak_mb: of the method's own work.
    """

    outcome: str
    reason: str = ""
    field: Field | None = None
    sha: str = ""
    seconds: float = 0.0
    cpu_s: float = 0.0
    peak_mb: float = 0.0


class Bench:
    """Registers pairs with one method. A worker that ends is replaced at the next request.

    Args:
        plugin, settings: the method; what it `needs` beside the images is the toy's true field.
        limits: of one registration.
        folder: `inputs`, `outputs`, `here` (where the workers work) are made in it.
        log: for what the method prints.
        checkpoint: weights of a learned method.
    """

    def __init__(
        self,
        plugin: MethodPlugin,
        settings: dict[str, Any],
        limits: Limits,
        folder: Path,
        log: Path,
        checkpoint: Path | None = None,
    ) -> None:
        self.plugin = plugin
        self.settings = absolute_paths(settings)
        self.limits = limits
        self.checkpoint = checkpoint
        self.inputs, self.outputs, self.here = (
            folder / name for name in ("inputs", "outputs", "here")
        )
        for place in (self.inputs, self.outputs, self.here):
            place.mkdir()
        self.log = log
        self.record = folder / "written.txt"
        self._workers: dict[int, Worker] = {}
        self._count = 0

    @contextmanager
    def open(self) -> Iterator["Bench"]:
        """End all workers at the end of the block."""
        try:
            yield self
        finally:
            self.end_workers()

    def end_workers(self) -> None:
        """End them; the next request starts new ones."""
        for worker in self._workers.values():
            worker.close()
        self._workers.clear()

    def put(self, pair: ToyPair) -> dict[str, Path]:
        """A pair's files, written once: fixed, moving, true field."""
        place = self.inputs / pair.name.replace(" ", "-")
        paths = {role: place / f"{role}.nii.gz" for role in ("fixed", "moving", "field")}
        if not place.is_dir():
            write_volume(paths["fixed"], pair.fixed)
            write_volume(paths["moving"], pair.moving)
            write_field(paths["field"], pair.field)
        return paths

    def register(self, pair: ToyPair, seed: int = 0) -> Answer:
        """Register a pair."""
        return self.ask(self.put(pair), seed)

    def ask(self, paths: dict[str, Path], seed: int = 0) -> Answer:
        """Register the images of files `fixed`, `moving`; `field` is for methods that need one."""
        self._count += 1
        output = self.outputs / f"{self._count}.nii.gz"
        request = {
            "fixed": str(paths["fixed"]),
            "moving": str(paths["moving"]),
            "true_field": str(paths["field"]),
            "precomputed_field": str(paths["field"]),
            "output": str(output),
            "warm_up": False,
        }
        try:
            worker = self._worker(seed, paths["field"])
            answer = worker.ask(request)
        except WorkerFailure as failure:
            self._workers.pop(seed, None)
            return Answer(failure.outcome, failure.reason)
        if not answer["ok"]:
            outcome = "out-of-memory" if answer["kind"] == "memory" else "failed"
            return Answer(outcome, answer["reason"])
        peak = max(worker.peak_bytes / 2**20, answer["peak_memory_mb"] or 0.0)
        return Answer(
            "ok",
            field=read_field(output),
            sha=sha256(output),
            seconds=answer["register_s"],
            cpu_s=answer["register_cpu_s"],
            peak_mb=peak,
        )

    def _worker(self, seed: int, training_field: Path) -> Worker:
        if seed not in self._workers:
            fields = [training_field] if "training_fields" in self.plugin.needs else []
            job = worker_job(
                # Its time limit holds for the first registration too: no warm-up before it.
                # Not confined: what it writes outside is to be told, not refused.
                replace(self.plugin, warmup="none", confined=False),
                self.settings,
                seed,
                training_fields=fields,
                checkpoint=self.checkpoint,
            )
            program = ("regbench.check.hygiene", str(self.record))
            self._workers[seed] = Worker(
                job, self.limits, self.log, program=program, folder=self.here
            )
        return self._workers[seed]
