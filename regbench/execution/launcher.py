"""One method over the cases of one task: the loop that turns every trouble into a status."""

import os
import platform
import time
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import asdict
from pathlib import Path
from typing import Any

from tqdm import tqdm

from regbench.base.devices import NoDevice, device
from regbench.base.errors import BadInput
from regbench.base.files import locked, read_json, sha256, write_json
from regbench.base.paths import METRICS, TRAINING
from regbench.base.records import FIELD_NAME, Status, read_status
from regbench.data.check import check_pair, read_side
from regbench.data.field_names import find_field, given_folder
from regbench.data.layout import Case, Layout, read_layout
from regbench.execution.method_log import MAX_BYTES
from regbench.execution.worker_client import START_UP_S, Limits, Worker, WorkerFailure, outcome_of
from regbench.plan.config import Config, RunConfig
from regbench.plan.keys import case_fingerprint, method_fingerprint, named_files
from regbench.plan.resources import Shard
from regbench.plugins.kinds import MethodPlugin, installed

#: What of `needs` is read by the worker and handed to `register` as a keyword of that name.
HANDED_FIELDS = ("true_field", "precomputed_field")
#: Characters of what a method printed that its failed case's status keeps.
MAX_PRINTED = 2000


def launch(
    config: Config,
    run: RunConfig,
    seed: int,
    layout_file: Path,
    folder: Path,
    shard: Shard,
    log: Path,
) -> list[Status]:
    """Register the cases of a shard; finished ones with the same fingerprint are kept as they are.

    Args:
        config, run, seed: what to run.
        layout_file: dataset JSON of the prepared data.
        folder: of the run and seed; each case has a folder of its own in it.
        shard: which cases.
        log: for what the method prints.

    Returns:
        a status for every case of the shard, in order. Never raises for a failing method.
    """
    layout = read_layout(layout_file)
    cases = shard.take(_evaluated(run, layout))
    request = config.device if run.method.can_use_gpu else "cpu"
    with locked(folder / f".lock-{shard.index}-of-{shard.of}"):
        if log.is_file() and log.stat().st_size >= MAX_BYTES:
            # A full log has no room for what happens now.
            log.unlink()
        try:
            with device(request) as name:
                launcher = Launcher(config, run, seed, layout, folder, log, name)
                return list(launcher.statuses(cases))
        except NoDevice as problem:
            launcher = Launcher(config, run, seed, layout, folder, log, "cpu")
            launcher.no_worker = WorkerFailure("failed", str(problem))
            return list(launcher.statuses(cases))


