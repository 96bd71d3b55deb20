"""What figures share: a backend without a display, sizes, and bytes that do not change."""

import io

import matplotlib

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


def to_bytes(figure: Figure, ending: str) -> bytes:
    """The figure as `png` or `pdf`, closed; the same bytes for the same drawing."""
    buffer = io.BytesIO()
    stamp = {"CreationDate": None} if ending == "pdf" else {"Software": None}
    figure.savefig(buffer, format=ending, dpi=DPI, metadata=stamp)
    plt.close(figure)
    return buffer.getvalue()


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
