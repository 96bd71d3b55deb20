"""One method over the cases of one task: the loop that turns every trouble into a status."""

import os
import platform
import shutil
import tempfile
import time
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

from tqdm import tqdm

from regbench.base.devices import NoDevice, device
from regbench.base.errors import BadInput
from regbench.base.files import digest, locked, read_json, sha256, write_json
from regbench.base.paths import METRICS, TIMING, TRAINING
from regbench.base.records import FIELD_NAME, STATUS_NAME, Status, read_status
from regbench.data.check import check_pair, read_side
from regbench.data.field_names import find_field, given_folder
from regbench.data.layout import Case
from regbench.execution.method_log import MAX_BYTES
from regbench.execution.worker_client import Limits, Worker, WorkerFailure, outcome_of
from regbench.plan import keys
from regbench.plan.job import Job
from regbench.plan.resources import REPEATS, START_UP_S, Shard
from regbench.plugins.kinds import MethodPlugin, installed

#: What of `needs` is read by the worker and handed to `register` as a keyword of that name.
HANDED_FIELDS = ("true_field", "precomputed_field")
#: Characters of what a method printed that its failed case's status keeps.
MAX_PRINTED = 2000


def launch(job: Job, shard: Shard, log: Path) -> list[Status]:
    """Register the cases of a shard; finished ones of the same key are kept as they are.

    Args:
        job: what to run, and where.
        shard: which cases.
        log: for what the method prints.

    Returns:
        a status for every case of the shard, in order. Never raises for a failing method.
    """
    cases = shard.take(job.cases)
    request = job.config.device if job.run.method.can_use_gpu else "cpu"
    with locked(job.folder / f".lock-{shard.index}-of-{shard.of}"):
        if log.is_file() and log.stat().st_size >= MAX_BYTES:
            # A full log has no room for what happens now.
            log.unlink()
        try:
            with device(request) as name:
                return list(Launcher(job, log, name).statuses(cases))
        except NoDevice as problem:
            launcher = Launcher(job, log, "cpu")
            launcher.no_worker = WorkerFailure("failed", str(problem))
            return list(launcher.statuses(cases))


def register_shard(job: Job, shard: str) -> None:
    """Register the cases of a shard, `<index>-of-<n>`; tell which keys they have, in one file."""
    index, _, of = shard.partition("-of-")
    names = (job.config.name, job.run.task.id, job.run.id, f"seed{job.seed}")
    log = Path("logs", *names, f"method-{shard}.txt")
    statuses = launch(job, Shard(int(index), int(of)), log)
    # The job's one declared output, written last. The statuses themselves lie beside their fields.
    write_json(job.shard_file(shard), {status.case: status.key for status in statuses})


def time_alone(job: Job) -> None:
    """Register the first case REPEATS times, each in a fresh process, and keep the seconds.

    The workflow gives this job all cores, so that no other job of it runs beside.
    """
    seconds = []
    for _ in range(REPEATS):
        with tempfile.TemporaryDirectory() as name:
            scratch = Path(name)
            if job.run.method.learned:
                shutil.copy(job.folder / TRAINING, scratch)
            only_first = Shard(1, len(job.cases))
            alone = replace(job, folder=scratch)
            status = launch(alone, only_first, scratch / "log.txt")[0]
        if status.register_s is not None:
            seconds.append(status.register_s)
    write_json(job.folder / TIMING, {"case": job.cases[0].id, "register_s": seconds})