class Launcher:
    """The state of one launch: the worker that is alive, if any, and why none can be."""

    def __init__(
        self,
        config: Config,
        run: RunConfig,
        seed: int,
        layout: Layout,
        folder: Path,
        log: Path,
        device: str,
    ) -> None:
        self.run = run
        self.device = device
        self.seed = seed
        self.folder = folder
        self.log = log
        self.method = run.method
        asked = self.method.resources
        self.limits = Limits(
            time_s=config.limits.get("time_s", asked.time_limit_s),
            memory_bytes=2**30 * config.limits.get("memory_gb", asked.memory_gb),
        )
        self.training = self._training_fields(layout)
        self.trained = read_json(folder / TRAINING) if self.method.learned else {}
        self.shared = method_fingerprint(self.method, run.settings, seed)
        self.first = next((c.id for c in _evaluated(run, layout)), None)
        self.keep_fields = config.keep_fields
        self.measured = (folder / METRICS).is_file()
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
            fingerprint = self._fingerprint(case)
        except BadInput as problem:
            (place / FIELD_NAME).unlink(missing_ok=True)
            status = self._make(case, "failed", "", str(problem))
            status.write(place)
            return status
        known = read_status(place)
        if known is not None and known.fingerprint == fingerprint and self._complete(known, place):
            return known
        (place / FIELD_NAME).unlink(missing_ok=True)
        status = self._fresh_status(case, fingerprint, place)
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
            kept = self.keep_fields == "reported" and status.case == self.first
            return self.keep_fields != "all" and not kept
        return field.is_file() and sha256(field) == status.field_sha256

    def _fresh_status(self, case: Case, fingerprint: str, place: Path) -> Status:
        if case.problem is not None:
            return self._make(case, "failed", fingerprint, case.problem)
        missing = self.method.missing()
        if missing:
            return self._make(case, "skipped", fingerprint, self.method.lacks(missing))
        if "true_field" in self.method.needs and case.true_field is None:
            return self._make(case, "skipped", fingerprint, "the true field is not known")
        if "training_fields" in self.method.needs and not self.training:
            reason = "the true fields of training cases are not known"
            return self._make(case, "skipped", fingerprint, reason)
        if self.trained and self.trained["outcome"] != "ok":
            outcome, reason = self.trained["outcome"], f"training: {self.trained['reason']}"
            return self._make(case, outcome, fingerprint, reason)
        try:
            check_pair(read_side(case.fixed), read_side(case.moving), case)
            return self._register(case, fingerprint, place)
        except BadInput as problem:
            return self._make(case, "failed", fingerprint, str(problem))
        except WorkerFailure as failure:
            self.worker = None
            facts = _facts(failure.printed, failure.package)
            return self._make(case, failure.outcome, fingerprint, failure.reason, facts)

    def _register(self, case: Case, fingerprint: str, place: Path) -> Status:
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
        before = _stamps(case)
        answer = worker.ask({**request, "warm_up": False})
        changed = [path for path, stamp in _stamps(case).items() if stamp != before.get(path)]
        if changed:
            raise BadInput(
                "changed while the method ran", file=changed[0], expected="its inputs as they were"
            )
        if not answer["ok"]:
            facts = _facts(worker.printed(), answer.get("package", ""))
            return self._make(case, outcome_of(answer), fingerprint, answer["reason"], facts)
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
            fingerprint=fingerprint,
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

    def _fingerprint(self, case: Case) -> str:
        extra = {
            "prealigned": self.run.task.prealigned,
            "problem": case.problem,
            "missing": self.method.missing(),
        }
        inputs = [case.fixed.image, case.moving.image]
        if "true_field" in self.method.needs and case.true_field is not None:
            inputs.append(case.true_field)
        if case.problem is None and (given := self._precomputed(case)) is not None:
            inputs.append(given)
        if case.problem is not None:
            # A broken case may lack the very file; its problem stands for it.
            inputs = []
        if self.trained:
            extra["training"] = [self.trained["outcome"], self.trained["reason"]]
        if "checkpoint" in self.trained:
            inputs.append(Path(self.trained["checkpoint"]))
        return case_fingerprint(self.shared, [*inputs, *self.training], extra)

    def _precomputed(self, case: Case) -> Path | None:
        """The pair's field in the folder of a method that takes ready-made ones."""
        if "precomputed_field" not in self.method.needs:
            return None
        folder = given_folder(self.run.settings)
        return find_field(folder, case.fixed.stem, case.moving.stem)

    def _training_fields(self, layout: Layout) -> list[Path]:
        if "training_fields" not in self.method.needs:
            return []
        cases = layout.directed("training", self.run.task.direction)
        return [case.true_field for case in cases if case.true_field is not None]

    def _make(
        self,
        case: Case,
        outcome: str,
        fingerprint: str,
        reason: str,
        facts: dict[str, Any] | None = None,
    ) -> Status:
        return Status(
            case=case.id,
            outcome=outcome,
            reason=reason,
            fingerprint=fingerprint,
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
    texts = {key: value for key, value in settings.items() if isinstance(value, str)}
    named = {*named_files(settings), *(k for k, v in texts.items() if "/" in v and _exists(v))}
    return {
        "folder": str(method.folder.resolve()),
        "entry": method.entry,
        "command": list(method.command),
        "install": method.install,
        "confined": method.confined,
        "settings": {**settings, **{k: str(Path(texts[k]).resolve()) for k in named}},
        "seed": seed,
        "threads": method.resources.threads,
        "device": device,
        "prealigned": prealigned,
        "warmup": warmup,
        "handed_fields": [name for name in HANDED_FIELDS if name in method.needs],
        "training_fields": [str(path.resolve()) for path in training],
        "checkpoint": None if checkpoint is None else str(Path(checkpoint).resolve()),
    }


def write_cases(file: Path, statuses: Sequence[Status]) -> None:
    """The job's one declared output, written last."""
    write_json(file, [asdict(status) for status in statuses])


def _exists(path: str) -> bool:
    # Not Path.exists: it raises for text that is too long to be a name.
    return os.path.exists(path)  # noqa: PTH110


def _facts(printed: str, package: str) -> dict[str, Any]:
    """What a failed case's status keeps for people; and the package that it waits for."""
    return {"printed": printed[-MAX_PRINTED:]} | ({"missing": package} if package else {})


def _stamps(case: Case) -> dict[Path, tuple[int, int, int]]:
    """Size, time and identity of a case's files: a method has no business with them."""
    stats = {path: path.stat() for path in case.files if path.is_file()}
    return {path: (s.st_size, s.st_mtime_ns, s.st_ino) for path, s in stats.items()}


def _evaluated(run: RunConfig, layout: Layout) -> tuple[Case, ...]:
    """The cases of a run."""
    return layout.directed(run.task.evaluated_split(), run.task.direction)
