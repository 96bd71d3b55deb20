"""The pairs of a Learn2Reg folder, as its JSON lists them. Names only: no image is opened."""

import random
from dataclasses import replace
from typing import Any

from regbench.base.errors import BadInput
from regbench.data.layout import Case, Entry, Layout, named_path, read_layout


def pairs(settings: dict[str, Any]) -> Layout:
    """The data set whose JSON is `settings["path"]`.

    With `masks_as_labels`, an image without a label map has its mask as one: LungCT comes with lung
    masks alone, and Dice and ASD need labels. `landmarks` names one of several sets of landmarks.
    Where the JSON lists images without training pairs, `training_pairs` are drawn with the seed
    `training_pairs_seed`.

    Raises:
        BadInput: no path, the JSON is malformed, or a setting is.
    """
    landmarks = settings.get("landmarks", "")
    if not isinstance(landmarks, str):
        raise BadInput("setting landmarks is malformed", expected="keypoints02", found=landmarks)
    layout = read_layout(named_path(settings, "a dataset JSON"), landmarks)
    layout = draw_training_pairs(
        layout, _count(settings, "training_pairs", 50), _count(settings, "training_pairs_seed", 0)
    )
    if settings.get("masks_as_labels"):
        cases = {split: tuple(map(_masked, members)) for split, members in layout.cases.items()}
        layout = replace(layout, cases=cases)
    layout = layout.with_geometry(settings.get("geometry", "check"))
    return layout.with_frame(settings.get("landmarks_frame"))


def draw_training_pairs(layout: Layout, count: int, seed: int) -> Layout:
    """The data set with `count` different training pairs, drawn at random from its `unpaired`.

    The fixed image has the data set's fixed modality, the moving image its moving one. Fewer are
    drawn where there are fewer. Remarks say how many. A data set that lists pairs stays as it is.
    """
    if not layout.unpaired:
        return layout
    sides = [
        [entry for entry in layout.unpaired if entry.modality in (None, modality)]
        for modality in layout.direction
    ]
    fixed, moving = sides
    # One modality: each image is paired with the others, so the diagonal is left out.
    others = len(moving) - (layout.direction[0] == layout.direction[1])
    possible = max(0, len(fixed) * others)
    cases = []
    generator = random.Random(seed)  # noqa: S311
    for number in generator.sample(range(possible), min(count, possible)):
        i, j = divmod(number, others)
        cases.append(Case(fixed[i], moving[j + (others < len(moving) and j >= i)]))
    remark = (
        f"unpaired training images: {len(cases)} of {possible} possible training pairs are drawn, "
        f"seed {seed}"
    )
    return replace(layout, cases={**layout.cases, "training": tuple(cases)}).remarked(remark)


def _masked(case: Case) -> Case:
    return replace(case, fixed=_labelled(case.fixed), moving=_labelled(case.moving))


def _labelled(entry: Entry) -> Entry:
    return entry if entry.labels is not None else replace(entry, labels=entry.mask)


def _count(settings: dict[str, Any], name: str, default: int) -> int:
    value = settings.get(name, default)
    if type(value) is not int or value < 0:
        raise BadInput(f"setting {name} is malformed", expected="a whole number >= 0", found=value)
    return value
