"""What the machine does is not the method's, and a damaged file is made again or refused."""

import errno
import os
import shutil
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import psutil
import pytest
from helpers import one_line
from toy_project import make_project

from regbench.base.errors import BadInput
from regbench.base.files import write_json
from regbench.base.paths import layout_file, retries, task_metrics_file
from regbench.base.records import Status, read_rows, read_status
from regbench.cli.stage import _removing
from regbench.execution import launcher, protocol
from regbench.execution.launcher import launch
from regbench.execution.prepare import prepare
from regbench.execution.protocol import WorkerFailure
from regbench.execution.register import register_apart, register_shard
from regbench.measure.evaluate import evaluate
from regbench.measure.failures import results_of
from regbench.plan.config import Config, resolve
from regbench.plan.jobs import Job, Plan
from regbench.plan.resources import Shard
from regbench.reports.results import collect, read_results, write_results

WHOLE = Shard()
DATA = layout_file("toy", "toy")
TABLE = task_metrics_file("toy", "toy")


def config(root: Path, method: str = "oracle", **settings: Any) -> Config:
    if not (root / "methods").is_dir():
        make_project(root)
    return resolve(
        {
            "name": "toy",
            "datasets": {
                "toy": {"plugin": "toy", "splits": {"test": {"count": 2, "seed": 300}}},
            },
            "tasks": {"toy": {"dataset": "toy"}},
            "methods": [{"method": method, "settings": settings}],
            "metrics": ["dice", "folds"],
        },
        root,
    )


def run(known: Config) -> None:
    prepare(known.datasets["toy"], DATA)
    register_shard(job_of(known), WHOLE)
    evaluate(job_of(known), 1)
    write_results(TABLE, collect(known, known.tasks["toy"]))


def job_of(known: Config) -> Job:
    return Job.of(known, known.runs[0], 0)


@contextmanager
def inside(folder: Path) -> Iterator[None]:
    before = Path.cwd()
    os.chdir(folder)
    try:
        yield
    finally:
        os.chdir(before)


@pytest.fixture(scope="module")
def finished(tmp_path_factory: pytest.TempPathFactory) -> Path:
    root = tmp_path_factory.mktemp("finished")
    with inside(root):
        run(config(root))
    return root


