"""What an evaluated run keeps on disk: displacement fields and warped volumes."""

import sys
from pathlib import Path

from regbench.base.errors import BadInput
from regbench.base.files import digest, read_json, sha256, write_json
from regbench.base.records import FIELD_NAME, Status
from regbench.data.layout import Case
from regbench.plan.jobs import Job
from regbench.spatial.field import read_field
from regbench.spatial.nifti import read_volume, write_volume
from regbench.spatial.warp import warp_image, warp_labels

#: The moving image and its label map on the fixed grid, and the key of the two.
WARPED = "warped.nii.gz"
WARPED_LABELS = "warped_labels.nii.gz"
WARPED_KEY = "warped.json"


def registered_field(folder: Path, known: str) -> Path:
    """The file of a case's field.

    Args:
        folder: of the case.
        known: SHA-256 of the field, from the case's status.

    Raises:
        BadInput: the field was not kept, or it has another hash.
    """
    path = folder / FIELD_NAME
    if not path.is_file():
        raise BadInput(
            "the field was not kept", file=path, expected="keep_fields: all, then regbench retry"
        )
    if sha256(path) != known:
        raise BadInput(
            "is not the field that was registered: something else has written it",
            file=path,
            expected="regbench retry",
        )
    return path


def drop_fields(job: Job, statuses: list[Status]) -> None:
    """Delete the fields that `keep_fields` does not keep."""
    kept = _wanted(job.config.keep_fields, statuses)
    for status in statuses:
        if status.case not in kept:
            (job.folder / status.case / FIELD_NAME).unlink(missing_ok=True)


def keep_warped(job: Job, statuses: list[Status]) -> None:
    """Write the warped volumes that `keep_warped` asks for, and delete the others.

    The image is warped linearly, the label map with the task's interpolation. Volumes that were
    written from the same field and images stay. A case without a field has no warped volumes.

    Args:
        job: the evaluated run and seed.
        statuses: of all cases of the run.
    """
    kept = _wanted(job.config.keep_warped, statuses)
    cases = {case.id: case for case in job.cases}
    for status in statuses:
        place = job.folder / status.case
        if status.case in kept and status.outcome == "ok" and (place / FIELD_NAME).is_file():
            try:
                _write_warped(place, cases[status.case], status, job.run.task.label_interpolation)
            except BadInput as problem:
                # The rows of its metrics report the error; the other cases continue.
                print(f"{status.case}: not warped: {problem}", file=sys.stderr)
        elif status.case not in kept or status.outcome != "ok":
            for name in (WARPED_KEY, WARPED, WARPED_LABELS):
                (place / name).unlink(missing_ok=True)


def _wanted(keep: str, statuses: list[Status]) -> set[str]:
    """The cases whose files are kept: `all`, `reported` (the first), or `none`."""
    last = {"all": len(statuses), "reported": 1, "none": 0}[keep]
    return {status.case for status in statuses[:last]}


def _write_warped(place: Path, case: Case, status: Status, interpolation: str) -> None:
    moving = case.moving
    key = digest(
        [
            status.field_sha256,
            sha256(moving.image),
            sha256(moving.labels) if moving.labels else None,
            interpolation,
        ]
    )
    note = place / WARPED_KEY
    names = [WARPED, *([WARPED_LABELS] if moving.labels else [])]
    done = all((place / name).is_file() for name in names)
    if done and note.is_file() and read_json(note) == key:
        return
    note.unlink(missing_ok=True)
    field = read_field(place / FIELD_NAME)
    write_volume(place / WARPED, warp_image(read_volume(moving.image), field))
    if moving.labels:
        labels = read_volume(moving.labels, labels=True)
        write_volume(place / WARPED_LABELS, warp_labels(labels, field, interpolation))
    write_json(note, key)
