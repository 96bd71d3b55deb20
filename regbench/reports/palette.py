"""Colours, decided once: of organs in all pictures and the viewer, of methods in all charts."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, NamedTuple

if TYPE_CHECKING:
    from regbench.plan.config import Config

#: A part of an organ's name to its colour. `safe` is told apart with every kind of colour vision,
#: on grey; `paper` is the paper's.
ORGANS = {
    "safe": {"liver": "#f0e442", "kidney": "#d55e00", "spleen": "#56b4e9", "lung": "#d55e00"},
    "paper": {"liver": "#00d52f", "kidney": "#ff3b30", "spleen": "#3f8cff", "lung": "#ff3b30"},
}
#: Of the arrow to the largest disagreement: the colour and its rim.
ARROWS = {"safe": ("#ffffff", "#000000"), "paper": ("#ff1a1a", "#ffffff")}
OTHERS = ("#cc79a7", "#009e73", "#e69f00", "#0072b2")
#: Okabe and Ito's, but for their yellow, which white paper swallows.
METHODS = ("#0072b2", "#d55e00", "#009e73", "#cc79a7", "#e69f00", "#56b4e9", "#000000")
CONTROLS = ("#999999", "#666666", "#bbbbbb")
#: Their number and that of the colours have no common divisor: 56 methods look different.
MARKERS = "os^DvPX*"
DASHES = ("-", "--", "-.", ":")


class Mark(NamedTuple):
    """How a method is drawn in every chart."""

    colour: str
    marker: str
    dashes: str


def organ_colours(organs: Sequence[str], palette: str = "safe") -> list[str]:
    """A colour for each organ, from a palette of ORGANS or, for others, from OTHERS."""
    known = ORGANS[palette].items()
    found = [next((c for word, c in known if word in organ.lower()), "") for organ in organs]
    return [colour or OTHERS[k % len(OTHERS)] for k, colour in enumerate(found)]


def method_marks(config: Config, names: Sequence[str] = ()) -> dict[str, Mark]:
    """Title of a method to its mark, by its place among the config's runs; then further `names`."""
    kinds = {run.title: run.method.kind for run in config.runs}
    # The bare title of a method stands for its first run.
    first = {run.method.title: run.title for run in reversed(config.runs)}
    titles = dict.fromkeys([*kinds, *(name for name in names if name not in first)])
    controls = [title for title in titles if kinds.get(title) == "control"]
    marks = {
        title: Mark(colours[k % len(colours)], MARKERS[k % len(MARKERS)], DASHES[k // 7 % 4])
        for colours, of in (
            (CONTROLS, controls),
            (METHODS, [t for t in titles if t not in controls]),
        )
        for k, title in enumerate(of)
    }
    return {title: marks[run] for title, run in first.items()} | marks
