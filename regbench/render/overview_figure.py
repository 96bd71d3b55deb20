"""Drawing an overview in the layout of the paper's Figures 4 to 6."""

import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.lines import Line2D
from matplotlib.patches import Rectangle
from matplotlib.patheffects import withStroke
from numpy.typing import NDArray

from regbench.render.drawing import COLOURS, plt, to_bytes
from regbench.render.overview import Overview, Panel
from regbench.render.planes import LETTERS, pixel_size, plane
from regbench.render.regions import Region, largest_disagreement

#: The paper's colours of organs, light enough to be seen on dark images.
ORGANS = {"liver": "#00d52f", "kidney": "#ff3b30", "spleen": "#3f8cff", "lung": "#ff3b30"}
ARROW = "#ff1a1a"
GREY = "#d9d9d9"
#: Inches: the width of a text page, the gap between pictures, a line of small type.
WIDTH, GAP, LINE = 7.2, 0.04, 0.125
#: Methods side by side at most, where the report does not say.
ACROSS = 7
SMALL, TINY = 6.5, 5.5


@dataclass(frozen=True)
class Tile:
    """A column of pictures: one image in every plane, each with its enlarged part below.

    Attributes:
        title, note: above it.
        image: RAS, or None where there is none.
        labels: its own organs, for arrows; None where nothing is to be marked.
        window: darkest and brightest value.
    """

    title: str
    note: str
    image: NDArray | None
    labels: NDArray | None
    window: tuple[float, float]
    why: str = ""


def draw(overview: Overview, notes: Sequence[str], across: int | None, ending: str) -> bytes:
    """The figure as `png` (200 dpi) or `pdf`; the same bytes for the same results.

    Args:
        overview: what to draw.
        notes: a short text for each panel, shown below its title.
        across: methods side by side; None: as many as fit.
        ending: `png` or `pdf`.
    """
    tiles = list(_tiles(overview, notes))
    outside, inside = tiles[:2], tiles[2:]
    bands = max(1, math.ceil(len(inside) / (across or ACROSS)))
    columns = max(1, math.ceil(len(inside) / bands))
    # Fixed above moving where there are two bands; side by side where there is one.
    lead = 1 if bands > 1 else 2
    side = (WIDTH - (lead + columns + 2) * GAP) / (lead + columns)
    rows = [side * n for region in overview.regions for n in (_aspect(overview, region), 1)]
    band = 2.2 * LINE + sum(rows) + len(rows) * GAP
    height = bands * (band + 2 * GAP) + 2.4 * LINE
    figure = plt.figure(figsize=(WIDTH, height))
    canvas = _Canvas(figure, height)
    left = lead * (side + GAP) + GAP
    for k in range(bands):
        members = inside[k * columns : (k + 1) * columns]
        y = k * (band + 2 * GAP)
        canvas.box(left, y, len(members) * (side + GAP) + GAP, band + GAP)
        first = outside if lead == 2 else outside[k : k + 1]
        places = [(i * (side + GAP) + GAP / 2, tile) for i, tile in enumerate(first)]
        places += [(left + GAP + i * (side + GAP), tile) for i, tile in enumerate(members)]
        for x, tile in places:
            _draw_tile(canvas, overview, tile, x, y + GAP, side, letters=tile is outside[0])
    _legend(figure, overview, height)
    return to_bytes(figure, ending)


def window(image: NDArray) -> tuple[float, float]:
    """Darkest and brightest value to show: percentiles 1 and 99.5 of what is not background."""
    low = image.min()
    seen = image[image > low]
    if not seen.size:
        return float(low), float(low) + 1
    dark, bright = np.percentile(seen, [1, 99.5])
    return float(dark), float(max(bright, dark + 1e-6))


def colour(organ: str, k: int) -> str:
    """An organ's colour: the paper's, else the k-th of the colour-blind-safe ones."""
    known = (c for word, c in ORGANS.items() if word in organ.lower())
    return next(known, COLOURS[k % len(COLOURS)])


