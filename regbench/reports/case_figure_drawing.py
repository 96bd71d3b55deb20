"""Drawing a case in the layout of the paper's Figures 4 to 6: planes, contours, arrows, scales."""

import math
import textwrap
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from matplotlib.axes import Axes
from matplotlib.cm import ScalarMappable
from matplotlib.colors import Colormap, ListedColormap, Normalize
from matplotlib.lines import Line2D
from matplotlib.patches import Rectangle
from matplotlib.patheffects import withStroke
from numpy.typing import NDArray

from regbench.reports import planes
from regbench.reports.case_figure import CaseFigure, Panel
from regbench.reports.drawing import COLOURS, SMALL, TINY, WIDTH, fitted, plain, plt, to_bytes
from regbench.reports.planes import Region

GREY = "#d9d9d9"
#: Inches: the gap between pictures, a line of small type.
GAP, LINE = 0.04, 0.125
#: Methods side by side at most, where the report does not say.
ACROSS = 7
#: The paper's colours of organs, light enough to be seen on dark images.
ORGANS = {"liver": "#00d52f", "kidney": "#ff3b30", "spleen": "#3f8cff", "lung": "#ff3b30"}
ARROW = "#ff1a1a"
#: Folds stand out from the blues and oranges of a Jacobian determinant.
FOLD = "#ff00d4"
#: A picture has about this many lines of a deformed grid along its shorter side.
_LINES = 16
_DASHES = (0, (3, 2))


@dataclass(frozen=True)
class Scale:
    """The colours of a layer of numbers, from the lowest to the highest value.

    `extend` says which ends stand for more than themselves, as in matplotlib.
    """

    title: str
    cmap: str | Colormap
    low: float = 0
    high: float = 1
    extend: str = "max"


GREYS, FOLDS = Scale("shade", "gray"), Scale("fold", ListedColormap([FOLD]))


@dataclass(frozen=True)
class _Tile:
    """A column of pictures: one image in every plane, each with its enlarged part below.

    The image is RAS, and None where there is none; `window` holds its darkest and brightest value.
    The fixed and the moving image have no panel.
    """

    title: str
    note: str
    image: NDArray | None
    window: tuple[float, float]
    panel: Panel | None = None


@dataclass(frozen=True)
class _View:
    """A plane as it is drawn.

    Attributes:
        enlarged, whole: its two pictures.
        pixel: height and width of a pixel, mm.
        fixed: the fixed image as shades.
        organs: the fixed image's organs; None without labels.
    """

    enlarged: Region
    whole: Region
    pixel: tuple[float, float]
    fixed: NDArray
    organs: NDArray | None

    @classmethod
    def of(cls, drawn: CaseFigure, region: Region) -> "_View":
        """The view of a region."""
        fixed = drawn.fixed.data
        return cls(
            enlarged=region,
            whole=planes.body_region((fixed, drawn.moving), region),
            pixel=planes.pixel_size(drawn.fixed.spacing, region.view),
            fixed=planes.shaded(region.picture(fixed), planes.window(fixed)),
            organs=None if drawn.labels is None else region.picture(drawn.labels),
        )

    @property
    def aspect(self) -> float:
        """Height of the whole picture over its width."""
        width, height = self.mm(self.whole.width, self.whole.height)
        return height / width

    def mm(self, x: float, y: float) -> tuple[float, float]:
        """A place, or a width and height, from pixels to mm."""
        height, width = self.pixel
        return x * width, y * height


def draw(drawn: CaseFigure, notes: Sequence[str], across: int | None, ending: str) -> bytes:
    """The figure as `png` (200 dpi) or `pdf`; the same bytes for the same results.

    Each panel's note stands below its title. `across` methods stand side by side; None: as many as
    fit.
    """
    tiles = list(_tiles(drawn, notes))
    outside, inside = tiles[:2], tiles[2:]
    bands = max(1, math.ceil(len(inside) / (across or ACROSS)))
    columns = max(1, math.ceil(len(inside) / bands))
    # Fixed above moving where there are two bands; side by side where there is one.
    lead = 1 if bands > 1 else 2
    side = min((WIDTH - (lead + columns + 2) * GAP) / (lead + columns), WIDTH / 5)
    views = [_View.of(drawn, region) for region in drawn.regions]
    rows = [side * n for view in views for n in (view.aspect, 1)]
    band = 2.2 * LINE + sum(rows) + len(rows) * GAP
    sheet = _Sheet(drawn, views, side, bands * (band + 2 * GAP) + 2 * LINE)
    left = lead * (side + GAP) + GAP
    for k in range(bands):
        members = inside[k * columns : (k + 1) * columns]
        y = k * (band + 2 * GAP)
        sheet.box(left, y, len(members) * (side + GAP) + GAP, band + GAP)
        for i, tile in enumerate(outside if lead == 2 else outside[k : k + 1]):
            sheet.tile(tile, i * (side + GAP) + GAP / 2, y + GAP, letters=tile is outside[0])
        for i, tile in enumerate(members):
            sheet.tile(tile, left + GAP + i * (side + GAP), y + GAP)
    sheet.legend()
    return to_bytes(sheet.figure, ending)