@pytest.fixture
def known(finished: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Config:
    """A finished run, to be damaged; it is the current folder."""
    root = tmp_path / "copy"
    shutil.copytree(finished, root, symlinks=True)
    monkeypatch.chdir(root)
    return config(root)


def cut(path: Path) -> None:
    path.write_bytes(path.read_bytes()[:-9])


def cut_line(path: Path) -> None:
    path.write_bytes(b"".join(path.read_bytes().splitlines(keepends=True)[:-1]))


def change(path: Path) -> None:
    content = path.read_bytes()
    place = max(content.rfind(b"0"), content.rfind(b"1"))
    path.write_bytes(content[:place] + b"7" + content[place + 1 :])


def noise(path: Path) -> None:
    path.write_bytes(b"\xff\x00\xfe" * 40)


DAMAGES = [cut, cut_line, change, noise]


@pytest.mark.parametrize("damage", DAMAGES)
@pytest.mark.parametrize("name", ["metrics.csv", "cases.json", "shards/1-of-1.json"])
def test_a_damaged_file_of_a_run_is_refused_and_made_again(
    known: Config, name: str, damage: Callable[[Path], None]
) -> None:
    folder = job_of(known).folder
    before = read_rows(folder / "metrics.csv")
    planned = Plan(known).register("toy", "oracle", "0").key
    damage(folder / name)

    def read() -> object:
        if name.startswith("shards"):
            return evaluate(job_of(known), 1)
        return collect(known, known.tasks["toy"])

    with pytest.raises(BadInput) as caught:
        read()
    one_line(caught.value, folder / name, "cut or changed", "another run of snakemake")
    # The next run plans the run's jobs, and they write what they wrote.
    assert Plan(known).register("toy", "oracle", "0").key != planned
    register_shard(job_of(known), WHOLE)
    evaluate(job_of(known), 1)
    assert read_rows(folder / "metrics.csv") == before
    read()


def test_the_verdict_reads_no_damaged_file(known: Config) -> None:
    write_json(Path(Plan(known).config_file), known.raw)
    cut_line(job_of(known).folder / "metrics.csv")
    (result,) = results_of(known)
    with pytest.raises(BadInput, match="cut or changed"):
        result.failed_metrics()
    cut(job_of(known).folder / "cases.json")
    with pytest.raises(BadInput, match="cut or changed"):
        list(results_of(known))


@pytest.mark.parametrize("damage", DAMAGES)
def test_a_damaged_log_of_measurements_is_measured_again(
    known: Config, damage: Callable[[Path], None]
) -> None:
    folder = job_of(known).folder
    before = (folder / "evaluation.jsonl").read_bytes()
    rows = read_rows(folder / "metrics.csv")
    damage(folder / "evaluation.jsonl")
    evaluate(job_of(known), 1)
    assert read_rows(folder / "metrics.csv") == rows
    assert sorted((folder / "evaluation.jsonl").read_bytes()) == sorted(before)


@pytest.mark.parametrize("damage", DAMAGES)
def test_a_damaged_status_counts_as_not_finished(
    known: Config, damage: Callable[[Path], None]
) -> None:
    job = job_of(known)
    one, two = (job.folder / case.id for case in job.cases)
    kept = (two / "status.json").read_bytes()
    damage(one / "status.json")
    assert read_status(one) is None
    register_shard(job, WHOLE)
    assert read_status(one) is not None
    assert (two / "status.json").read_bytes() == kept


@pytest.mark.parametrize("damage", [cut, change, noise])
def test_a_damaged_table_is_refused_and_removed_by_the_job(
    known: Config, damage: Callable[[Path], None]
) -> None:
    damage(TABLE)
    with pytest.raises(BadInput, match="cut or changed"), _removing(TABLE):
        read_results(TABLE)
    assert not TABLE.exists()
    assert known


def test_a_missing_table_is_told_as_missing(tmp_path: Path) -> None:
    with pytest.raises(BadInput, match="no such file"):
        read_results(tmp_path / "metrics.parquet")


@pytest.mark.parametrize("damage", [cut, noise, Path.unlink])
@pytest.mark.parametrize("kind", ["images", "labels", "fields"])
def test_a_damaged_prepared_file_is_no_failure_of_the_method_and_is_made_again(
    known: Config, kind: str, damage: Callable[[Path], None]
) -> None:
    job, folder = job_of(known), DATA.parent
    case, other = job.cases
    file = next(p for p in (folder / f"{kind}Tr").iterdir() if case.fixed.stem in p.name)
    content = file.read_bytes()
    planned = Plan(known).prepare("toy").key
    damage(file)
    # What is finished stays: it was made of the file as it was.
    assert [s.outcome for s in launch(job_of(known), WHOLE, Path("log.txt"))] == ["ok", "ok"]
    (job.folder / case.id / "status.json").unlink()
    (job.folder / "evaluation.jsonl").unlink()
    register_shard(job_of(known), WHOLE)
    status = read_status(job.folder / case.id)
    assert status is not None and status.outcome == "interrupted"
    assert f"{file.name}: was cut, changed or deleted" in status.reason
    evaluate(job_of(known), 1)
    rows = read_rows(job.folder / "metrics.csv")
    assert {r.status for r in rows if r.case == other.id} == {"ok"}
    assert all(r.status.startswith("interrupted: ") for r in rows if r.case == case.id)
    # The next run prepares the pair again, and registers the case.
    assert Plan(known).prepare("toy").key != planned
    prepare(known.datasets["toy"], DATA)
    assert file.read_bytes() == content
    assert [s.outcome for s in launch(job_of(known), WHOLE, Path("log.txt"))] == ["ok", "ok"]


def test_labels_that_are_damaged_after_the_registration_are_not_measured(known: Config) -> None:
    job = job_of(known)
    noise(job.cases[0].fixed.labels or Path())
    (job.folder / "evaluation.jsonl").unlink()
    evaluate(job, 1)
    rows = read_rows(job.folder / "metrics.csv")
    bad = [row for row in rows if row.case == job.cases[0].id]
    assert all(row.status.startswith("interrupted: ") for row in bad)
    assert retries(DATA.parent) and retries(job.folder)


@pytest.mark.parametrize("damage", DAMAGES)
@pytest.mark.parametrize("name", ["toy_dataset.json", "stamps/0001.json", "key.json"])
def test_a_damaged_listing_is_made_again(
    known: Config, name: str, damage: Callable[[Path], None]
) -> None:
    file = DATA.parent / name
    before = DATA.read_bytes()
    damage(file)
    if file == DATA:
        with pytest.raises(BadInput, match="another run of snakemake"):
            assert job_of(known).layout
        assert retries(DATA.parent) == 1
    prepare(known.datasets["toy"], DATA)
    assert DATA.read_bytes() == before


@pytest.mark.parametrize("changed", ["imagesTr", "moving", "split"])
def test_a_record_of_a_pair_with_one_word_changed_is_made_again(
    known: Config, changed: str
) -> None:
    file, before = DATA.parent / "stamps/0001.json", DATA.read_bytes()
    text = file.read_text()
    assert changed in text
    file.write_text(text.replace(changed, changed.replace("i", "j"), 1))
    prepare(known.datasets["toy"], DATA)
    assert DATA.read_bytes() == before


def test_a_damaged_count_of_retries_stops_nothing(known: Config) -> None:
    noise_file = job_of(known).folder / "retries.json"
    noise_file.write_bytes(b"\xff")
    assert retries(noise_file.parent) == 0
    assert Plan(known).register("toy", "oracle", "0").key


def test_a_copy_of_a_project_has_the_same_inputs_and_keys(known: Config, finished: Path) -> None:
    with inside(finished):
        own = config(finished)
        needs = [Plan(own).prepare("toy"), Plan(own).register("toy", "oracle", "0")]
    assert needs == [Plan(known).prepare("toy"), Plan(known).register("toy", "oracle", "0")]


# -- the machine and the method -----------------------------------------------------------------


def outcomes(known: Config) -> list[str]:
    return [status.outcome for status in launch(job_of(known), WHOLE, Path("log.txt"))]


@pytest.mark.parametrize("number", [errno.ENOSPC, errno.EDQUOT, errno.EROFS, errno.EIO])
def test_a_disk_that_takes_no_field_is_tried_again(
    known: Config, monkeypatch: pytest.MonkeyPatch, number: int
) -> None:
    job = job_of(known)
    for case in job.cases:
        (job.folder / case.id / "status.json").unlink()
    planned = Plan(known).register("toy", "oracle", "0").key

    @contextmanager
    def full(path: Path) -> Iterator[None]:
        raise OSError(number, os.strerror(number))
        yield

    with monkeypatch.context() as patch:
        patch.setattr(protocol, "writing", full)
        register_shard(job, WHOLE)
    evaluate(job_of(known), 1)
    rows = read_rows(job.folder / "metrics.csv")
    assert all(row.status.startswith("interrupted: ") for row in rows)
    assert os.strerror(number) in rows[0].status and "displacement.nii.gz" in rows[0].status
    assert Plan(known).register("toy", "oracle", "0").key != planned
    assert outcomes(known) == ["ok", "ok"]


def trouble(root: Path, monkeypatch: pytest.MonkeyPatch, how: str) -> Config:
    made = config(root, "trouble", how=how, on_case=1)
    monkeypatch.chdir(root)
    prepare(made.datasets["toy"], DATA)
    return made


def test_no_room_where_the_method_works_is_tried_again(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    made = trouble(tmp_path, monkeypatch, "no room")
    first, second = launch(job_of(made), WHOLE, Path("log.txt"))
    assert (first.outcome, second.outcome) == ("interrupted", "ok")
    assert "cannot work" in first.reason


def test_an_image_that_the_method_moves_is_stored_where_it_was(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    from regbench.spatial.field import read_field
    from regbench.spatial.nifti import read_affine

    made = trouble(tmp_path, monkeypatch, "move its image")
    case = job_of(made).cases[0]
    assert outcomes(made) == ["ok", "ok"]
    field = read_field(job_of(made).folder / case.id / "displacement.nii.gz")
    assert (field.affine == read_affine(case.fixed.image)).all()


@pytest.mark.parametrize("confined", [True, False])
def test_a_method_that_kills_its_parent_costs_its_own_case(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, *, confined: bool
) -> None:
    config(tmp_path)
    file = tmp_path / "methods" / "trouble" / "method.yaml"
    file.write_text(file.read_text() + f"confined: {str(confined).lower()}\n")
    made = trouble(tmp_path, monkeypatch, "kill parent")
    assert register_apart(job_of(made), WHOLE) == 0
    found = [read_status(job_of(made).folder / case.id) for case in job_of(made).cases]
    assert [status and status.outcome for status in found] == ["failed", "ok"]
    assert not list(job_of(made).folder.glob(".running*"))


def _kills(monkeypatch: pytest.MonkeyPatch, times: int) -> None:
    own, left = launcher.Launcher._register, [times]

    def register(self: Any, *given: Any) -> Status:
        if left[0]:
            left[0] -= 1
            raise WorkerFailure("out-of-memory", "killed by the system", killed=True)
        return own(self, *given)

    monkeypatch.setattr(launcher.Launcher, "_register", register)


@pytest.mark.parametrize(("times", "outcome"), [(1, "ok"), (2, "out-of-memory")])
def test_a_worker_that_is_killed_is_tried_again_at_once(
    known: Config, monkeypatch: pytest.MonkeyPatch, times: int, outcome: str
) -> None:
    case = job_of(known).cases[0]
    (job_of(known).folder / case.id / "status.json").unlink()
    _kills(monkeypatch, times)
    assert outcomes(known) == [outcome, "ok"]


def test_a_worker_that_is_killed_where_memory_is_full_is_no_failure(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    made = trouble(tmp_path, monkeypatch, "killed")
    memory = SimpleNamespace(available=0, total=2**33)
    monkeypatch.setattr(psutil, "virtual_memory", lambda: memory)
    first, second = launch(job_of(made), WHOLE, Path("log.txt"))
    assert (first.outcome, second.outcome) == ("interrupted", "ok")
    assert "whose memory was full" in first.reason


def test_a_method_that_is_not_python_costs_its_own_rows(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    config(tmp_path)
    (tmp_path / "methods" / "shift" / "method.py").write_text("def register(:\n")
    monkeypatch.chdir(tmp_path)
    made = config(tmp_path, "shift")
    prepare(made.datasets["toy"], DATA)
    assert Plan(made).register("toy", "shift", "0").key
    statuses = launch(job_of(made), WHOLE, Path("log.txt"))
    assert [status.outcome for status in statuses] == ["failed", "failed"]
    assert "shift/method.py: is not valid Python in line 1" in statuses[0].reason
