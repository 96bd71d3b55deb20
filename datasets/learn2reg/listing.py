"""The pairs of a Learn2Reg folder, as its JSON lists them. Names only: no image is opened."""

from dataclasses import replace
from typing import Any

from regbench.data.layout import Case, Entry, Layout, named_path, read_layout


def pairs(settings: dict[str, Any]) -> Layout:
    """The data set whose JSON is `settings["path"]`.

    With `masks_as_labels`, an image without a label map has its mask as one: LungCT comes with lung
    masks alone, and Dice and ASD need labels.

    Raises:
        BadInput: no path, or the JSON is malformed.
    """
    layout = read_layout(named_path(settings, "a dataset JSON"))
    if settings.get("masks_as_labels"):
        cases = {split: tuple(map(_masked, members)) for split, members in layout.cases.items()}
        layout = replace(layout, cases=cases)
    return layout.with_frame(settings.get("landmarks_frame"))


def _masked(case: Case) -> Case:
    return replace(case, fixed=_labelled(case.fixed), moving=_labelled(case.moving))


def _labelled(entry: Entry) -> Entry:
    return entry if entry.labels is not None else replace(entry, labels=entry.mask)
