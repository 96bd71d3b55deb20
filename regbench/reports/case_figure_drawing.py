"""Drawing a case in the layout of the paper's Figures 4 to 6: planes, contours, arrows, scales."""

import math
import textwrap
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from matplotlib.axes import Axes
from matplotlib.cm import ScalarMappable
from matplotlib.colors import ListedColormap, Normalize
from matplotlib.figure import Figure
from matplotlib.lines import Line2D
from matplotlib.patches import Rectangle
from matplotlib.patheffects import withStroke
from numpy.typing import NDArray

from regbench.reports.case_figure import CaseFigure
from regbench.reports.drawing import COLOURS, fitted, plain, plt, to_bytes
from regbench.reports.planes import (
    LETTERS,
    checkerboard,
    grid_lines,
    pixel_size,
    plane,
    shaded,
    window,
)
from regbench.reports.regions import Region, body_box, largest_disagreement

GREY = "#d9d9d9"
#: Inches: the width of a text page, the gap between pictures, a line of small type.
WIDTH, GAP, LINE = 7.2, 0.04, 0.125
#: Methods side by side at most, where the report does not say.
ACROSS = 7
SMALL, TINY = 6.5, 5.5
#: The paper's colours of organs, light enough to be seen on dark images.
ORGANS = {"liver": "#00d52f", "kidney": "#ff3b30", "spleen": "#3f8cff", "lung": "#ff3b30"}
ARROW = "#ff1a1a"
#: Folds stand out from the blues and oranges of a Jacobian determinant.
FOLD = "#ff00d4"
#: Voxels between the lines of a deformed grid, at most; a picture has at least 16 of them.
_LINES = 16


@dataclass(frozen=True)
class Tile:
    """A column of pictures: one image in every plane, each with its enlarged part below.

    Attributes:
        title, note: above it.
        image: RAS, or None where there is none.
        window: darkest and brightest value.
        why: why there is no image.
        labels: its own organs, for arrows; None where nothing is to be marked.
        layer: of the field, see `case_figure.layer`.
        show: what is drawn.
    """

    title: str
    note: str
    image: NDArray | None
    window: tuple[float, float]
    why: str = ""
    labels: NDArray | None = None
    layer: NDArray | None = None
    show: str = "warped"


@dataclass(frozen=True)
class Scale:
    """The colours of a layer of numbers.

    Attributes:
        title: with the unit.
        cmap, low, high: colours from the lowest to the highest value.
        extend: which ends stand for more than themselves, as matplotlib has it.
    """

    title: str
    cmap: str
    low: float
    high: float
    extend: str = "max"


def draw(drawn: CaseFigure, notes: Sequence[str], across: int | None, ending: str) -> bytes:
    """The figure as `png` (200 dpi) or `pdf`; the same bytes for the same results.

    Args:
        drawn: what to draw.
        notes: a short text for each panel, shown below its title.
        across: methods side by side; None: as many as fit.
        ending: `png` or `pdf`.
    """
    tiles = list(_tiles(drawn, notes))
    outside, inside = tiles[:2], tiles[2:]
    bands = max(1, math.ceil(len(inside) / (across or ACROSS)))
    columns = max(1, math.ceil(len(inside) / bands))
    # Fixed above moving where there are two bands; side by side where there is one.
    lead = 1 if bands > 1 else 2
    side = min((WIDTH - (lead + columns + 2) * GAP) / (lead + columns), WIDTH / 5)
    rows = [side * n for region in drawn.regions for n in (_aspect(drawn, region), 1)]
    band = 2.2 * LINE + sum(rows) + len(rows) * GAP
    height = bands * (band + 2 * GAP) + 2 * LINE
    figure = plt.figure(figsize=(WIDTH, height))
    canvas = _Canvas(figure, height)
    scale = scale_of(drawn)
    left = lead * (side + GAP) + GAP
    for k in range(bands):
        members = inside[k * columns : (k + 1) * columns]
        y = k * (band + 2 * GAP)
        canvas.box(left, y, len(members) * (side + GAP) + GAP, band + GAP)
        first = outside if lead == 2 else outside[k : k + 1]
        places = [(i * (side + GAP) + GAP / 2, tile) for i, tile in enumerate(first)]
        places += [(left + GAP + i * (side + GAP), tile) for i, tile in enumerate(members)]
        for x, tile in places:
            _tile(canvas, drawn, tile, scale, x, y + GAP, side, letters=tile is outside[0])
    _legend(figure, drawn, height, scale)
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