class _Canvas:
    """A figure addressed in inches from its top left corner."""

    def __init__(self, figure: Figure, height: float) -> None:
        self.figure = figure
        self.height = height

    def axes(self, x: float, y: float, width: float, height: float) -> Axes:
        bottom = (self.height - y - height) / self.height
        axes = self.figure.add_axes((x / WIDTH, bottom, width / WIDTH, height / self.height))
        axes.set_axis_off()
        return axes

    def box(self, x: float, y: float, width: float, height: float) -> None:
        corner = (x / WIDTH, (self.height - y - height) / self.height)
        self.figure.add_artist(
            Rectangle(corner, width / WIDTH, height / self.height, color=GREY, lw=0, zorder=-1)
        )

    def text(self, x: float, y: float, text: str, size: float, **more: Any) -> None:
        self.figure.text(x / WIDTH, 1 - y / self.height, text, size=size, **more)


def _tiles(overview: Overview, notes: Sequence[str]) -> Iterator[Tile]:
    fixed, moving = overview.fixed.data, overview.moving
    yield Tile("Fixed", "", fixed, None, window(fixed))
    yield Tile("Moving", "", moving, None, window(moving))
    for panel, note in zip(overview.panels, notes, strict=True):
        yield _tile(panel, note, window(moving))


def _tile(panel: Panel, note: str, shades: tuple[float, float]) -> Tile:
    return Tile(panel.run["title"], note, panel.image, panel.labels, shades, panel.why)


def _aspect(overview: Overview, region: Region) -> float:
    """Height of a picture over its width."""
    down, right = pixel_size(overview.fixed.spacing, region.view)
    rows, columns = plane(overview.fixed.data, region.view, region.index).shape
    return rows * down / (columns * right)


def _draw_tile(
    canvas: _Canvas, overview: Overview, tile: Tile, x: float, y: float, side: float, letters: bool
) -> None:
    canvas.text(x + side / 2, y, _plain(tile.title), SMALL, ha="center", va="top")
    canvas.text(x + side / 2, y + LINE, tile.note, TINY, ha="center", va="top", color="#333333")
    y += 2.2 * LINE
    for region in overview.regions:
        height = side * _aspect(overview, region)
        for part, tall in ((False, height), (True, side)):
            axes = canvas.axes(x, y, side, tall)
            y += tall + GAP
            if tile.image is None:
                _nothing(axes, "" if part else tile.why)
                continue
            _picture(axes, overview, tile, region, part=part)
            if letters and not part:
                _letters(axes, region.view)


def _picture(axes: Axes, overview: Overview, tile: Tile, region: Region, *, part: bool) -> None:
    """A plane of the tile with the fixed image's contours; the part of it alone with an arrow."""
    assert tile.image is not None
    size = pixel_size(overview.fixed.spacing, region.view)
    shown = plane(tile.image, region.view, region.index)
    rows, columns = shown.shape
    extent = (0.0, columns * size[1], rows * size[0], 0.0)
    low, high = tile.window
    axes.imshow(shown, cmap="gray", vmin=low, vmax=high, extent=extent, interpolation="bilinear")
    _contours(axes, overview, region, 0.9 if part else 0.6)
    top, left = region.top * size[0], region.left * size[1]
    tall, wide = region.height * size[0], region.width * size[1]
    if not part:
        frame = Rectangle((left, top), wide, tall, fill=False, ec="white", lw=0.5, ls=(0, (3, 2)))
        axes.add_patch(frame)
        return
    axes.set_xlim(left, left + wide)
    axes.set_ylim(top + tall, top)
    _arrow(axes, overview, tile, region, size)


def _contours(axes: Axes, overview: Overview, region: Region, thickness: float) -> None:
    if overview.labels is None:
        return
    size = pixel_size(overview.fixed.spacing, region.view)
    shown = plane(overview.labels, region.view, region.index)
    if min(shown.shape) < 2:
        # A volume of one voxel's thickness has no contours in this plane.
        return
    y = (np.arange(shown.shape[0]) + 0.5) * size[0]
    x = (np.arange(shown.shape[1]) + 0.5) * size[1]
    for k, organ in enumerate(overview.organs):
        mask = shown == k + 1
        if mask.any() and not mask.all():
            axes.contour(
                x, y, mask.astype(float), [0.5], colors=colour(organ, k), linewidths=thickness
            )


