"""The pairs of a folder, as its csv or yaml lists them. Names only: no image is opened."""

import csv
from pathlib import Path
from typing import Any

from regbench.base.errors import BadInput
from regbench.base.schemas import did_you_mean, read_yaml
from regbench.data.dataset_json import inside_folder
from regbench.data.layout import PAIR_LISTS, Case, Entry, Layout, named_path

SPLITS = tuple(PAIR_LISTS)
KINDS = ("labels", "mask", "landmarks")
COLUMNS = (
    *("fixed", "moving", "split"),
    *(f"{role}_{kind}" for role in ("fixed", "moving") for kind in KINDS),
)


def pairs(settings: dict[str, Any]) -> Layout:
    """The pairs that `settings["path"]` lists.

    A csv with a header line, or a yaml list of mappings. `fixed` and `moving` are needed; `split`
    is `test` where it is not given.

    Raises:
        BadInput: no such file, an unknown column, a missing image, a path that leaves the folder, a
            pair listed twice, or an image in two splits.
    """
    file = named_path(settings, "a csv or yaml that lists pairs")
    cases: dict[str, list[Case]] = {split: [] for split in SPLITS}
    place: dict[Path, tuple[str, str]] = {}
    seen: dict[tuple[Path, Path], str] = {}
    for where, row in _rows(file):
        split = row.get("split") or "test"
        if split not in SPLITS:
            raise BadInput(
                f"{where}: unknown split",
                file=file,
                expected=f"one of {', '.join(SPLITS)}",
                found=split,
            )
        case = Case(*(_entry(row, role, file, where) for role in ("fixed", "moving")))
        images = case.fixed.image, case.moving.image
        if images[0] == images[1]:
            raise BadInput(f"{where}: fixed and moving are one image", file=file, found=images[0])
        if images in seen:
            raise BadInput(
                f"{where}: the pair is listed twice", file=file, found=f"also {seen[images]}"
            )
        seen[images] = where
        for image in images:
            known, there = place.setdefault(image, (split, where))
            if known != split:
                raise BadInput(
                    f"{where}: {image.name} is in two splits",
                    file=file,
                    found=f"{split}, and {known} in {there}",
                )
        cases[split].append(case)
    if not seen:
        raise BadInput("lists no pairs", file=file, expected="a line a pair")
    name = file.resolve().parent.name
    listed = {split: tuple(members) for split, members in cases.items()}
    layout = Layout(file, name, (0, 1), _labels(settings), listed)
    layout = layout.with_geometry(settings.get("geometry", "check"))
    return layout.with_frame(settings.get("landmarks_frame"))


def _rows(file: Path) -> list[tuple[str, dict[str, str]]]:
    """Where each row stands, and its cells that are not empty."""
    if not file.is_file():
        raise BadInput("no such file", file=file, expected="a csv or yaml that lists pairs")
    if file.suffix in (".yaml", ".yml"):
        listed = read_yaml(file)
        if not isinstance(listed, list) or not all(isinstance(row, dict) for row in listed):
            raise BadInput(
                "is not a list of pairs", file=file, expected="- {fixed: ..., moving: ...}"
            )
        found = [(f"pair {n}", row) for n, row in enumerate(listed, start=1)]
    else:
        try:
            with file.open(encoding="utf-8-sig", newline="") as text:
                reader = csv.DictReader(text, skipinitialspace=True, strict=True)
                found = [(f"line {reader.line_num}", row) for row in reader]
        except (UnicodeDecodeError, csv.Error) as error:
            raise BadInput("is not a csv", file=file, found=str(error)) from error
    rows = []
    for where, row in found:
        for key, value in row.items():
            if key not in COLUMNS:
                named = "a cell too many" if key is None else repr(key)
                hint = "" if key is None else did_you_mean([str(key)], list(COLUMNS))
                raise BadInput(
                    f"{where}: unknown column {named}{hint}",
                    file=file,
                    expected=f"some of {', '.join(COLUMNS)}",
                )
            if value is not None and not isinstance(value, str):
                raise BadInput(f"{where}: {key} is not text", file=file, found=value)
        rows.append((where, {k: v.strip() for k, v in row.items() if v and v.strip()}))
    return rows


def _entry(row: dict[str, str], role: str, file: Path, where: str) -> Entry:
    if role not in row:
        raise BadInput(f"{where}: {role} is missing", file=file, expected="a path")
    names = {kind: row.get(f"{role}_{kind}") for kind in KINDS}
    found = {
        kind: None if name is None else inside_folder(name, file, f"{where}: {role}_{kind}")
        for kind, name in names.items()
    }
    return Entry(inside_folder(row[role], file, f"{where}: {role}"), **found)


def _labels(settings: dict[str, Any]) -> dict[int, str]:
    named = settings.get("labels", {})
    if not isinstance(named, dict) or not all(str(key).isdigit() for key in named):
        raise BadInput("setting labels is malformed", expected='{"1": liver}', found=named)
    return {int(key): str(name) for key, name in named.items() if int(key) != 0}
