"""What a preparation has to tell: of each pair, and of all of them in a table's notes."""

from collections.abc import Iterable, Mapping
from typing import Any

#: A label that loses more than this to the crop box is warned of, in percent.
MUCH = 5.0


def warnings(record: Mapping[str, Any]) -> list[str]:
    """What a reader of the numbers must know about a pair, from its record."""
    found = [
        f"the crop box cuts off {percent:.1f} % of label {label} of the {role} image"
        for role, shares in record["cut_percent"].items()
        for label, percent in shares.items()
        if percent > MUCH
    ]
    if record["apart"]:
        found.append(
            f"fixed and moving label {', '.join(record['apart'])} have no voxel in common:"
            " the alignment may have failed"
        )
    lost = record.get("landmarks_cut")
    if lost:
        found.append(f"{lost} landmarks lie outside the crop box and are left out")
    return found


def summary(notes: Mapping[str, Mapping[str, Any]]) -> list[str]:
    """What tables say of all pairs: the steps, and what the crop boxes cut off.

    Args:
        notes: case to its record. Fixed and moving are the listed ones; a task may turn them.
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
    if record["alignment"] == "none":
        return "none"
    return f"{record['alignment']}, begun from {record['alignment_start']}"


def _times(numbers: Iterable[float]) -> str:
    return " x ".join(f"{number:g}" for number in numbers)


def _common(values: Iterable[str]) -> str:
    """The one value of all pairs, or how many there are."""
    found = sorted(set(values))
    return found[0] if len(found) == 1 else f"({len(found)} different)"
