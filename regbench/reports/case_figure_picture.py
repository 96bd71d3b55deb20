"""One picture of a case: an image or the numbers of a field in a plane, contours, arrow, scale.

And what a legend says of them.
"""

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from typing import Any

import numpy as np
from matplotlib.axes import Axes
from matplotlib.colors import Colormap, ListedColormap
from matplotlib.lines import Line2D
from matplotlib.patches import Rectangle
from matplotlib.patheffects import withStroke
from numpy.typing import NDArray

from regbench.reports import planes
from regbench.reports.case_figure import CaseFigure, Panel
from regbench.reports.drawing import ARROWS, TINY, organ_colours, plain
from regbench.reports.planes import Region

#: Folds stand out from the blues and oranges of a Jacobian determinant.
FOLD = "#ff00d4"
#: The squares of a checkerboard: of the fixed image bluish, of the warped one yellowish.
TINTS = np.array([[0.7, 0.88, 1.0], [1.0, 0.86, 0.55]])
#: A picture has about this many lines of a deformed grid along its shorter side.
_LINES = 16
DASHES = (0, (3, 2))
#: Type on images.
_OVER: dict[str, Any] = {
    "color": "white",
    "size": TINY,
    "path_effects": [withStroke(linewidth=1.5, foreground="black")],
}
_RIM = [withStroke(linewidth=2.6, foreground="#555555")]


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
class Tile:
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
class View:
    """A plane as it is drawn.

    Attributes:
        enlarged, whole: its two pictures.
        pixel: height and width of a pixel, mm.
        fixed: the fixed image as shades.
        outlines: of the fixed image's organs that have a contour in the plane, by their index; none
            in a plane of one voxel's thickness.
    """

    enlarged: Region
    whole: Region
    pixel: tuple[float, float]
    fixed: NDArray
    outlines: dict[int, NDArray]

    @classmethod
    def of(cls, drawn: CaseFigure, region: Region) -> "View":
        """The view of a region."""
        fixed, labels, moving = drawn.fixed.data, drawn.labels, drawn.moving.image
        assert moving is not None
        outlines = {}
        if labels is not None and min(region.picture(labels).shape) > 1:
            for k in range(len(drawn.organs)):
                outlines[k] = planes.outline(labels == k + 1, region.view, region.index)
        return cls(
            enlarged=region,
            whole=planes.body_region((fixed, moving), region),
            pixel=planes.pixel_size(drawn.fixed.spacing, region.view),
            fixed=planes.shaded(region.picture(fixed), planes.window(fixed)),
            outlines={k: x for k, x in outlines.items() if x.min() < 0.5 < x.max()},
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


def arrow_head(
    drawn: CaseFigure, panel: Panel | None, region: Region
) -> tuple[float, float, float] | None:
    """See `CaseFigure.disagreement`; None, too, for numbers of a field, which have no arrow."""
    if panel is None or drawn.show not in ("warped", "checkerboard"):
        return None
    return drawn.disagreement(panel, region)


def handles_of(drawn: CaseFigure, views: Iterable[View], *, arrows: bool) -> Iterator[Line2D]:
    """What the legend of these views explains; `arrows` says whether a picture has one."""
    colours = organ_colours(drawn.organs, drawn.colours)
    for k in sorted({k for view in views for k in view.outlines}):
        label = plain(f"{drawn.organs[k]} (fixed)")
        yield Line2D([], [], color=colours[k], lw=2, label=label, path_effects=_RIM)
    if arrows:
        colour, rim = ARROWS[drawn.colours]
        arrow: dict[str, Any] = {"marker": ">", "ms": 5, "lw": 0, "mec": rim, "color": colour}
        yield Line2D([], [], label="largest disagreement", **arrow)
    if drawn.show == "jacobian":
        yield Line2D([], [], color=FOLD, marker="s", ms=4, lw=0, label="fold: determinant <= 0")
    if drawn.show == "checkerboard":
        for name, tint in zip(("fixed", "warped"), TINTS, strict=True):
            yield Line2D([], [], color=tint, marker="s", ms=5, lw=0, mec="black", label=name)


@dataclass(frozen=True)
class Picture:
    """A tile in one plane, on its axes."""

    axes: Axes
    drawn: CaseFigure
    scale: Scale
    tile: Tile
    view: View

    def draw(self, part: Region, *, lettered: bool = False) -> None:
        """The whole picture with a frame around the enlarged part; or this part with an arrow.

        A lettered one has a scale bar and, if it is whole, the letters of its sides.
        """
        view, enlarged = self.view, self.view.enlarged
        dark = self._layer()
        self._contours(0.9 if part is enlarged else 0.6)
        left, top = view.mm(part.left, part.top)
        right, bottom = view.mm(part.left + part.width, part.top + part.height)
        self.axes.set_xlim(left, right)
        self.axes.set_ylim(bottom, top)
        if lettered:
            _add_bar(self.axes, (left, bottom), right - left)
            _add_letters(self.axes, part.view if part is not enlarged else "")
        if part is enlarged:
            self.arrow()
            return
        edge = "white" if dark else "black"
        corner = view.mm(enlarged.left, enlarged.top)
        size = view.mm(enlarged.width, enlarged.height)
        self.axes.add_patch(Rectangle(corner, *size, fill=False, ec=edge, lw=0.5, ls=DASHES))

    def _layer(self) -> bool:
        """Draw what the tile shows; whether it is dark."""
        assert self.tile.image is not None
        region, fixed = self.view.enlarged, self.view.fixed
        shades = planes.shaded(region.picture(self.tile.image), self.tile.window)
        show, numbers = "warped", None
        if self.tile.panel is not None:
            show, numbers = self.drawn.show, self.tile.panel.layer
        if show == "checkerboard":
            squares = (x[..., None] * tint for x, tint in zip((fixed, shades), TINTS, strict=True))
            self._show(planes.checkerboard(*squares), GREYS, "none")
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
        rows, columns = picture.shape[:2]
        right, bottom = self.view.mm(columns, rows)
        how: dict[str, Any] = {"cmap": scale.cmap, "vmin": scale.low, "vmax": scale.high}
        extent = (0.0, right, bottom, 0.0)
        self.axes.imshow(picture, extent=extent, interpolation=interpolation, **how)

    def _lines(self, numbers: NDArray, levels: Any, colours: str, thickness: float) -> None:
        """Level lines of numbers that begin and end at the centres of the picture's pixels."""
        seen = self.view.fixed.shape
        rows, columns = (
            np.linspace(0.5, n - 0.5, m) for n, m in zip(seen, numbers.shape, strict=True)
        )
        x, y = columns * self.view.pixel[1], rows * self.view.pixel[0]
        self.axes.contour(x, y, numbers, levels, colors=colours, linewidths=thickness)

    def _contours(self, thickness: float) -> None:
        """The fixed image's organs; a volume of one voxel's thickness has none in this plane."""
        colours = organ_colours(self.drawn.organs, self.drawn.colours)
        for k, outline in self.view.outlines.items():
            self._lines(outline, [0.5], colours[k], thickness)

    def arrow(self) -> None:
        """An arrow to the largest disagreement, from where there is room for it."""
        view, part = self.view, self.view.enlarged
        if (place := arrow_head(self.drawn, self.tile.panel, part)) is None:
            return
        row, column, _ = place
        head = np.array(view.mm(column + 0.5, row + 0.5))
        corner, size = np.array(view.mm(part.left, part.top)), view.mm(part.width, part.height)
        # From the side of the middle, slanted: a tail along an axis would hide along a contour.
        towards = np.where(head < corner + np.array(size) / 2, 1.0, -1.0)
        tail = head + towards * min(size) * 0.22
        colour, rim = ARROWS[self.drawn.colours]
        arrow = {
            "arrowstyle": "-|>,head_width=0.16,head_length=0.3",
            "color": colour,
            "lw": 1.2,
            "shrinkA": 0,
            "shrinkB": 0,
            "path_effects": [withStroke(linewidth=2.4, foreground=rim)],
        }
        self.axes.annotate("", xy=tuple(head), xytext=tuple(tail), arrowprops=arrow)


def _add_letters(axes: Axes, view: str) -> None:
    places = ((0.02, 0.5), (0.98, 0.5), (0.5, 0.98), (0.5, 0.02))
    sides = (("left", "center"), ("right", "center"), ("center", "top"), ("center", "bottom"))
    letters = planes.LETTERS.get(view, "")
    for letter, place, (ha, va) in zip(letters, places, sides, strict=False):
        axes.text(*place, letter, transform=axes.transAxes, ha=ha, va=va, **_OVER)


def _add_bar(axes: Axes, corner: tuple[float, float], width: float) -> None:
    """A scale bar at the bottom left `corner` of a picture that is `width` mm wide."""
    most = 0.4 * width
    length = max(n * 10.0**e for e in range(-3, 4) for n in (1, 2, 5) if n * 10.0**e <= most)
    x, y = corner[0] + 0.05 * width, corner[1] - 0.05 * width
    rim = [withStroke(linewidth=3, foreground="black")]
    axes.plot([x, x + length], [y, y], color="white", lw=1.5, path_effects=rim)
    axes.text(x, y - 0.03 * width, f"{length:g} mm", ha="left", va="bottom", **_OVER)
