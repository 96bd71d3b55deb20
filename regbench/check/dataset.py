"""All checks of one data set. Each finding is yielded as soon as it is known."""

import tempfile
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path
from typing import Any

import numpy as np

from regbench.base.errors import BadInput
from regbench.base.files import sha256
from regbench.check import FAIL, NOTE, OK, WARNING, Finding
from regbench.check.bench import refuse_failure
from regbench.check.hygiene import changed, contents, described
from regbench.data.layout import Case, Layout, check_seeds, read_layout
from regbench.data.pair import Side, read_pair
from regbench.execution.prepare import prepare
from regbench.execution.protocol import Worker, WorkerFailure
from regbench.execution.serving import Answerer, serve_requests
from regbench.execution.worker import absolute_paths
from regbench.plan.config import DatasetConfig
from regbench.plan.resources import Limits
from regbench.plugins.kinds import DatasetPlugin, read_dataset
from regbench.spatial.field import read_field
from regbench.spatial.volume import voxel_to_world
from regbench.spatial.warp import warp_image, warp_labels, warp_points

#: The most pairs of a split that are made.
SMALL = 2
#: Seconds and bytes of a preparation of that size.
LIMITS = Limits(300.0, 8.0 * 2**30)
#: Files beside the data that record how they were made.
_BOOKKEEPING = ("stamps", "key.json", ".lock")
#: Plausible spacing of a scan, mm.
SPACINGS = (0.05, 20.0)
#: Voxels by which a landmark may miss its partner under the true field.
NEAR = 1.0
_BAD_INPUTS = "see docs/bad-inputs.md"


def check_dataset(
    plugin: DatasetPlugin,
    *,
    settings: dict[str, Any] | None = None,
    time_limit_s: float | None = None,
    log: Path | None = None,
) -> Iterator[Finding]:
    """Prepare a data set twice into temporary folders and look at it.

    Args:
        plugin: the data set. If it is generated, at most SMALL pairs of each split are made.
        settings: changes to its settings.
        time_limit_s: of one preparation; default: that of LIMITS.
        log: a file that keeps what it prints.
    """
    yield from _metadata_findings(plugin)
    job = {
        "folder": str(plugin.folder.resolve()),
        "settings": absolute_paths({**plugin.settings, **(settings or {})}, folders=True),
        "splits": {
            split: {**numbers, "count": min(numbers["count"], SMALL)}
            for split, numbers in plugin.split_numbers().items()
        },
        "threads": 1,
    }
    limits = Limits(time_limit_s or LIMITS.time_s, LIMITS.memory_bytes)
    with tempfile.TemporaryDirectory(prefix="regbench-check-", ignore_cleanup_errors=True) as name:
        folder = Path(name).resolve()
        log = (log or folder / "printed.txt").resolve()
        before = contents(plugin.folder)
        files = [folder / turn / "check" / "Check_dataset.json" for turn in ("one", "two")]
        try:
            for file in files:
                # In a process of its own, which has nothing in memory from an earlier preparation.
                file.parent.mkdir(parents=True)
                program, here = ("regbench.check.dataset",), file.parent.parent
                with closing(Worker(job, limits, log, program=program, folder=here)) as worker:
                    refuse_failure(worker.ask({"file": str(file)}))
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
    troubles = list(described(plugin, "dataset.yaml", needed=True))
    try:
        check_seeds(plugin.split_numbers(), plugin.id, plugin.folder / "dataset.yaml")
    except BadInput as error:
        fix = "seeds of a split are seed, seed + 1, ..., seed + count - 1: keep them apart"
        troubles.append(Finding("seeds", FAIL, str(error), fix))
    if plugin.generate is not None and not plugin.split_numbers().get("test", {}).get("count"):
        fix = "add splits: {test: {count: N, seed: S}}, or in each config"
        troubles.append(Finding("metadata", WARNING, "makes no test pairs", fix))
    good = Finding("metadata", OK, f"{plugin.title}, version {plugin.version}")
    yield from troubles or [good]


def _prepare_finding(layout: Layout) -> Finding:
    counts = ", ".join(f"{len(cases)} {split}" for split, cases in layout.cases.items() if cases)
    problems = [case.problem for cases in layout.cases.values() for case in cases if case.problem]
    if problems:
        text = f"{counts}; {len(problems)} cannot be used: {problems[0]}"
        return Finding("prepare", FAIL, text, "mend the files, or leave the pair out")
    return Finding("prepare", OK, f"a Learn2Reg layout: {counts}")


def split_finding(layout: Layout) -> Finding:
    """Whether an image is in two splits. It may be in several pairs of one split.

    Training on a validation or test image is a failure; sharing one between those is a warning.
    """
    seen: dict[str, tuple[str, str]] = {}
    for split, cases in layout.cases.items():
        for entry in (side for case in cases for side in (case.fixed, case.moving)):
            if not entry.image.is_file():
                continue
            where, known = seen.setdefault(sha256(entry.image), (split, entry.stem))
            if where != split:
                text = f"{entry.stem} of {split} and {known} of {where} are the same image"
                fix = "make every pair from its seed; list a patient in one split only"
                severity = FAIL if "training" in (where, split) else WARNING
                return Finding("splits", severity, text, fix)
    return Finding("splits", OK, f"{len(seen)} images, none in two splits")


def _repeat_finding(one: Path, two: Path) -> Finding:
    first, second = (
        {name: sha for name, sha in contents(place).items() if not name.startswith(_BOOKKEEPING)}
        for place in (one, two)
    )
    differing = changed(first, second)
    if differing:
        text = f"prepared twice, {len(differing)} files differ, {differing[0]} first"
        return Finding("repeats", FAIL, text, "draw every random number from the pair's seed")
    return Finding("repeats", OK, f"prepared twice, {len(first)} files byte for byte")