def _arrow(
    axes: Axes, overview: Overview, tile: Tile, region: Region, size: tuple[float, float]
) -> None:
    """A red arrow to the largest disagreement of the region, from where there is room for it."""
    if tile.labels is None or overview.labels is None:
        return
    fixed, warped = (
        plane(labels, region.view, region.index) for labels in (overview.labels, tile.labels)
    )
    found = largest_disagreement(fixed, warped, region, size)
    if found is None:
        return
    head = np.array([(found[1] + 0.5) * size[1], (found[0] + 0.5) * size[0]])
    corner = np.array([region.left * size[1], region.top * size[0]])
    extent = np.array([region.width * size[1], region.height * size[0]])
    # Towards the middle, slanted: a tail along an axis would hide along a contour.
    towards = np.where(head < corner + extent / 2, 1.0, -1.0)
    tail = head + towards * extent.min() * 0.22
    axes.annotate(
        "",
        xy=tuple(head),
        xytext=tuple(tail),
        arrowprops={
            "arrowstyle": "-|>,head_width=0.16,head_length=0.3",
            "color": ARROW,
            "lw": 1.2,
            "shrinkA": 0,
            "shrinkB": 0,
            "path_effects": [withStroke(linewidth=2.0, foreground="white")],
        },
    )


def _letters(axes: Axes, view: str) -> None:
    places = ((0.03, 0.5), (0.97, 0.5), (0.5, 0.97), (0.5, 0.03))
    sides = (("left", "center"), ("right", "center"), ("center", "top"), ("center", "bottom"))
    for letter, place, (ha, va) in zip(LETTERS[view], places, sides, strict=True):
        axes.text(
            *place, letter, transform=axes.transAxes, color="white", size=TINY, ha=ha, va=va,
            path_effects=[withStroke(linewidth=1.2, foreground="black")],
        )  # fmt: skip


def _nothing(axes: Axes, why: str) -> None:
    """A frame that says why there is no picture."""
    frame = Rectangle((0, 0), 1, 1, transform=axes.transAxes, fc="white", ec="#999999", lw=0.5)
    axes.add_patch(frame)
    if why:
        text = axes.text(
            0.5, 0.5, _plain(_folded(why, 18)), transform=axes.transAxes, size=TINY,
            ha="center", va="center", clip_on=True,
        )  # fmt: skip
        text.set_clip_path(frame)


def _folded(text: str, width: int, lines: int = 6) -> str:
    """Text in lines of that many letters; what is too long is cut."""
    import textwrap

    return "\n".join(textwrap.wrap(text, width, max_lines=lines, placeholder=" ..."))


def _plain(text: str) -> str:
    """Text in which a dollar is a dollar, not the start of a formula."""
    return text.replace("$", r"\$")


def _legend(figure: Figure, overview: Overview, height: float) -> None:
    handles = [
        Line2D([], [], color=colour(organ, k), lw=1.5, label=_plain(f"{organ} (fixed)"))
        for k, organ in enumerate(overview.organs)
    ]
    if overview.labels is not None:
        arrow = Line2D([], [], color=ARROW, marker=">", ms=4, lw=1.2, label="largest disagreement")
        handles.append(arrow)
    white = Line2D([], [], color="#888888", lw=0.8, ls=(0, (3, 2)), label="enlarged below")
    figure.legend(
        handles=[*handles, white],
        loc="lower center",
        bbox_to_anchor=(0.5, 0.2 * LINE / height),
        ncols=len(handles) + 1,
        fontsize=SMALL,
        frameon=False,
        borderaxespad=0,
        handlelength=1.6,
        columnspacing=1.4,
    )
