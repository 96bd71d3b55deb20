"""What figures share: a backend without a display, sizes, colours, and bytes that do not change.

Colours are decided once: of organs in all pictures and the viewer, of methods in all charts.
"""

from __future__ import annotations

import io
from collections.abc import Callable, Sequence
from functools import cache
from typing import TYPE_CHECKING, NamedTuple

import matplotlib

if TYPE_CHECKING:
    from regbench.plan.config import Config

matplotlib.use("Agg")
from matplotlib import pyplot as plt
from matplotlib.figure import Figure

# TrueType instead of Type 3: journals refuse the latter, and text stays text for editors.
plt.rcParams["pdf.fonttype"] = 42

#: Inches: a column and a page of a journal, by the `width` of a report.
WIDTHS = {"85mm": 85 / 25.4, "174mm": 174 / 25.4}
#: Points: sizes of type; journals ask for 7 at least.
SMALL, TINY = 8, 7
#: Dots an inch of a png, and of pictures inside a pdf.
DPI = 300
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


def pictures(draw: Callable[[], Figure]) -> Callable[[str], bytes]:
    """What gives a figure as `png` (300 dpi) or `pdf`: the same bytes for the same drawing.

    The figure is drawn and laid out once, at the first call.
    """

    @cache
    def drawn() -> Figure:
        figure = draw()
        plt.close(figure)
        figure.set_dpi(DPI)
        if (engine := figure.get_layout_engine()) is not None:
            engine.execute(figure)
            figure.set_layout_engine("none")
        return figure

    def picture(ending: str) -> bytes:
        buffer = io.BytesIO()
        stamp = {"CreationDate": None} if ending == "pdf" else {"Software": None}
        drawn().savefig(buffer, format=ending, dpi=DPI, metadata=stamp)
        return buffer.getvalue()

    return picture


def fitted(text: str, inches: float, points: float) -> str:
    """Text of about a width at a font size: long names lose their middle, as their ends differ."""
    # A letter is about 0.55 of its size wide.
    room = max(int(inches * 72 / (0.55 * points)), 2)
    if len(text) <= room:
        return text
    return f"{text[: room // 2]}\u2026{text[len(text) - (room - 1 - room // 2) :]}"


def plain(text: str) -> str:
    """Text in which a dollar is a dollar, not the start of a formula."""
    return text.replace("$", r"\$")


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
