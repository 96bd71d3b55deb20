"""One method over the cases of one task: the loop that turns every trouble into a status."""

import os
import platform
import time
from collections.abc import Collection, Iterator
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

from tqdm import tqdm

from regbench.base.devices import NoDevice, device
from regbench.base.errors import BadInput
from regbench.base.files import digest, locked, sha256, write_text
from regbench.base.paths import METRICS, TRAINING, made_again, read_own
from regbench.base.records import FIELD_NAME, INTERRUPTED, STATUS_NAME, Status, read_status
from regbench.data.field_names import given_transforms
from regbench.data.layout import Case
from regbench.data.pair import read_pair
from regbench.execution.environment import obstacle
from regbench.execution.method_log import MAX_BYTES
from regbench.execution.protocol import Worker, WorkerFailure, outcome_of
from regbench.execution.worker import field_request, worker_job
from regbench.plan import keys
from regbench.plan.jobs import Job
from regbench.plan.resources import Limits, Shard
from regbench.plugins.kinds import MethodPlugin
from regbench.plugins.loading import installed
from regbench.plugins.weights import no_weights
from regbench.spatial.transforms.read import files_of

#: The file that names the case that a shard's launcher is at.
RUNNING = ".running-{}"
#: Characters of what a method printed that its failed case's status keeps.
MAX_PRINTED = 2000


def launch(job: Job, shard: Shard, log: Path, accused: Collection[str] = ()) -> list[Status]:
    """Register the cases of a shard; finished ones of the same key are kept as they are.

    Returns a status for every case, in order. A failing method raises nothing: its statuses tell.
    What it prints goes to the log. `accused` are cases on which it killed its launcher: they fail.
    """
    cases = shard.take(job.cases)
    request = job.config.device if job.run.method.can_use_gpu else "cpu"
    with locked(job.folder / f".lock-{shard}"):
        if log.is_file() and log.stat().st_size >= MAX_BYTES:
            # A full log has no room for what happens now.
            log.unlink()
        try:
            with device(request) as name:
                running = job.folder / RUNNING.format(shard)
                return list(Launcher(job, log, name, None, accused, running).statuses(cases))
        except NoDevice as problem:
            no_start = WorkerFailure("failed", str(problem))
            return list(Launcher(job, log, "cpu", no_start).statuses(cases))


