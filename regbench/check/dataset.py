"""All checks of one data set, in order, each a line as soon as it is known."""

import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from regbench.base.errors import BadInput
from regbench.base.files import sha256
from regbench.check.about import UNEDITED
from regbench.check.finding import FAIL, OK, WARNING, Finding
from regbench.check.hygiene import contents
from regbench.check.pairs import pair_findings
from regbench.data.layout import Layout, read_layout
from regbench.execution.launcher import absolute
from regbench.execution.worker_client import Limits, Worker, WorkerFailure
from regbench.plan.config import check_seeds
from regbench.plugins.kinds import DatasetPlugin

#: At most so many pairs of a split are made.
SMALL = 2
#: Seconds and bytes of a preparation of that size.
LIMITS = Limits(300.0, 8.0 * 2**30)
#: Files beside the data that say how they were made.
_BOOKKEEPING = ("stamps", "key.json", ".lock")


def check_dataset(
    plugin: DatasetPlugin,
    *,
    settings: dict[str, Any] | None = None,
    time_limit_s: float | None = None,
    log: Path | None = None,
) -> Iterator[Finding]:
    """Prepare a data set twice into temporary folders and look at it.

    Args:
        plugin: the data set. Of a generated one, at most SMALL pairs a split are made.
        settings: changes of its settings.
        time_limit_s: of a preparation; else that of LIMITS.
        log: file that keeps what it prints.

    Returns:
        the findings, as they come.
    """
    yield from _metadata_findings(plugin)
    own = absolute({**plugin.settings, **(settings or {})}, folders=True)
    splits = {
        split: {**numbers, "count": min(numbers["count"], SMALL)}
        for split, numbers in plugin.splits.items()
    }
    job = {
        "folder": str(plugin.folder.resolve()),
        "settings": own,
        "splits": splits,
        "threads": 1,
    }
    limits = Limits(time_limit_s or LIMITS.time_s, LIMITS.memory_bytes)
    with tempfile.TemporaryDirectory(prefix="regbench-check-", ignore_cleanup_errors=True) as name:
        folder = Path(name).resolve()
        log = (log or folder / "printed.txt").resolve()
        before = contents(plugin.folder)
        files = [folder / turn / "check" / "Check_dataset.json" for turn in ("one", "two")]
        for file in files:
            try:
                _prepare(job, limits, log, file)
            except WorkerFailure as failure:
                text = f"{failure.outcome}: {failure}"
                fix = "settings are given with --set KEY=VALUE; --log FILE keeps what it printed"
                yield Finding("prepare", FAIL, text, fix)
                return
        layout = read_layout(files[0])
        yield _prepare_finding(layout)
        yield split_finding(layout)
        yield from pair_findings(layout)
        yield _repeat_finding(*(file.parent for file in files))
        yield files_finding(before, contents(plugin.folder))


def _metadata_findings(plugin: DatasetPlugin) -> Iterator[Finding]:
    troubles = []
    if plugin.title in UNEDITED:
        fix = "set title in dataset.yaml"
        troubles.append(Finding("metadata", WARNING, f"the title is {plugin.title!r}", fix))
    if not plugin.description:
        fix = "add a line description: to dataset.yaml"
        troubles.append(Finding("metadata", WARNING, "no description", fix))
    try:
        check_seeds(plugin.splits, plugin.id, plugin.folder / "dataset.yaml")
    except BadInput as error:
        fix = "seeds of a split are seed, seed + 1, ..., seed + count - 1: keep them apart"
        troubles.append(Finding("seeds", FAIL, str(error), fix))
    if plugin.generate is not None and not plugin.splits.get("test", {}).get("count"):
        fix = "add splits: {test: {count: N, seed: S}}, or in each config"
        troubles.append(Finding("metadata", WARNING, "makes no test pairs", fix))
    yield from troubles
    if not troubles:
        yield Finding("metadata", OK, f"{plugin.title}, version {plugin.version}")


def _prepare(job: dict[str, Any], limits: Limits, log: Path, file: Path) -> None:
    """Prepare in a process of its own, so that what it keeps in memory does not help it."""
    file.parent.mkdir(parents=True)
    program = ("regbench.check.dataset_job",)
    worker = Worker(job, limits, log, program=program, folder=file.parent.parent)
    try:
        answer = worker.ask({"file": str(file)})
    finally:
        worker.close()
    if not answer["ok"]:
        raise WorkerFailure("failed", answer["reason"])


def _prepare_finding(layout: Layout) -> Finding:
    counts = ", ".join(f"{len(cases)} {split}" for split, cases in layout.cases.items() if cases)
    problems = [case.problem for cases in layout.cases.values() for case in cases if case.problem]
    if problems:
        text = f"{counts}; {len(problems)} cannot be used: {problems[0]}"
        return Finding("prepare", FAIL, text, "mend the files, or leave the pair out")
    return Finding("prepare", OK, f"a Learn2Reg layout: {counts}")


def split_finding(layout: Layout) -> Finding:
    """Whether an image is in two splits. In one split it may be in several pairs."""
    seen: dict[str, tuple[str, str]] = {}
    for split, cases in layout.cases.items():
        for entry in (side for case in cases for side in (case.fixed, case.moving)):
            if not entry.image.is_file():
                continue
            where, known = seen.setdefault(sha256(entry.image), (split, entry.stem))
            if where != split:
                text = f"{entry.stem} of {split} and {known} of {where} are the same image"
                fix = "make every pair from its seed; list a patient in one split only"
                return Finding("splits", FAIL, text, fix)
    return Finding("splits", OK, f"{len(seen)} images, none in two splits")


def _repeat_finding(one: Path, two: Path) -> Finding:
    first, second = (
        {name: sha for name, sha in contents(place).items() if not name.startswith(_BOOKKEEPING)}
        for place in (one, two)
    )
    other = sorted(name for name in first | second if first.get(name) != second.get(name))
    if other:
        text = f"prepared twice, {len(other)} files differ, {other[0]} first"
        return Finding("repeats", FAIL, text, "draw every random number from the pair's seed")
    return Finding("repeats", OK, f"prepared twice, {len(first)} files byte for byte")


def files_finding(before: dict[str, str], after: dict[str, str]) -> Finding:
    changed = sorted(name for name in before | after if before.get(name) != after.get(name))
    if changed:
        text = f"writes into the plugin's folder: {changed[0]}"
        return Finding("files", FAIL, text, "write below the folder of the JSON only")
    return Finding("files", OK, "writes nothing into the plugin's folder")