def files_finding(before: dict[str, str], after: dict[str, str]) -> Finding:
    """Whether the files in the plugin's folder are as they were."""
    names = changed(before, after)
    if names:
        text = f"writes into the plugin's folder: {names[0]}"
        return Finding("files", FAIL, text, "write below the folder of the JSON only")
    return Finding("files", OK, "writes nothing into the plugin's folder")


def pair_findings(layout: Layout) -> Iterator[Finding]:
    """A line for each kind of data: the first trouble with it, or how many pairs have it."""
    counts = dict.fromkeys(("images", "labels", "landmarks", "true field"), 0)
    troubles: list[Finding] = []
    present: set[int] = set()
    for case in (case for cases in layout.cases.values() for case in cases if not case.problem):
        try:
            fixed, moving = read_pair(case)
        except BadInput as error:
            troubles.append(Finding("images", FAIL, str(error), _BAD_INPUTS))
            continue
        counts["images"] += 1
        troubles += _grid_troubles(case, fixed, moving)
        if fixed.labels is not None and moving.labels is not None:
            counts["labels"] += 1
            present |= {int(v) for v in np.union1d(fixed.labels.data, moving.labels.data)}
        if fixed.landmarks is not None and moving.landmarks is not None:
            counts["landmarks"] += 1
        if case.true_field is not None:
            counts["true field"] += 1
            troubles += _true_field_troubles(case, case.true_field, fixed, moving)
    troubles += _label_troubles(set(layout.labels), present - {0}, counts["labels"])
    for check, count in counts.items():
        good = Finding(check, OK, f"of {count} pairs: readable and consistent")
        usual = good if count else Finding(check, NOTE, "none")
        yield next((trouble for trouble in troubles if trouble.check == check), usual)


def _grid_troubles(case: Case, fixed: Side, moving: Side) -> Iterator[Finding]:
    spacing = fixed.image.spacing
    if spacing.min() < SPACINGS[0] or spacing.max() > SPACINGS[1]:
        text = f"{case.id}: a spacing of {', '.join(f'{v:g}' for v in spacing)} mm"
        yield Finding("images", WARNING, text, "the affine maps voxels to millimetres")
    if np.array_equal(fixed.image.affine, np.eye(4)):
        text = f"{case.id}: the affine is the identity"
        fix = "state the spacing: distances are measured in millimetres"
        yield Finding("images", WARNING, text, fix)
    if not np.allclose(fixed.image.affine, moving.image.affine, atol=1e-3):
        text = f"{case.id}: fixed and moving have different affines"
        fix = "resample to one grid: displacements are by voxel index"
        yield Finding("images", WARNING, text, fix)


def _label_troubles(named: set[int], present: set[int], count: int) -> Iterator[Finding]:
    if count and named - present:
        text = f"labels {sorted(named - present)} are named and in no image"
        yield Finding("labels", WARNING, text, "are the images too small for them?")
    if present - named:
        text = f"labels {sorted(present - named)} are in the images and have no name"
        yield Finding("labels", FAIL, text, 'name them under labels: {"1": name}')


def _true_field_troubles(case: Case, file: Path, fixed: Side, moving: Side) -> Iterator[Finding]:
    """Whether the true field brings the moving labels (or the image) and landmarks to the fixed."""
    try:
        field = read_field(file)
    except BadInput as error:
        yield Finding("true field", FAIL, str(error), _BAD_INPUTS)
        return
    fix = "fields[k] has sides[k] fixed; warped(x) = moving(x + u(x)), voxels of the fixed grid"
    if field.shape != fixed.image.shape:
        text = f"{case.id}: shape {field.shape}, the image's is {fixed.image.shape}"
        yield Finding("true field", FAIL, text, fix)
        return
    # Share of unequal labels, or else the mean difference of intensities.
    if fixed.labels is not None and moving.labels is not None:
        warped = warp_labels(moving.labels, field)
        before = float((moving.labels.data != fixed.labels.data).mean())
        after = float((warped.data != fixed.labels.data).mean())
    else:
        warped = warp_image(moving.image, field)
        before = float(np.abs(moving.image.data - fixed.image.data).mean())
        after = float(np.abs(warped.data - fixed.image.data).mean())
    if after > before:
        text = f"{case.id}: warping by the true field takes the pair apart"
        text += f" (disagreement {before:.3g} before, {after:.3g} after)"
        yield Finding("true field", FAIL, text, fix)
    elif fixed.landmarks is not None and moving.landmarks is not None:
        away = warp_points(fixed.landmarks, field) - moving.landmarks
        worst = float(np.linalg.norm(away, axis=1).max(initial=0.0))
        if worst > NEAR:
            steps = voxel_to_world(away, moving.image.affine) - moving.image.affine[:3, 3]
            text = f"{case.id}: under the true field a landmark misses its partner by "
            text += f"{worst:.1f} voxel ({np.linalg.norm(steps, axis=1).max():.1f} mm)"
            fix = "row i of both sides is one point, in voxel coordinates (not millimetres)"
            yield Finding("landmarks", FAIL, text, fix)


def start(job: dict[str, Any]) -> tuple[dict[str, str], Answerer]:
    """The answerer of the worker: it prepares the data set at the requested `file`."""
    plugin = read_dataset(Path(job["folder"]))
    dataset = DatasetConfig(plugin.id, plugin, job["settings"], job["splits"])

    def answer(request: dict[str, Any]) -> dict[str, Any]:
        prepare(dataset, Path(request["file"]))
        return {}

    return {}, answer


if __name__ == "__main__":
    serve_requests(start)
