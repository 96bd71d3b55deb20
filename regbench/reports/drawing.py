"""What figures share: a backend without a display, sizes, colours, and bytes that do not change."""

import io
from collections.abc import Sequence

import matplotlib

matplotlib.use("Agg")
from matplotlib import pyplot as plt
from matplotlib.figure import Figure

# TrueType instead of Type 3: journals refuse the latter, and text stays text for editors.
plt.rcParams["pdf.fonttype"] = 42

#: Inches: the width of a text page.
WIDTH = 7.2
#: Points: sizes of type.
SMALL, TINY = 6.5, 5.5
#: Colour-blind safe (Okabe and Ito), then three more.
COLOURS = (
    *("#0072B2", "#D55E00", "#009E73", "#CC79A7", "#E69F00"),
    *("#56B4E9", "#000000", "#8C564B", "#7F7F7F", "#BCBD22"),
)
#: Dots an inch of a png, and of pictures inside a pdf.
DPI = 200


def look(k: int, marks: Sequence[str]) -> tuple[str, str]:
    """Colour and mark of the k-th method: where the colours are used up, the mark changes."""
    return COLOURS[k % len(COLOURS)], marks[k // len(COLOURS) % len(marks)]


def to_bytes(figure: Figure, ending: str) -> bytes:
    """The figure as `png` or `pdf`, closed; the same bytes for the same drawing."""
    buffer = io.BytesIO()
    stamp = {"CreationDate": None} if ending == "pdf" else {"Software": None}
    figure.savefig(buffer, format=ending, dpi=DPI, metadata=stamp)
    plt.close(figure)
    return buffer.getvalue()


def fitted(text: str, inches: float, points: float) -> str:
    """Text cut, with an ellipsis, to about a width at a font size: names can be long."""
    # A letter is about 0.55 of its size wide.
    room = max(int(inches * 72 / (0.55 * points)), 2)
    return text if len(text) <= room else f"{text[: room - 1]}\u2026"


def plain(text: str) -> str:
    """Text in which a dollar is a dollar, not the start of a formula."""
    return text.replace("$", r"\$")
