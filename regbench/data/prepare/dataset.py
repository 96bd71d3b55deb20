"""Preparing a data set of raw pairs: each pair once, resumably, into the Learn2Reg layout."""

from collections.abc import Iterable, Mapping
from itertools import product
from pathlib import Path
from typing import Any

import numpy as np
from tqdm import tqdm

from regbench.base.errors import BadInput
from regbench.base.files import sha256
from regbench.data.layout import Case, Entry, Layout
from regbench.data.pair import Pair, Side, check_landmarks, read_side
from regbench.data.prepare.align import align
from regbench.data.prepare.pair import Aligner, prepare_pair
from regbench.data.prepare.recipe import DEFAULTS, Recipe, read_recipe
from regbench.data.prepare.report import summary
from regbench.data.writer import LayoutWriter
from regbench.spatial.volume import voxel_to_world


def prepare_pairs(
    source: Layout,
    settings: Mapping[str, Any],
    file: Path,
    *,
    remarks: Iterable[str] = (),
    aligner: Aligner = align,
) -> None:
    """Prepare every pair of a listing and write the data set.

    A pair that an interrupted preparation finished is kept while its files and settings are the
    same. A pair with a broken file is kept with its problem: it becomes a failed row
    of every method, and the rest of the data set is used.

    Args:
        source: the raw pairs, fixed and moving as listed.
        settings: of the data set; `regbench.data.prepare.recipe` tells which keys are used.
        file: the dataset JSON to write; the data set is called as it is.
        remarks: what every table of these data must say.
        aligner: finds the alignment of a pair.

    Raises:
        BadInput: a setting is wrong.
    """
    recipe = read_recipe(settings)
    used = {key: settings.get(key, default) for key, default in DEFAULTS.items()}
    writer = LayoutWriter(file, _header(source, file))
    cases = [(split, case) for split, members in source.cases.items() for case in members]
    for number, (split, case) in enumerate(
        tqdm(cases, desc=f"prepare {writer.header['name']}", unit="pair"), start=1
    ):
        name = f"{number:04d}"
        try:
            if case.problem is not None:
                raise BadInput(case.problem)
            hashes = [_hashes(case.fixed), _hashes(case.moving)]
            depends_on = [used, writer.header["name"], split, number, hashes]
            if not writer.has(name, depends_on):
                pair = make_pair(case, recipe, aligner)
                writer.add(name, depends_on, split, number, pair)
        except BadInput as problem:
            writer.broken(name, split, number, str(problem))
    writer.finish(
        {
            "settings": used,
            "prealigned": recipe.alignment == "affine",
            "remarks": [*remarks, *summary(writer.notes)],
        }
    )
    for case_id, note in writer.notes.items():
        for text in note["warnings"]:
            print(f"warning: case {case_id}: {text}")


def make_pair(case: Case, recipe: Recipe, aligner: Aligner = align) -> Pair:
    """Read a raw pair, check it, and prepare it.

    Raises:
        BadInput: a file is broken or does not fit the others.
    """
    fixed, moving = (read_raw(entry) for entry in (case.fixed, case.moving))
    check_landmarks(fixed, moving, case)
    ready = prepare_pair(fixed, moving, recipe, aligner)
    files = {
        role: str(entry.image) for role, entry in (("fixed", case.fixed), ("moving", case.moving))
    }
    return Pair((ready.fixed, ready.moving), notes={"files": files, **ready.record})


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


def _hashes(entry: Entry) -> dict[str, str]:
    kinds = {
        "image": entry.image,
        "labels": entry.labels,
        "mask": entry.mask,
        "landmarks": entry.landmarks,
    }
    return {kind: sha256(path) for kind, path in kinds.items() if path is not None}


def read_raw(entry: Entry) -> Side:
    """All files of an entry, in their native grid.

    Raises:
        BadInput: a broken file; labels or a mask of another shape, or at another place in the world
            than the image (half a voxel is too far).
    """
    side = read_side(entry)
    corners = np.array(list(product((0, 1), repeat=3))) * (np.array(side.image.shape) - 1)
    for kind, volume in (("labels", side.labels), ("mask", side.mask)):
        if volume is None:
            continue
        apart = voxel_to_world(corners, volume.affine) - voxel_to_world(corners, side.image.affine)
        largest = float(np.linalg.norm(apart, axis=1).max())
        if largest > 0.5 * side.image.spacing.min():
            raise BadInput(
                f"the {kind} lie elsewhere than the image",
                file=getattr(entry, kind),
                expected="the image's affine",
                found=f"corners {largest:.1f} mm apart",
            )
    return side