@dataclass(eq=False)
class Launcher:
    """One launch: the worker that is alive, and what the cases of a run share.

    `no_start` says why no worker can start, where that is known. `running` is a file that names the
    case at hand, `accused` are cases on which something killed the launcher.
    """

    job: Job
    log: Path
    device: str
    no_start: WorkerFailure | None = None
    accused: Collection[str] = ()
    running: Path | None = None

    def __post_init__(self) -> None:
        job = self.job
        self.method = job.run.method
        self.limits = Limits.of(job.config, self.method)
        training_cases = job.split("training") if "training_fields" in self.method.needs else ()
        self.training_fields = [c.true_field for c in training_cases if c.true_field is not None]
        self.training = read_own(job.folder / TRAINING) if self.method.learned else {}
        self.checkpoint = self.training.get("checkpoint")
        if "checkpoint_sha256" in self.training:
            weights = Path(self.training["checkpoint"])
            if not weights.is_file() or sha256(weights) != self.training["checkpoint_sha256"]:
                raise made_again(BadInput("was cut or changed", file=weights), job.folder)
        if self.method.kind == "pretrained":
            self.checkpoint = job.run.settings_of(job.seed)["checkpoint"]
        self.run_key = keys.register(job.run, job.seed)
        self.measured = (job.folder / METRICS).is_file()
        self.worker: Worker | None = None
        self.warm = False

    def statuses(self, cases: list[Case]) -> Iterator[Status]:
        """A status for each case: the one on disk where it still holds, else a new one."""
        run = self.job.run
        try:
            for case in tqdm(cases, desc=f"{run.id} on {run.task.id}", unit="case"):
                yield self._status(case)
        finally:
            if self.worker is not None:
                self.worker.close()

    def _status(self, case: Case) -> Status:
        folder = self.job.folder / case.id
        key, problem = "", ""
        try:
            key = self._key(case)
        except BadInput as error:
            problem = str(error)
        known = read_status(folder)
        if not problem and known is not None and known.key == key and self._holds(known, folder):
            return known
        # The status goes first: a kill must not leave one that tells of a field that is gone.
        for name in (STATUS_NAME, FIELD_NAME):
            (folder / name).unlink(missing_ok=True)
        if problem:
            status = self._without_field(case, key, "failed", problem)
        else:
            status = self._new_status(case, key, folder)
        status.write(folder)
        return status

    def _key(self, case: Case) -> str:
        inputs = []
        # A broken case may lack a file; its problem stands for its files.
        if case.problem is None:
            true_field = case.true_field if "true_field" in self.method.needs else None
            names, layout = self._given(case)
            given = [path for name in names for path in files_of(name, layout)]
            inputs = [case.fixed.image, case.moving.image, *filter(None, [true_field]), *given]
        training = [self.training["outcome"], self.training["reason"]] if self.training else []
        if "checkpoint" in self.training:
            inputs.append(Path(self.training["checkpoint"]))
        contents = [self.job.layout.hash_of(path) for path in (*inputs, *self.training_fields)]
        return digest([self.run_key, case.id, contents, case.problem, training])

    def _holds(self, status: Status, folder: Path) -> bool:
        """Whether the status of a finished case still has its field, byte for byte.

        A field that was measured and then dropped, as `keep_fields` wants, is not missed: another
        cut into shards must not register all cases again. `regbench retry` does where it must.
        """
        if status.outcome == INTERRUPTED or self._may_run_now(status):
            # Nothing says how the method would have done; or what it lacked may be there now.
            return False
        if status.outcome != "ok":
            return True
        field = folder / FIELD_NAME
        if not field.is_file() and self.measured:
            keep = self.job.config.keep_fields
            return keep == "none" or (keep == "reported" and status.case != self.job.cases[0].id)
        return field.is_file() and sha256(field) == status.field_sha256

    def _may_run_now(self, status: Status) -> bool:
        """Whether a case was skipped for what may be there by now."""
        if self.method.environment is not None:
            return status.outcome == "skipped"
        return installed(status.facts.get("missing", ""))

    def _new_status(self, case: Case, key: str, folder: Path) -> Status:
        if (trouble := self._obstacle(case)) is not None:
            return self._without_field(case, key, *trouble)
        if self.running is not None:
            write_text(self.running, case.id)
        for attempt in (1, 2):
            try:
                # The hashes of what a preparation wrote are compared above.
                if not self.job.layout.wrote(case):
                    read_pair(case)
                return self._register(case, key, folder)
            except BadInput as problem:
                return self._without_field(case, key, "failed", str(problem))
            except OSError as error:
                # The method runs in the worker: this is the machine's refusal to this process.
                return self._without_field(case, key, INTERRUPTED, str(error))
            except WorkerFailure as failure:
                self.worker, last = None, failure
            if not (last.killed and attempt == 1):
                break
            # Anyone may have killed it. A method that is at fault is killed again.
            self.no_start = None
        facts = _facts(last.printed, last.package)
        return self._without_field(case, key, last.outcome, last.reason, facts)

    def _obstacle(self, case: Case) -> tuple[str, str] | None:
        """Outcome and reason of a case for which no worker need be asked."""
        if case.problem is not None:
            return "failed", case.problem
        if case.id in self.accused:
            return "failed", "the process that it works for was killed, twice, while it ran"
        if damaged := self.job.damaged(case):
            return INTERRUPTED, damaged
        if missing := self.method.missing():
            return "skipped", self.method.lacks(missing)
        if self._unusable is not None:
            return self._unusable
        if "true_field" in self.method.needs and case.true_field is None:
            return "skipped", "the true field is not known"
        if "training_fields" in self.method.needs and not self.training_fields:
            return "skipped", "the true fields of training cases are not known"
        if self.training and self.training["outcome"] != "ok":
            return self.training["outcome"], f"training: {self.training['reason']}"
        return None

    @cached_property
    def _unusable(self) -> tuple[str, str] | None:
        """Outcome and reason of every case where the environment or the weights cannot be used."""
        own, record = self.method.environment, self.job.environment_file
        if own is not None and record is not None and (reason := obstacle(own, record)):
            return "skipped", reason
        return no_weights(self.method, self.checkpoint or "")

    def _register(self, case: Case, key: str, folder: Path) -> Status:
        worker = self._living_worker()
        started = time.time()
        request = {
            "fixed": str(case.fixed.image),
            "moving": str(case.moving.image),
            "true_field": field_request(case.true_field),
            "precomputed_field": self._given(case),
            "output": str(folder / FIELD_NAME),
        }
        if not self.warm and self.method.warmup == "case":
            # A request of its own: its time is not the case's. Its failure shows again below.
            worker.ask({**request, "warm_up": True})
        self.warm = True
        before = _file_states(case)
        answer = worker.ask(request)
        changed = [path for path, state in _file_states(case).items() if state != before.get(path)]
        if changed:
            raise BadInput(
                "changed while the method ran", file=changed[0], expected="its inputs as they were"
            )
        if not answer["ok"]:
            facts = _facts(worker.printed(), answer.get("package", ""))
            outcome = INTERRUPTED if worker.out_of_room() else outcome_of(answer)
            if answer["kind"] == "killed":
                worker.close()
                raise WorkerFailure(outcome, answer["reason"], facts["printed"], killed=True)
            return self._without_field(case, key, outcome, answer["reason"], facts)
        # The seconds of handing a ready-made field on are not those of a registration.
        timed = "precomputed_field" not in self.method.needs or self.method.kind != "external"
        return Status(
            case=case.id,
            outcome="ok",
            key=key,
            register_s=answer["register_s"] if timed else None,
            peak_memory_mb=max(worker.peak_bytes / 2**20, answer["peak_memory_mb"] or 0.0),
            threads=self.method.resources.threads,
            device=self.device,
            seed=self.job.seed,
            field_sha256=sha256(folder / FIELD_NAME),
            facts={
                "register_cpu_s": answer["register_cpu_s"] if timed else None,
                "load": answer["load"],
                "versions": worker.versions,
                "host": platform.node(),
                "cpus": len(os.sched_getaffinity(0)),
                "started": time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime(started)),
                "settings": self.job.run.settings,
                **({"parameters": worker.parameters} if worker.parameters else {}),
            },
        )

    def _living_worker(self) -> Worker:
        """The living worker, or a new one. A method that cannot even start is not tried again."""
        if self.no_start is not None:
            raise self.no_start
        if self.worker is None:
            self.warm = False
            try:
                self.worker = self._start(self.method)
            except WorkerFailure as failure:
                self.no_start = failure
                raise
        return self.worker

    def _start(self, method: MethodPlugin) -> Worker:
        run = self.job.run
        job = worker_job(
            method,
            run.settings,
            self.job.seed,
            prealigned=run.task.prealigned,
            training_fields=self.training_fields,
            checkpoint=self.checkpoint,
            device=self.device,
        )
        try:
            return Worker(job, self.limits, self.log)
        except WorkerFailure as failure:
            if method.warmup != "toy" or failure.outcome not in ("failed", "timeout"):
                raise
        # A method may be unable to do the toy pair and yet do real ones.
        return self._start(method.model_copy(update={"warmup": "none"}))

    def _given(self, case: Case) -> tuple[list[str], str]:
        """The pair's transforms, and their layout, for a method that takes ready-made fields."""
        if "precomputed_field" not in self.method.needs:
            return [], "voxel"
        if other := self.job.given():
            return [str((other.folder / case.id / FIELD_NAME).absolute())], "voxel"
        settings = self.job.run.settings
        names = given_transforms(settings, case.fixed.stem, case.moving.stem)
        return names, settings.get("layout", "voxel")

    def _without_field(
        self, case: Case, key: str, outcome: str, reason: str, facts: dict[str, Any] | None = None
    ) -> Status:
        own = self.method.environment
        return Status(
            case=case.id,
            outcome=outcome,
            reason=reason + "; the next run tries it again" * (outcome == INTERRUPTED),
            key=key,
            threads=self.method.resources.threads,
            seed=self.job.seed,
            facts=(facts or {}) | ({"environment": own.id} if own else {}),
        )


def _facts(printed: str, package: str) -> dict[str, Any]:
    """What a failed case's status keeps for people, and the package that the case waits for."""
    return {"printed": printed[-MAX_PRINTED:]} | ({"missing": package} if package else {})


def _file_states(case: Case) -> dict[Path, tuple[int, int, int]]:
    """Size, time and identity of a case's files, which a method must not change."""
    stats = {path: path.stat() for path in case.files if path.is_file()}
    return {path: (s.st_size, s.st_mtime_ns, s.st_ino) for path, s in stats.items()}