def _tiles(drawn: CaseFigure, notes: Sequence[str]) -> Iterator[Tile]:
    fixed, moving = drawn.fixed.data, drawn.moving
    shades = window(moving)
    yield Tile("Fixed", "", fixed, window(fixed))
    yield Tile("Moving", "", moving, shades)
    for panel, note in zip(drawn.panels, notes, strict=True):
        yield Tile(
            panel.run.title,
            *(note, panel.image, shades, panel.why, panel.labels, panel.layer, drawn.show),
        )


def _aspect(drawn: CaseFigure, region: Region) -> float:
    """Height of a picture over its width."""
    down, right = pixel_size(drawn.fixed.spacing, region.view)
    _, _, rows, columns = body_box((drawn.fixed.data, drawn.moving), region)
    return rows * down / (columns * right)


def _tile(
    canvas: _Canvas,
    drawn: CaseFigure,
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
    for region in drawn.regions:
        for part, tall in ((False, side * _aspect(drawn, region)), (True, side)):
            axes = canvas.axes(x, y, side, tall)
            axes.set_axis_off()
            y += tall + GAP
            if tile.image is None:
                _nothing(axes, "" if part else tile.why)
                continue
            draw_picture(axes, drawn, tile, region, scale, part=part)
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


def _legend(figure: Figure, drawn: CaseFigure, height: float, scale: Scale | None) -> None:
    handles = [
        Line2D([], [], color=colour(organ, k), lw=1.5, label=plain(f"{organ} (fixed)"))
        for k, organ in enumerate(drawn.organs)
    ]
    if has_arrows(drawn):
        arrow = Line2D([], [], color=ARROW, marker=">", ms=4, lw=1.2, label="largest disagreement")
        handles.append(arrow)
    if drawn.show == "jacobian":
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


def scale_of(drawn: CaseFigure) -> Scale | None:
    """The one scale of all methods; None where shades of grey are drawn."""
    layers = [panel.layer for panel in drawn.panels if panel.layer is not None]
    if drawn.show == "difference":
        return Scale("warped minus fixed (share of the grey scale)", "RdBu_r", -0.5, 0.5, "both")
    if drawn.show == "jacobian":
        return Scale("Jacobian determinant", "PuOr_r", 0, 2)
    if drawn.show == "magnitude":
        # What happens in the air around the body must not set the scale.
        seen = slice(None) if drawn.labels is None else drawn.labels > 0
        high = max((float(np.percentile(x[seen], 99.5)) for x in layers), default=1.0)
        return Scale("displacement (mm)", "viridis", 0, max(high, 1e-3))
    return None


def colour(organ: str, k: int) -> str:
    """An organ's colour: the paper's, else the k-th of the colour-blind-safe ones."""
    known = (c for word, c in ORGANS.items() if word in organ.lower())
    return next(known, COLOURS[k % len(COLOURS)])


def has_arrows(drawn: CaseFigure) -> bool:
    """Whether disagreements are marked: on images with contours, not on numbers of a field."""
    return drawn.labels is not None and drawn.show in ("warped", "checkerboard")


def draw_picture(
    axes: Axes, drawn: CaseFigure, tile: Tile, region: Region, scale: Scale | None, *, part: bool
) -> None:
    """A plane of the tile with the fixed image's contours; or the enlarged part, with an arrow."""
    size = pixel_size(drawn.fixed.spacing, region.view)
    shown = _layer(axes, drawn, tile, region, scale)
    _contours(axes, drawn, region, 0.9 if part else 0.6)
    inner = (region.top, region.left, region.height, region.width)
    top, left, tall, wide = inner if part else body_box((drawn.fixed.data, drawn.moving), region)
    axes.set_xlim(left * size[1], (left + wide) * size[1])
    axes.set_ylim((top + tall) * size[0], top * size[0])
    if part:
        _arrow(axes, drawn, tile, region, size)
        return
    corner = (region.left * size[1], region.top * size[0])
    edges = (region.width * size[1], region.height * size[0])
    dark = "white" if shown else "black"
    axes.add_patch(Rectangle(corner, *edges, fill=False, ec=dark, lw=0.5, ls=(0, (3, 2))))


def _layer(axes: Axes, drawn: CaseFigure, tile: Tile, region: Region, scale: Scale | None) -> bool:
    """Draw what the tile shows; whether it is dark."""
    assert tile.image is not None
    size = pixel_size(drawn.fixed.spacing, region.view)
    shades = plane(shaded(tile.image, tile.window), region.view, region.index)
    grey: dict[str, Any] = {"cmap": "gray", "vmin": 0, "vmax": 1, "interpolation": "bilinear"}
    extent = (0.0, shades.shape[1] * size[1], shades.shape[0] * size[0], 0.0)
    fixed = drawn.fixed.data
    below = plane(shaded(fixed, window(fixed)), region.view, region.index)
    if tile.show == "checkerboard":
        axes.imshow(checkerboard(below, shades), extent=extent, **{**grey, "interpolation": "none"})
    elif tile.show == "difference" and scale is not None:
        axes.imshow(shades - below, cmap=scale.cmap, vmin=scale.low, vmax=scale.high, extent=extent)
        return False
    elif tile.show in ("magnitude", "jacobian") and tile.layer is not None and scale is not None:
        numbers = plane(tile.layer, region.view, region.index)
        axes.imshow(numbers, cmap=scale.cmap, vmin=scale.low, vmax=scale.high, extent=extent)
        folds = numbers <= 0
        if tile.show == "jacobian" and folds.any():
            marked = np.ma.masked_where(~folds, folds.astype(float))
            axes.imshow(marked, cmap=ListedColormap([FOLD]), extent=extent, interpolation="none")
        return tile.show == "magnitude"
    else:
        axes.imshow(shades, extent=extent, **grey)
        if tile.show == "grid" and tile.layer is not None and min(shades.shape) > 1:
            x, y = _centres(shades.shape, size)
            for looks in grid_lines(tile.layer, region.view, region.index):
                step = max(1, round(min(looks.shape) / _LINES))
                levels = np.arange(np.floor(looks.min()), np.ceil(looks.max()) + 1, step)
                axes.contour(x, y, looks, levels, colors="#ffd000", linewidths=0.35)
    return True


def _contours(axes: Axes, drawn: CaseFigure, region: Region, thickness: float) -> None:
    if drawn.labels is None:
        return
    size = pixel_size(drawn.fixed.spacing, region.view)
    shown = plane(drawn.labels, region.view, region.index)
    if min(shown.shape) < 2:
        # A volume of one voxel's thickness has no contours in this plane.
        return
    x, y = _centres(shown.shape, size)
    for k, organ in enumerate(drawn.organs):
        mask = shown == k + 1
        if mask.any() and not mask.all():
            axes.contour(
                x, y, mask.astype(float), [0.5], colors=colour(organ, k), linewidths=thickness
            )


def _centres(shape: tuple[int, ...], size: tuple[float, float]) -> tuple[NDArray, NDArray]:
    """mm of the columns' and rows' centres from the picture's top left corner."""
    return (np.arange(shape[1]) + 0.5) * size[1], (np.arange(shape[0]) + 0.5) * size[0]


def _arrow(
    axes: Axes, drawn: CaseFigure, tile: Tile, region: Region, size: tuple[float, float]
) -> None:
    """A red arrow to the largest disagreement of the region, from where there is room for it."""
    if tile.labels is None or drawn.labels is None or not has_arrows(drawn):
        return
    fixed, warped = (
        plane(labels, region.view, region.index) for labels in (drawn.labels, tile.labels)
    )
    found = largest_disagreement(fixed, warped, region, size)
    if found is None:
        return
    head = np.array([(found[1] + 0.5) * size[1], (found[0] + 0.5) * size[0]])
    corner = np.array([region.left * size[1], region.top * size[0]])
    extent = np.array([region.width * size[1], region.height * size[0]])
    # From the side of the middle, slanted: a tail along an axis would hide along a contour.
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
