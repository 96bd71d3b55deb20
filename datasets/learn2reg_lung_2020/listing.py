"""The pairs of the Learn2Reg 2020 lung record, by their file names. No image is opened."""

import re
from pathlib import Path
from typing import Any

from regbench.base.errors import BadInput
from regbench.data.layout import Case, Entry, Layout, named_path

SCAN = re.compile(r"(case_\d+)_(insp|exp)\.nii\.gz")
LAYOUT = "scans/case_001_insp.nii.gz, scans/case_001_exp.nii.gz, lungMasks"


def pairs(settings: dict[str, Any]) -> Layout:
    """Inspiration fixed, expiration moving; lung masks as mask and as label.

    Without a test record, the last `held_out` training pairs are test cases and the `validation`
    ones before them validation cases; with it, the last ones are validation cases.

    Raises:
        BadInput: no such folder or no pairs in it, too few for the splits, or one in both records.
    """
    root, test = named_path(settings, "the training record"), settings.get("test_path", "")
    training = _cases(root, "training")
    kept = _count(settings, "validation")
    held = 0 if test else _count(settings, "held_out")
    if kept + held >= len(training):
        raise BadInput(
            "too few pairs for the splits",
            file=root,
            expected=f"more than {kept + held} (settings validation and held_out)",
            found=len(training),
        )
    split = len(training) - kept - held
    cases = {
        "training": training[:split],
        "validation": training[split : split + kept],
        "test": _cases(Path(test), "test") if test else training[split + kept :],
    }
    both = {case.id for case in training} & {case.id for case in cases["test"]}
    if test and both:
        raise BadInput(
            "the test record holds pairs of the training record", file=test, found=min(both)
        )
    layout = Layout(root, "Learn2Reg 2020 lung CT", (0, 1), {1: "lung"}, cases)
    return layout.with_geometry(settings.get("geometry", "check"))


def _cases(root: Path, name: str) -> tuple[Case, ...]:
    """The pairs below `root/<name>`, or below `root` itself, in the order of their numbers."""
    folder = root / name if (root / name).is_dir() else root
    scans = folder / "scans"
    if not scans.is_dir():
        raise BadInput("no such folder of the record", file=scans, expected=LAYOUT)
    found: dict[str, dict[str, Entry]] = {}
    for image in sorted(scans.iterdir()):
        match = SCAN.fullmatch(image.name)
        if match:
            mask = folder / "lungMasks" / image.name
            known = mask if mask.is_file() else None
            found.setdefault(match[1], {})[match[2]] = Entry(image, labels=known, mask=known)
    if not found:
        raise BadInput("holds no scans", file=scans, expected=LAYOUT)
    return tuple(_case(scans, number, found[number]) for number in sorted(found))


def _case(scans: Path, number: str, phases: dict[str, Entry]) -> Case:
    sides, problem = [], None
    for phase in ("insp", "exp"):
        image = scans / f"{number}_{phase}.nii.gz"
        if phase not in phases:
            problem = f"{image}: no such file; expected both phases of {number}"
        sides.append(phases.get(phase, Entry(image)))
    return Case(sides[0], sides[1], problem=problem)


def _count(settings: dict[str, Any], name: str) -> int:
    value = settings.get(name, 0)
    if not isinstance(value, int) or isinstance(value, bool) or value < 0:
        raise BadInput(f"setting {name} is malformed", expected="a whole number >= 0", found=value)
    return value