class Launcher:
    """The state of one launch: the worker that is alive, if any, and why none can be."""

    def __init__(self, job: Job, log: Path, device: str) -> None:
        self.job = job
        self.run = job.run
        self.device = device
        self.seed = job.seed
        self.folder = job.folder
        self.log = log
        self.method = job.run.method
        asked = self.method.resources
        limits = job.config.limits
        self.limits = Limits(
            time_s=limits.get("time_s", asked.time_limit_s),
            memory_bytes=2**30 * limits.get("memory_gb", asked.memory_gb),
        )
        self.training = self._training_fields()
        self.trained = read_json(self.folder / TRAINING) if self.method.learned else {}
        self.shared = keys.register(self.run, self.seed)
        self.keep_fields = job.config.keep_fields
        self.measured = (self.folder / METRICS).is_file()
        self.worker: Worker | None = None
        self.no_worker: WorkerFailure | None = None
        self.fresh = True

    def statuses(self, cases: list[Case]) -> Iterator[Status]:
        """A status for each case: the one on disk where it still holds, else a new one."""
        try:
            for case in tqdm(cases, desc=f"{self.run.id} on {self.run.task.id}", unit="case"):
                yield self._status(case)
        finally:
            if self.worker is not None:
                self.worker.close()

    def _status(self, case: Case) -> Status:
        place = self.folder / case.id
        try:
            key = self._key(case)
        except BadInput as problem:
            _forget(place)
            status = self._make(case, "failed", "", str(problem))
            status.write(place)
            return status
        known = read_status(place)
        if known is not None and known.key == key and self._complete(known, place):
            return known
        _forget(place)
        status = self._fresh_status(case, key, place)
        status.write(place)
        return status

    def _complete(self, status: Status, place: Path) -> bool:
        """Whether what the status tells of is there: for a finished case its field, byte for byte.

        A field that was measured and then dropped, as `keep_fields` wants, is not missed: another
        cut into shards must not make all of them again. `regbench retry` does where it must.
        """
        if installed(status.facts.get("missing", "")):
            # It was skipped for a package that is there now.
            return False
        if status.outcome != "ok":
            return True
        field = place / FIELD_NAME
        if not field.is_file() and self.measured:
            kept = self.keep_fields == "reported" and status.case == self.job.cases[0].id
            return self.keep_fields != "all" and not kept
        return field.is_file() and sha256(field) == status.field_sha256

    def _fresh_status(self, case: Case, key: str, place: Path) -> Status:
        if case.problem is not None:
            return self._make(case, "failed", key, case.problem)
        missing = self.method.missing()
        if missing:
            return self._make(case, "skipped", key, self.method.lacks(missing))
        if "true_field" in self.method.needs and case.true_field is None:
            return self._make(case, "skipped", key, "the true field is not known")
        if "training_fields" in self.method.needs and not self.training:
            reason = "the true fields of training cases are not known"
            return self._make(case, "skipped", key, reason)
        if self.trained and self.trained["outcome"] != "ok":
            outcome, reason = self.trained["outcome"], f"training: {self.trained['reason']}"
            return self._make(case, outcome, key, reason)
        try:
            check_pair(read_side(case.fixed), read_side(case.moving), case)
            return self._register(case, key, place)
        except BadInput as problem:
            return self._make(case, "failed", key, str(problem))
        except WorkerFailure as failure:
            self.worker = None
            facts = _facts(failure.printed, failure.package)
            return self._make(case, failure.outcome, key, failure.reason, facts)

    def _register(self, case: Case, key: str, place: Path) -> Status:
        worker = self._worker()
        started = time.time()
        request = {
            "fixed": str(case.fixed.image),
            "moving": str(case.moving.image),
            "true_field": str(case.true_field),
            "precomputed_field": str(self._precomputed(case)),
            "output": str(place / FIELD_NAME),
        }
        if self.fresh and self.method.warmup == "case":
            # A request of its own: its time is not the case's. What it says is said again below.
            worker.ask({**request, "warm_up": True}, max(START_UP_S, self.limits.time_s))
        self.fresh = False
        before = _file_states(case)
        answer = worker.ask({**request, "warm_up": False})
        changed = [path for path, state in _file_states(case).items() if state != before.get(path)]
        if changed:
            raise BadInput(
                "changed while the method ran", file=changed[0], expected="its inputs as they were"
            )
        if not answer["ok"]:
            facts = _facts(worker.printed(), answer.get("package", ""))
            return self._make(case, outcome_of(answer), key, answer["reason"], facts)
        peak = max(worker.peak_bytes / 2**20, answer["peak_memory_mb"] or 0.0)
        if "precomputed_field" in self.method.needs:
            # The seconds would be those of handing a field on: nothing was registered.
            answer = {**answer, "register_s": None, "register_cpu_s": None}
        facts = {
            "register_cpu_s": answer["register_cpu_s"],
            "versions": worker.versions,
            "host": platform.node(),
            "cpus": os.cpu_count(),
            "started": time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime(started)),
            "settings": self.run.settings,
        }
        return Status(
            case=case.id,
            outcome="ok",
            key=key,
            register_s=answer["register_s"],
            peak_memory_mb=peak,
            threads=self.method.resources.threads,
            device=self.device,
            seed=self.seed,
            field_sha256=sha256(place / FIELD_NAME),
            facts=facts,
        )

    def _worker(self) -> Worker:
        """The living worker, or a new one. A method that cannot even start is not tried again."""
        if self.no_worker is not None:
            raise self.no_worker
        if self.worker is None:
            self.fresh = True
            try:
                self.worker = self._start(self.method.warmup)
            except WorkerFailure as failure:
                # A method may be unable to do the toy pair and yet do real ones.
                hopeless = failure.outcome in ("out-of-memory", "skipped")
                if self.method.warmup != "toy" or hopeless:
                    self.no_worker = failure
                    raise
                try:
                    self.worker = self._start("none")
                except WorkerFailure as again:
                    self.no_worker = again
                    raise
        return self.worker

    def _start(self, warmup: str) -> Worker:
        job = worker_job(
            self.method,
            self.run.settings,
            self.seed,
            self.run.task.prealigned,
            warmup,
            self.training,
            self.trained.get("checkpoint"),
            self.device,
        )
        return Worker(job, self.limits, self.log)

    def _key(self, case: Case) -> str:
        inputs = [case.fixed.image, case.moving.image]
        if "true_field" in self.method.needs and case.true_field is not None:
            inputs.append(case.true_field)
        if case.problem is None and (given := self._precomputed(case)) is not None:
            inputs.append(given)
        if case.problem is not None:
            # A broken case may lack the very file; its problem stands for it.
            inputs = []
        trained = [self.trained["outcome"], self.trained["reason"]] if self.trained else []
        if "checkpoint" in self.trained:
            inputs.append(Path(self.trained["checkpoint"]))
        contents = [sha256(path) for path in (*inputs, *self.training)]
        return digest([self.shared, contents, case.problem, trained])

    def _precomputed(self, case: Case) -> Path | None:
        """The pair's field in the folder of a method that takes ready-made ones."""
        if "precomputed_field" not in self.method.needs:
            return None
        folder = given_folder(self.run.settings)
        return find_field(folder, case.fixed.stem, case.moving.stem)

    def _training_fields(self) -> list[Path]:
        if "training_fields" not in self.method.needs:
            return []
        cases = self.job.split("training")
        return [case.true_field for case in cases if case.true_field is not None]

    def _make(
        self,
        case: Case,
        outcome: str,
        key: str,
        reason: str,
        facts: dict[str, Any] | None = None,
    ) -> Status:
        return Status(
            case=case.id,
            outcome=outcome,
            reason=reason,
            key=key,
            threads=self.method.resources.threads,
            seed=self.seed,
            facts=facts or {},
        )