def _tiles(drawn: CaseFigure, notes: Sequence[str]) -> Iterator[_Tile]:
    shades = planes.window(drawn.moving)
    yield _Tile("Fixed", "", drawn.fixed.data, planes.window(drawn.fixed.data))
    yield _Tile("Moving", "", drawn.moving, shades)
    for panel, note in zip(drawn.panels, notes, strict=True):
        yield _Tile(panel.run.title, note, panel.image, shades, panel)


class _Sheet:
    """The figure, addressed in inches from its top left corner."""

    def __init__(
        self, drawn: CaseFigure, views: Sequence[_View], side: float, height: float
    ) -> None:
        self.drawn, self.views, self.side, self.height = drawn, views, side, height
        self.scale = scale_of(drawn)
        self.figure = plt.figure(figsize=(WIDTH, height))

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

    def tile(self, tile: _Tile, x: float, y: float, *, letters: bool = False) -> None:
        """A column of pictures below its title."""
        middle = x + self.side / 2
        title = plain(fitted(tile.title, self.side, SMALL))
        self.text(middle, y, title, SMALL, ha="center", va="top")
        self.text(middle, y + LINE, tile.note, TINY, ha="center", va="top", color="#333333")
        y += 2.2 * LINE
        for view in self.views:
            for part, tall in ((view.whole, self.side * view.aspect), (view.enlarged, self.side)):
                axes = self.axes(x, y, self.side, tall)
                axes.set_axis_off()
                y += tall + GAP
                if tile.image is None:
                    why = "" if tile.panel is None or part is view.enlarged else tile.panel.why
                    _say_why(axes, why)
                    continue
                _Picture(axes, self.drawn, self.scale or GREYS, tile, view).draw(part)
                if letters and part is view.whole:
                    _add_letters(axes, part.view)

    def legend(self) -> None:
        """The legend and, at the bottom right, the colour scale."""
        handles = [
            Line2D([], [], color=colour(organ, k), lw=1.5, label=plain(f"{organ} (fixed)"))
            for k, organ in enumerate(self.drawn.organs)
        ]
        if has_arrows(self.drawn):
            arrow = "largest disagreement"
            handles.append(Line2D([], [], color=ARROW, marker=">", ms=4, lw=1.2, label=arrow))
        if self.drawn.show == "jacobian":
            fold = "fold: determinant <= 0"
            handles.append(Line2D([], [], color=FOLD, marker="s", ms=4, lw=0, label=fold))
        handles.append(Line2D([], [], color="#888888", lw=0.8, ls=_DASHES, label="enlarged below"))
        self.figure.legend(
            handles=handles,
            loc="lower center" if self.scale is None else "lower left",
            bbox_to_anchor=(0.5 if self.scale is None else 0.005, 0.25 * LINE / self.height),
            ncols=len(handles),
            fontsize=SMALL if self.scale is None else TINY,
            frameon=False,
            borderaxespad=0,
            handlelength=1.6,
            columnspacing=1.2,
        )
        if self.scale is not None:
            self._bar(self.scale)

    def _bar(self, scale: Scale) -> None:
        axes = self.axes(WIDTH - 1.3, self.height - 1.75 * LINE, 1.2, 0.4 * LINE)
        bar = self.figure.colorbar(
            ScalarMappable(Normalize(scale.low, scale.high), scale.cmap),
            cax=axes,
            orientation="horizontal",
            extend=scale.extend,
        )
        bar.outline.set_linewidth(0.3)
        axes.tick_params(labelsize=TINY - 0.5, width=0.3, length=1.5, pad=1)
        y = self.height - 1.5 * LINE
        self.text(WIDTH - 1.35, y, scale.title, TINY, ha="right", va="center")


def _add_letters(axes: Axes, view: str) -> None:
    places = ((0.03, 0.5), (0.97, 0.5), (0.5, 0.97), (0.5, 0.03))
    sides = (("left", "center"), ("right", "center"), ("center", "top"), ("center", "bottom"))
    for letter, place, (ha, va) in zip(planes.LETTERS[view], places, sides, strict=True):
        axes.text(
            *place, letter, transform=axes.transAxes, color="white", size=TINY, ha=ha, va=va,
            path_effects=[withStroke(linewidth=1.2, foreground="black")],
        )  # fmt: skip


def _say_why(axes: Axes, why: str) -> None:
    """A frame that says why there is no picture."""
    frame = Rectangle((0, 0), 1, 1, transform=axes.transAxes, fc="white", ec="#999999", lw=0.5)
    axes.add_patch(frame)
    if why:
        folded = plain("\n".join(textwrap.wrap(why, 18, max_lines=6, placeholder=" ...")))
        text = axes.text(
            *(0.5, 0.5, folded), transform=axes.transAxes, ha="center", va="center",
            size=TINY, clip_on=True,
        )  # fmt: skip
        text.set_clip_path(frame)


