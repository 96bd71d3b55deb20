"""The fields of an evaluated run: which are kept on disk, and a submission to Learn2Reg of them.

A submission is one zip of `disp_<fixed>_<moving>`. Warped volumes are kept beside the fields.
"""

import shutil
import sys
import tempfile
import zipfile
from dataclasses import dataclass
from pathlib import Path

from regbench.base.errors import BadInput
from regbench.base.files import digest, read_json, sha256, write_json, writing
from regbench.base.paths import CASES, layout_file, read_own, run_folder
from regbench.base.records import FIELD_NAME, Status
from regbench.data.field_names import field_stems, pair_id
from regbench.data.layout import Case, Layout, read_layout
from regbench.plan.config import Config, RunConfig
from regbench.plan.jobs import Job
from regbench.spatial.field import read_field
from regbench.spatial.nifti import read_affine, read_volume, write_volume
from regbench.spatial.transforms.itk import write_itk
from regbench.spatial.warp import warp_image, warp_labels

#: The moving image and its label map on the fixed grid, and the key of the two.
WARPED = "warped.nii.gz"
WARPED_LABELS = "warped_labels.nii.gz"
WARPED_KEY = "warped.json"
#: The earliest time that zip can store. A fixed time gives equal bytes for equal fields.
_TIME = (1980, 1, 1, 0, 0, 0)
NAMES = ("kit", "long")
FORMATS = ("learn2reg", "itk")


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
    images = sha256(moving.image), sha256(moving.labels) if moving.labels else None
    key = digest([status.field_sha256, *images, interpolation])
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


@dataclass(frozen=True)
class Export:
    """An archive's fields and moving images by their name in it, and why other cases have none."""

    fields: dict[str, Path]
    moving: dict[str, Path]
    missing: dict[str, str]


def plan_export(config: Config, run: RunConfig, seed: int, names: str = "kit") -> Export:
    """The fields of a finished run.

    Args:
        config, run, seed: which run; paths are relative to the project root.
        names: `kit`, the names that the challenge's evaluation looks for; or `long`, with the whole
            stems of both images.

    Raises:
        BadInput: the run is not finished, a finished field is missing or was replaced, a pair was
            resampled (its field does not fit the listed images), or two cases have one name.
    """
    folder = run_folder(config.name, run.task.id, run.id, seed)
    if not (folder / CASES).is_file():
        raise BadInput("the run is not finished", file=folder, expected=CASES)
    layout = read_layout(layout_file(config.name, run.task.dataset.id))
    statuses = {item["case"]: item for item in read_own(folder / CASES)}
    fields: dict[str, Path] = {}
    images: dict[str, Path] = {}
    missing: dict[str, str] = {}
    for case in layout.directed(run.task.evaluated_split(), run.task.direction):
        status = statuses.get(case.id)
        if status is None:
            missing[case.id] = "not registered"
        elif status["outcome"] != "ok":
            missing[case.id] = f"{status['outcome']}: {status['reason']}"
        else:
            _check_grid(case, layout)
            stems = field_stems(case.fixed.stem, case.moving.stem)
            name = f"{stems[-1 if names == 'kit' else 0]}.nii.gz"
            if name in fields:
                raise BadInput(f"two cases have the name {name}", expected="--names long")
            fields[name] = registered_field(folder / case.id, status["field_sha256"])
            images[name] = case.moving.image
    return Export(fields, images, missing)


def write_zip(output: Path, export: Export, layout: str = FORMATS[0]) -> None:
    """Write an archive, atomically; equal fields give equal bytes.

    Members are stored as they are, because they are compressed already. `layout` is one of FORMATS:
    `learn2reg`, in voxels; or `itk`, which is refused where ITK cannot state a grid.
    """
    with (
        tempfile.TemporaryDirectory() as scratch,
        writing(output) as file,
        zipfile.ZipFile(file, "w", zipfile.ZIP_STORED) as archive,
    ):
        for name, source in sorted(export.fields.items()):
            if layout == "itk":
                field, source = read_field(source), Path(scratch, FIELD_NAME)
                write_itk(source, field, read_affine(export.moving[name]))
            member = zipfile.ZipInfo(name, _TIME)
            member.create_system = 3
            member.external_attr = 0o644 << 16
            member.file_size = source.stat().st_size
            with source.open("rb") as data, archive.open(member, "w") as target:
                shutil.copyfileobj(data, target)


def _check_grid(case: Case, layout: Layout) -> None:
    notes = layout.extra.get("notes", {})
    # The pair is noted as it is listed; a task may turn it.
    for name in (case.id, pair_id(case.moving.stem, case.fixed.stem)):
        if isinstance(notes.get(name), str):
            raise BadInput(
                f"case {case.id} cannot be exported: its field is not of the listed images",
                found=notes[name],
            )
