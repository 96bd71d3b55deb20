"""All checks of one data set, in order, each yielded as soon as it is known."""

import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np

from regbench.base.errors import BadInput
from regbench.base.files import sha256
from regbench.check.finding import FAIL, NOTE, OK, UNEDITED_TITLES, WARNING, Finding
from regbench.check.hygiene import contents
from regbench.data.check import check_pair, read_side
from regbench.data.layout import Case, Layout, read_layout
from regbench.data.pair import Side
from regbench.execution.prepare import prepare
from regbench.execution.protocol import Answerer, Worker, WorkerFailure, serve_requests
from regbench.execution.worker import absolute_paths
from regbench.plan.config import DatasetConfig, check_seeds
from regbench.plan.resources import Limits
from regbench.plugins.kinds import DatasetPlugin, read_dataset
from regbench.spatial.field import Field, read_field
from regbench.spatial.volume import voxel_to_world
from regbench.spatial.warp import warp_image, warp_labels, warp_points

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
    own = absolute_paths({**plugin.settings, **(settings or {})}, folders=True)
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
    if plugin.title in UNEDITED_TITLES:
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
    program = ("regbench.check.dataset",)
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


#: Spacing of real scans, mm.
SPACINGS = (0.05, 20.0)
#: Voxels that a landmark may miss its partner by, under the true field.
NEAR = 1.0


def pair_findings(layout: Layout) -> Iterator[Finding]:
    """A line for each kind of thing that pairs hold."""
    cases = [case for group in layout.cases.values() for case in group if not case.problem]
    troubles: dict[str, tuple[str, str, str]] = {}
    known: dict[str, int] = {"images": 0, "labels": 0, "landmarks": 0, "true field": 0}
    present: set[int] = set()
    for case in cases:
        try:
            fixed, moving = read_side(case.fixed), read_side(case.moving)
            check_pair(fixed, moving, case)
        except BadInput as error:
            troubles.setdefault("images", (FAIL, str(error), "see docs/bad-inputs.md"))
            continue
        known["images"] += 1
        _affines(case, fixed, moving, troubles)
        if fixed.labels is not None and moving.labels is not None:
            known["labels"] += 1
            present |= {int(v) for v in np.union1d(fixed.labels.data, moving.labels.data)}
        if fixed.landmarks is not None and moving.landmarks is not None:
            known["landmarks"] += 1
        if case.true_field is not None:
            known["true field"] += 1
            try:
                _true_field(case, fixed, moving, read_field(case.true_field), troubles)
            except BadInput as error:
                troubles.setdefault("true field", (FAIL, str(error), "see docs/bad-inputs.md"))
    _labels(layout, known["labels"], present - {0}, troubles)
    for check, count in known.items():
        if check in troubles:
            yield Finding(check, *troubles[check])
        elif count:
            yield Finding(check, OK, f"of {count} pairs: readable and consistent")
        else:
            yield Finding(check, NOTE, "none")


def _affines(
    case: Case, fixed: Side, moving: Side, troubles: dict[str, tuple[str, str, str]]
) -> None:
    spacing = fixed.image.spacing
    if spacing.min() < SPACINGS[0] or spacing.max() > SPACINGS[1]:
        text = f"{case.id}: a spacing of {', '.join(f'{v:g}' for v in spacing)} mm"
        troubles.setdefault("images", (WARNING, text, "the affine maps voxels to millimetres"))
    if np.array_equal(fixed.image.affine, np.eye(4)):
        text = f"{case.id}: the affine is the identity"
        fix = "state the spacing: distances are measured in millimetres"
        troubles.setdefault("images", (WARNING, text, fix))
    if not np.allclose(fixed.image.affine, moving.image.affine, atol=1e-3):
        text = f"{case.id}: fixed and moving have different affines"
        fix = "resample to one grid: displacements are by voxel index"
        troubles.setdefault("images", (WARNING, text, fix))


def _labels(
    layout: Layout, count: int, present: set[int], troubles: dict[str, tuple[str, str, str]]
) -> None:
    named = set(layout.labels)
    if count and named - present:
        text = f"labels {sorted(named - present)} are named and in no image"
        troubles.setdefault("labels", (WARNING, text, "are the images too small for them?"))
    if present - named:
        text = f"labels {sorted(present - named)} are in the images and have no name"
        troubles.setdefault("labels", (FAIL, text, 'name them under labels: {"1": name}'))


def _true_field(
    case: Case,
    fixed: Side,
    moving: Side,
    field: Field,
    troubles: dict[str, tuple[str, str, str]],
) -> None:
    """The true field must bring the moving labels (else the image) and landmarks to the fixed."""
    fix = "fields[k] has sides[k] fixed; warped(x) = moving(x + u(x)), voxels of the fixed grid"
    if field.shape != fixed.image.shape:
        text = f"{case.id}: shape {field.shape}, the image's is {fixed.image.shape}"
        troubles.setdefault("true field", (FAIL, text, fix))
        return
    before, after = _disagreement(fixed, moving, field)
    if after > before:
        text = f"{case.id}: warping by the true field takes the pair apart"
        text += f" (disagreement {before:.3g} before, {after:.3g} after)"
        troubles.setdefault("true field", (FAIL, text, fix))
        return
    if fixed.landmarks is None or moving.landmarks is None:
        return
    away = warp_points(fixed.landmarks, field) - moving.landmarks
    worst = float(np.linalg.norm(away, axis=1).max(initial=0.0))
    if worst > NEAR:
        steps = voxel_to_world(away, moving.image.affine) - moving.image.affine[:3, 3]
        text = f"{case.id}: under the true field a landmark misses its partner by {worst:.1f} voxel"
        text += f" ({np.linalg.norm(steps, axis=1).max():.1f} mm)"
        fix = "row i of both sides is one point, in voxel coordinates (not millimetres)"
        troubles.setdefault("landmarks", (FAIL, text, fix))


def _disagreement(fixed: Side, moving: Side, field: Field) -> tuple[float, float]:
    """Share of unequal labels, or else mean difference of intensities, before and after."""
    if fixed.labels is not None and moving.labels is not None:
        target, before = fixed.labels.data, moving.labels.data
        after = warp_labels(moving.labels, field).data
        return float((before != target).mean()), float((after != target).mean())
    target, before = fixed.image.data, moving.image.data
    after = warp_image(moving.image, field).data
    return float(np.abs(before - target).mean()), float(np.abs(after - target).mean())


def start(job: dict[str, Any]) -> tuple[dict[str, str], Answerer]:
    """What answers `file`: the data set is prepared there."""
    plugin = read_dataset(Path(job["folder"]))
    dataset = DatasetConfig(plugin.id, plugin, job["settings"], job["splits"])

    def answer(request: dict[str, Any]) -> dict[str, Any]:
        prepare(dataset, Path(request["file"]))
        return {}

    return {}, answer


if __name__ == "__main__":
    serve_requests(start)