def scale_of(drawn: CaseFigure) -> Scale | None:
    """The one scale of all methods; None where shades of grey are drawn."""
    if drawn.show == "difference":
        return Scale("warped minus fixed (share of the grey scale)", "RdBu_r", -0.5, 0.5, "both")
    if drawn.show == "jacobian":
        return Scale("Jacobian determinant", "PuOr_r", 0, 2)
    if drawn.show == "magnitude":
        # What happens in the air around the body must not set the scale.
        seen = slice(None) if drawn.labels is None else drawn.labels > 0
        layers = [panel.layer for panel in drawn.panels if panel.layer is not None]
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


@dataclass(frozen=True)
class _Picture:
    """A tile in one plane, on its axes."""

    axes: Axes
    drawn: CaseFigure
    scale: Scale
    tile: _Tile
    view: _View

    def draw(self, part: Region) -> None:
        """The whole picture with a frame around the enlarged part; or this part with an arrow."""
        view, enlarged = self.view, self.view.enlarged
        dark = self._layer()
        self._contours(0.9 if part is enlarged else 0.6)
        left, top = view.mm(part.left, part.top)
        right, bottom = view.mm(part.left + part.width, part.top + part.height)
        self.axes.set_xlim(left, right)
        self.axes.set_ylim(bottom, top)
        if part is enlarged:
            self._arrow()
            return
        edge = "white" if dark else "black"
        corner = view.mm(enlarged.left, enlarged.top)
        size = view.mm(enlarged.width, enlarged.height)
        self.axes.add_patch(Rectangle(corner, *size, fill=False, ec=edge, lw=0.5, ls=_DASHES))

    def _layer(self) -> bool:
        """Draw what the tile shows; whether it is dark."""
        assert self.tile.image is not None
        region, fixed = self.view.enlarged, self.view.fixed
        shades = planes.shaded(region.picture(self.tile.image), self.tile.window)
        show, numbers = "warped", None
        if self.tile.panel is not None:
            show, numbers = self.drawn.show, self.tile.panel.layer
        if show == "checkerboard":
            self._show(planes.checkerboard(fixed, shades), GREYS, "none")
        elif show == "difference":
            self._show(shades - fixed, self.scale)
        elif show in ("magnitude", "jacobian") and numbers is not None:
            values = region.picture(numbers)
            self._show(values, self.scale)
            if show == "jacobian" and (values <= 0).any():
                folds = np.ma.masked_where(values > 0, np.ones(values.shape))
                self._show(folds, FOLDS, "none")
        else:
            self._show(shades, GREYS, "bilinear")
            if show == "grid" and numbers is not None and min(shades.shape) > 1:
                for looks in planes.grid_lines(numbers, region.view, region.index):
                    step = max(1, round(min(looks.shape) / _LINES))
                    levels = np.arange(np.floor(looks.min()), np.ceil(looks.max()) + 1, step)
                    self._lines(looks, levels, "#ffd000", 0.35)
        return show not in ("difference", "jacobian")

    def _show(self, picture: NDArray, scale: Scale, interpolation: str | None = None) -> None:
        rows, columns = picture.shape
        right, bottom = self.view.mm(columns, rows)
        how: dict[str, Any] = {"cmap": scale.cmap, "vmin": scale.low, "vmax": scale.high}
        extent = (0.0, right, bottom, 0.0)
        self.axes.imshow(picture, extent=extent, interpolation=interpolation, **how)

    def _lines(self, numbers: NDArray, levels: Any, colours: str, thickness: float) -> None:
        rows, columns = (np.arange(n) + 0.5 for n in numbers.shape)
        x, y = columns * self.view.pixel[1], rows * self.view.pixel[0]
        self.axes.contour(x, y, numbers, levels, colors=colours, linewidths=thickness)

    def _contours(self, thickness: float) -> None:
        """The fixed image's organs; a volume of one voxel's thickness has none in this plane."""
        organs = self.view.organs
        if organs is None or min(organs.shape) < 2:
            return
        for k, organ in enumerate(self.drawn.organs):
            mask = organs == k + 1
            if mask.any() and not mask.all():
                self._lines(mask.astype(float), [0.5], colour(organ, k), thickness)

    def _arrow(self) -> None:
        """A red arrow to the largest disagreement, from where there is room for it."""
        view, part = self.view, self.view.enlarged
        if self.tile.panel is None or not has_arrows(self.drawn):
            return
        place = self.drawn.disagreement(self.tile.panel, part)
        if place is None:
            return
        row, column, _ = place
        head = np.array(view.mm(column + 0.5, row + 0.5))
        corner, size = np.array(view.mm(part.left, part.top)), view.mm(part.width, part.height)
        # From the side of the middle, slanted: a tail along an axis would hide along a contour.
        towards = np.where(head < corner + np.array(size) / 2, 1.0, -1.0)
        tail = head + towards * min(size) * 0.22
        arrow = {
            "arrowstyle": "-|>,head_width=0.16,head_length=0.3",
            "color": ARROW,
            "lw": 1.2,
            "shrinkA": 0,
            "shrinkB": 0,
            "path_effects": [withStroke(linewidth=2.0, foreground="white")],
        }
        self.axes.annotate("", xy=tuple(head), xytext=tuple(tail), arrowprops=arrow)
