"""Drawing an overview in the layout of the paper's Figures 4 to 6."""

import math
import textwrap
from collections.abc import Iterator, Sequence
from typing import Any

from matplotlib.axes import Axes
from matplotlib.cm import ScalarMappable
from matplotlib.colors import Normalize
from matplotlib.figure import Figure
from matplotlib.lines import Line2D
from matplotlib.patches import Rectangle
from matplotlib.patheffects import withStroke

from regbench.reports.drawing import fitted, plain, plt, to_bytes
from regbench.reports.overview import Overview
from regbench.reports.overview_pictures import (
    ARROW,
    FOLD,
    Scale,
    Tile,
    body_box,
    colour,
    draw_picture,
    has_arrows,
    scale_of,
    window,
)
from regbench.reports.planes import LETTERS, pixel_size
from regbench.reports.regions import Region

GREY = "#d9d9d9"
#: Inches: the width of a text page, the gap between pictures, a line of small type.
WIDTH, GAP, LINE = 7.2, 0.04, 0.125
#: Methods side by side at most, where the report does not say.
ACROSS = 7
SMALL, TINY = 6.5, 5.5


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
    side = min((WIDTH - (lead + columns + 2) * GAP) / (lead + columns), WIDTH / 5)
    rows = [side * n for region in overview.regions for n in (_aspect(overview, region), 1)]
    band = 2.2 * LINE + sum(rows) + len(rows) * GAP
    height = bands * (band + 2 * GAP) + 2 * LINE
    figure = plt.figure(figsize=(WIDTH, height))
    canvas = _Canvas(figure, height)
    scale = scale_of(overview)
    left = lead * (side + GAP) + GAP
    for k in range(bands):
        members = inside[k * columns : (k + 1) * columns]
        y = k * (band + 2 * GAP)
        canvas.box(left, y, len(members) * (side + GAP) + GAP, band + GAP)
        first = outside if lead == 2 else outside[k : k + 1]
        places = [(i * (side + GAP) + GAP / 2, tile) for i, tile in enumerate(first)]
        places += [(left + GAP + i * (side + GAP), tile) for i, tile in enumerate(members)]
        for x, tile in places:
            _tile(canvas, overview, tile, scale, x, y + GAP, side, letters=tile is outside[0])
    _legend(figure, overview, height, scale)
    if scale is not None:
        _bar(canvas, scale, height)
    return to_bytes(figure, ending)


class _Canvas:
    """A figure addressed in inches from its top left corner."""

    def __init__(self, figure: Figure, height: float) -> None:
        self.figure = figure
        self.height = height

    def axes(self, x: float, y: float, width: float, height: float) -> Axes:
        bottom = (self.height - y - height) / self.height
        return self.figure.add_axes((x / WIDTH, bottom, width / WIDTH, height / self.height))

    def box(self, x: float, y: float, width: float, height: float) -> None:
        corner = (x / WIDTH, (self.height - y - height) / self.height)
        self.figure.add_artist(
            Rectangle(corner, width / WIDTH, height / self.height, color=GREY, lw=0, zorder=-1)
        )

    def text(self, x: float, y: float, text: str, size: float, **more: Any) -> None:
        self.figure.text(x / WIDTH, 1 - y / self.height, text, size=size, **more)


def _tiles(overview: Overview, notes: Sequence[str]) -> Iterator[Tile]:
    fixed, moving = overview.fixed.data, overview.moving
    shades = window(moving)
    yield Tile("Fixed", "", fixed, window(fixed))
    yield Tile("Moving", "", moving, shades)
    for panel, note in zip(overview.panels, notes, strict=True):
        yield Tile(
            panel.run.title,
            *(note, panel.image, shades, panel.why, panel.labels, panel.layer, overview.show),
        )


def _aspect(overview: Overview, region: Region) -> float:
    """Height of a picture over its width."""
    down, right = pixel_size(overview.fixed.spacing, region.view)
    _, _, rows, columns = body_box(overview, region)
    return rows * down / (columns * right)


def _tile(
    canvas: _Canvas,
    overview: Overview,
    tile: Tile,
    scale: Scale | None,
    x: float,
    y: float,
    side: float,
    *,
    letters: bool,
) -> None:
    title = fitted(tile.title, side, SMALL)
    canvas.text(x + side / 2, y, plain(title), SMALL, ha="center", va="top")
    canvas.text(x + side / 2, y + LINE, tile.note, TINY, ha="center", va="top", color="#333333")
    y += 2.2 * LINE
    for region in overview.regions:
        for part, tall in ((False, side * _aspect(overview, region)), (True, side)):
            axes = canvas.axes(x, y, side, tall)
            axes.set_axis_off()
            y += tall + GAP
            if tile.image is None:
                _nothing(axes, "" if part else tile.why)
                continue
            draw_picture(axes, overview, tile, region, scale, part=part)
            if letters and not part:
                _letters(axes, region.view)


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
        folded = "\n".join(textwrap.wrap(why, 18, max_lines=6, placeholder=" ..."))
        middle: dict[str, Any] = {"ha": "center", "va": "center", "transform": axes.transAxes}
        text = axes.text(0.5, 0.5, plain(folded), size=TINY, clip_on=True, **middle)
        text.set_clip_path(frame)


def _legend(figure: Figure, overview: Overview, height: float, scale: Scale | None) -> None:
    handles = [
        Line2D([], [], color=colour(organ, k), lw=1.5, label=plain(f"{organ} (fixed)"))
        for k, organ in enumerate(overview.organs)
    ]
    if has_arrows(overview):
        arrow = Line2D([], [], color=ARROW, marker=">", ms=4, lw=1.2, label="largest disagreement")
        handles.append(arrow)
    if overview.show == "jacobian":
        fold: dict[str, Any] = {"marker": "s", "ms": 4, "lw": 0, "label": "fold: determinant <= 0"}
        handles.append(Line2D([], [], color=FOLD, **fold))
    dashed = Line2D([], [], color="#888888", lw=0.8, ls=(0, (3, 2)), label="enlarged below")
    figure.legend(
        handles=[*handles, dashed],
        loc="lower center" if scale is None else "lower left",
        bbox_to_anchor=(0.5 if scale is None else 0.005, 0.25 * LINE / height),
        ncols=len(handles) + 1,
        fontsize=SMALL if scale is None else TINY,
        frameon=False,
        borderaxespad=0,
        handlelength=1.6,
        columnspacing=1.2,
    )


def _bar(canvas: _Canvas, scale: Scale, height: float) -> None:
    """The colour scale, at the bottom right."""
    axes = canvas.axes(WIDTH - 1.3, height - 1.75 * LINE, 1.2, 0.4 * LINE)
    bar = canvas.figure.colorbar(
        ScalarMappable(Normalize(scale.low, scale.high), scale.cmap),
        cax=axes,
        orientation="horizontal",
        extend=scale.extend,
    )
    bar.outline.set_linewidth(0.3)
    axes.tick_params(labelsize=TINY - 0.5, width=0.3, length=1.5, pad=1)
    canvas.text(WIDTH - 1.35, height - 1.5 * LINE, scale.title, TINY, ha="right", va="center")
