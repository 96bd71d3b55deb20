"""Importing a folder in the Learn2Reg layout: every file is checked, none is copied needlessly."""

from collections.abc import Iterator
from pathlib import Path
from typing import Any

from regbench.base.errors import BadInput
from regbench.data.layout import Case
from regbench.data.pair import check_links, read_pair
from regbench.data.prepare.grid import resample_side

from .importer import LayoutImporter
from .listing import pairs


def prepare(settings: dict[str, Any], file: Path) -> None:
    """Import the data set whose JSON is `settings["path"]`.

    A pair on one grid is linked as it is (Learn2Reg works index to index: headers of the two
    images are recorded, not compared). A pair whose shapes differ is resampled, moving onto the
    fixed grid, by the headers. A pair with a broken file is kept with its problem: it becomes a
    failed row of every method, and the rest of the data set is used. A link that leaves the folder
    breaks its case, unless `settings["follow_links"]` is true.

    Raises:
        BadInput: the JSON itself is malformed.
    """
    source = pairs(settings)
    importer = LayoutImporter(source, file)
    for split, case in _cases(source.cases):
        try:
            if not settings.get("follow_links"):
                check_links(case, source)
            # Landmarks are checked before a resampling: afterwards, moving ones may lie outside the
            # fixed grid for good reasons.
            fixed, moving = read_pair(case, prepared=source.prepared)
            importer.found(fixed, moving)
            if fixed.image.shape != moving.image.shape:
                moving = resample_side(moving, fixed.image.grid)
                if moving.image.data.min() == moving.image.data.max():
                    what = "the moving image lies nowhere on the fixed one's grid"
                    raise BadInput(what, file=case.moving.image, expected="headers of one place")
                importer.resampled(split, case, fixed, moving)
            else:
                importer.linked(split, case, fixed, moving)
        except BadInput as problem:
            importer.broken(split, case, str(problem))
    importer.finish()


def _cases(cases: dict[str, tuple[Case, ...]]) -> Iterator[tuple[str, Case]]:
    for split, members in cases.items():
        for case in members:
            yield split, case
