"""Preparing a data set of raw pairs: each pair once, resumably, into the Learn2Reg layout."""

from collections.abc import Callable, Iterable, Mapping
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import Any

from tqdm import tqdm

from regbench.base.errors import BadInput
from regbench.base.files import sha256
from regbench.data.layout import PREALIGNED, Case, Layout
from regbench.data.pair import Pair, read_pair
from regbench.data.prepare.pair import MUCH, prepare_pair
from regbench.data.prepare.recipe import DEFAULTS, Recipe, read_recipe
from regbench.data.writer import LayoutWriter


def prepare_pairs(
    source: Layout,
    settings: Mapping[str, Any],
    file: Path,
    *,
    remarks: Iterable[str] = (),
) -> None:
    """Prepare every pair of a listing and write the data set.

    Args:
        source: the raw pairs, fixed and moving as listed.
        settings: of the data set; `regbench.data.prepare.recipe` tells which keys are used.
        file: the dataset JSON to write; its name gives the data set's name.
        remarks: what every table of these data must say.

    Raises:
        BadInput: a setting is wrong.
    """
    recipe = read_recipe(settings)
    used = {key: settings.get(key, default) for key, default in DEFAULTS.items()}
    writer = write_pairs(source, used, file, lambda case: make_pair(case, recipe))
    writer.finish(
        {
            "settings": used,
            "prealigned": recipe.alignment in PREALIGNED,
            "remarks": [*source.extra.get("remarks", ()), *remarks, *summary(writer.notes)],
        }
    )
    for case_id, note in writer.notes.items():
        for text in note["warnings"]:
            print(f"warning: case {case_id}: {text}")


def write_pairs(
    source: Layout, used: Mapping[str, Any], file: Path, make: Callable[[Case], Pair]
) -> LayoutWriter:
    """Make and write every pair of a listing. `finish` of what is returned makes the data set.

    A pair that an interrupted preparation finished is kept while its files and settings are the
    same. A pair with a broken file is kept with its problem: it becomes a failed row of every
    method, and the rest of the data set is used.

    Args:
        source: the pairs.
        used: the settings that the pairs depend on.
        file: the dataset JSON; its name gives the data set's name.
        make: makes a pair. Its BadInput is the pair's problem.
    """
    writer = LayoutWriter(file, _header(source, file))
    cases = [(split, case) for split, members in source.cases.items() for case in members]
    for number, (split, case) in enumerate(
        tqdm(cases, desc=f"prepare {writer.header['name']}", unit="pair"), start=1
    ):
        try:
            if case.problem is not None:
                raise BadInput(case.problem)
            hashes = [
                {kind: sha256(path) for kind, path in entry.by_kind.items() if path.is_file()}
                for entry in (case.fixed, case.moving)
            ]
            names = [writer.header["name"], split, number, case.id]
            depends_on = [used, *names, hashes, case.landmarks_frame, case.trusted]
            writer.add(number, split, depends_on, partial(make, case))
        except BadInput as problem:
            writer.broken(number, split, str(problem))
    return writer


def make_pair(case: Case, recipe: Recipe) -> Pair:
    """Read a raw pair, check it, and prepare it.

    Raises:
        BadInput: a file is broken or does not fit the others.
    """
    fixed, moving = read_pair(case, prepared=False)
    ready = prepare_pair(fixed, moving, recipe)
    files = {"fixed": str(case.fixed.image), "moving": str(case.moving.image)}
    return replace(ready, notes={"files": files, **ready.notes})


def _header(source: Layout, file: Path) -> dict[str, Any]:
    names = {str(label): name for label, name in source.labels.items()}
    parts = file.stem.removesuffix("_dataset").split("-")
    return {
        "name": "".join(part.capitalize() for part in parts),
        "description": f"prepared from {source.name}",
        "provided_data": {"0": ["image"], "1": ["image"]},
        "registration_direction": {"fixed": 0, "moving": 1},
        "labels": {"0": "background", **names},
    }


def summary(notes: Mapping[str, Mapping[str, Any]]) -> list[str]:
    """What tables say of all pairs: the steps, and what the crop boxes cut off.

    Args:
        notes: case to its record, with fixed and moving as listed; a task may swap them.
    """
    if not notes:
        return []
    records = list(notes.values())
    lines = [
        f"prepared: alignment of the moving image {_common(map(_alignment, records))},"
        f" grid {_common(_times(r['shape']) for r in records)}"
        f" at {_common(_times(r['spacing_mm']) for r in records)} mm"
    ]
    cuts: dict[tuple[str, str], dict[str, float]] = {}
    for case, record in notes.items():
        for role, shares in record["cut_percent"].items():
            for label, percent in shares.items():
                cuts.setdefault((role, label), {})[case] = percent
    for (role, label), cases in sorted(cuts.items()):
        worst = max(cases, key=lambda name: cases[name])
        many = sum(percent > MUCH for percent in cases.values())
        if many:
            lines.append(
                f"warning: the crop box cuts off more than {MUCH:g} % of label {label} of the"
                f" listed {role} image in {many} of {len(cases)} pairs"
                f" (most: {cases[worst]:.1f} %, case {worst})"
            )
    apart = [case for case, record in notes.items() if record["apart"]]
    if apart:
        lines.append(
            f"warning: fixed and moving labels without a voxel in common in {len(apart)} of"
            f" {len(notes)} pairs: the alignment may have failed ({', '.join(apart[:5])})"
        )
    lost = sum(record.get("landmarks_cut", 0) for record in records)
    if lost:
        lines.append(f"warning: {lost} landmarks lie outside the crop boxes and are left out")
    return lines


def _alignment(record: Mapping[str, Any]) -> str:
    if record["alignment_start"] == "none":
        return str(record["alignment"])
    return f"{record['alignment']}, begun from {record['alignment_start']}"


def _times(numbers: Iterable[float]) -> str:
    return " x ".join(f"{number:g}" for number in numbers)


def _common(values: Iterable[str]) -> str:
    """The one value of all pairs, or how many different ones there are."""
    different = sorted(set(values))
    return different[0] if len(different) == 1 else f"({len(different)} different)"