def worker_job(
    method: MethodPlugin,
    settings: Mapping[str, Any],
    seed: int,
    prealigned: bool,
    warmup: str,
    training: Sequence[Path],
    checkpoint: str | None = None,
    device: str = "cpu",
) -> dict[str, Any]:
    """The first line that a worker reads: all it knows about the method.

    Its paths are absolute, and so are those of files and folders that settings name: the worker has
    a working folder of its own.
    """
    return {
        "folder": str(method.folder.resolve()),
        "entry": method.entry,
        "command": list(method.command),
        "install": method.install,
        "confined": method.confined,
        "settings": absolute(settings),
        "seed": seed,
        "threads": method.resources.threads,
        "device": device,
        "prealigned": prealigned,
        "warmup": warmup,
        "handed_fields": [name for name in HANDED_FIELDS if name in method.needs],
        "training_fields": [str(path.resolve()) for path in training],
        "checkpoint": None if checkpoint is None else str(Path(checkpoint).resolve()),
    }


def absolute(settings: Mapping[str, Any], *, folders: bool = False) -> dict[str, Any]:
    """Settings with absolute paths: workers work in another folder.

    Args:
        settings: those that name an existing file, or a folder by a path with a slash, change.
        folders: a word without a slash may name a folder, too.
    """

    def is_path(value: Any) -> bool:
        if not isinstance(value, str) or not value:
            return False
        # Not Path.is_file and Path.exists: they raise for text that is too long to be a name.
        known = os.path.exists(value)  # noqa: PTH110
        return known and (folders or "/" in value or os.path.isfile(value))  # noqa: PTH113

    return {k: str(Path(v).resolve()) if is_path(v) else v for k, v in settings.items()}


def _forget(place: Path) -> None:
    """Remove a case's result. The status goes first: a kill must not leave one without its field."""
    for name in (STATUS_NAME, FIELD_NAME):
        (place / name).unlink(missing_ok=True)


def _facts(printed: str, package: str) -> dict[str, Any]:
    """What a failed case's status keeps for people; and the package that it waits for."""
    return {"printed": printed[-MAX_PRINTED:]} | ({"missing": package} if package else {})


def _file_states(case: Case) -> dict[Path, tuple[int, int, int]]:
    """Size, time and identity of a case's files: a method has no business with them."""
    stats = {path: path.stat() for path in case.files if path.is_file()}
    return {path: (s.st_size, s.st_mtime_ns, s.st_ino) for path, s in stats.items()}
