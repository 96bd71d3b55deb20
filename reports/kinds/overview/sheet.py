"""A case in the layout of the paper's Figures 4 to 6: pictures, titles, legend, scale."""

import math
import textwrap
from collections.abc import Iterator, Sequence
from typing import Any

import numpy as np
from matplotlib.axes import Axes
from matplotlib.cm import ScalarMappable
from matplotlib.colors import Normalize
from matplotlib.figure import Figure
from matplotlib.lines import Line2D
from matplotlib.patches import Rectangle

from regbench.reports import planes
from regbench.reports.case_figure import CaseFigure
from regbench.reports.case_figure_picture import (
    DASHES,
    GREYS,
    Picture,
    Scale,
    Tile,
    View,
    arrow_head,
    handles_of,
)
from regbench.reports.drawing import (
    SMALL,
    TINY,
    WIDTHS,
    fitted,
    plain,
    plt,
)

GREY = "#d9d9d9"
#: Inches: the gap between pictures, a line of small type, the least width of a picture.
GAP, LINE, NARROW = 0.04, 0.14, 0.92
#: A title and two lines of notes.
HEAD = 3.2 * LINE


def draw(drawn: CaseFigure, notes: Sequence[str]) -> Figure:
    """The figure of a case. The notes of Moving and of each panel stand below their titles."""
    width = WIDTHS[drawn.width]
    tiles = list(_tiles(drawn, notes))
    outside, inside = tiles[:2], tiles[2:]
    room = int(width / NARROW)
    bands = max(1, math.ceil(len(inside) / (drawn.across or max(1, room - 1))))
    # Fixed above moving where there are two bands; side by side where there is one, if they fit.
    if bands == 1 and drawn.across is None and len(inside) + 2 > room and len(inside) > 1:
        bands = 2
    columns = max(1, math.ceil(len(inside) / bands))
    lead = 1 if bands > 1 else 2
    side = min((width - (lead + columns + 2) * GAP) / (lead + columns), max(width / 5, NARROW))
    views = [View.of(drawn, region) for region in drawn.regions]
    rows = [side * n for view in views for n in (view.aspect, 1)]
    band = HEAD + sum(rows) + len(rows) * GAP
    frame = Line2D([], [], color="#888888", lw=0.8, ls=DASHES, label="enlarged below")
    arrows = any(arrow_head(drawn, p, region) for p in drawn.panels for region in drawn.regions)
    handles = [*handles_of(drawn, views, arrows=arrows), frame]
    # As many entries side by side as fit, and the colour scale below them.
    across = max(1, min(len(handles), int(width / 1.4)))
    foot = (math.ceil(len(handles) / across) + 0.5 + 2.5 * (scale_of(drawn) is not None)) * LINE
    sheet = _Sheet(drawn, views, side, width, bands * (band + 2 * GAP) + foot)
    left = lead * (side + GAP) + GAP
    for k in range(bands):
        members = inside[k * columns : (k + 1) * columns]
        y = k * (band + 2 * GAP)
        sheet.box(left, y, len(members) * (side + GAP) + GAP, band + GAP)
        for i, tile in enumerate(outside if lead == 2 else outside[k : k + 1]):
            sheet.tile(tile, i * (side + GAP) + GAP / 2, y + GAP, lettered=True)
        for i, tile in enumerate(members):
            sheet.tile(tile, left + GAP + i * (side + GAP), y + GAP)
    sheet.legend(handles, across, foot)
    return sheet.figure


def scale_of(drawn: CaseFigure) -> Scale | None:
    """The one scale of all methods; None where shades of grey are drawn."""
    if drawn.show == "difference":
        return Scale("warped minus fixed (share of the grey scale)", "RdBu_r", -0.5, 0.5, "both")
    if drawn.show == "jacobian":
        return Scale("Jacobian determinant", "PuOr_r", 0, 2)
    if drawn.show == "magnitude":
        # What happens in the air around the body must not set the scale.
        seen = planes.of_interest(drawn.fixed.data, drawn.labels)
        layers = [panel.layer for panel in drawn.panels if panel.layer is not None]
        high = max((float(np.percentile(x[seen], 99.5)) for x in layers), default=1.0)
        return Scale("displacement (mm)", "viridis", 0, max(high, 1e-3))
    return None


def _tiles(drawn: CaseFigure, notes: Sequence[str]) -> Iterator[Tile]:
    moving = drawn.moving
    assert moving.image is not None
    shades = planes.window(moving.image)
    fixed, other = drawn.modalities
    yield Tile("Fixed", fixed, drawn.fixed.data, planes.window(drawn.fixed.data))
    yield Tile("Moving", f"{other}\n{notes[0]}", moving.image, shades)
    for panel, note in zip(drawn.rows, notes, strict=True):
        if panel is not moving:
            yield Tile(panel.run.title, note, panel.image, shades, panel)
        elif drawn.show == "difference":
            yield Tile("Moving", note, panel.image, shades, panel)


class _Sheet:
    """The figure, addressed in inches from its top left corner."""

    def __init__(
        self, drawn: CaseFigure, views: Sequence[View], side: float, width: float, height: float
    ) -> None:
        self.drawn, self.views, self.side = drawn, views, side
        self.width, self.height = width, height
        self.scale = scale_of(drawn)
        self.figure = plt.figure(figsize=(width, height))

    def axes(self, x: float, y: float, width: float, height: float) -> Axes:
        bottom = (self.height - y - height) / self.height
        return self.figure.add_axes(
            (x / self.width, bottom, width / self.width, height / self.height)
        )

    def box(self, x: float, y: float, width: float, height: float) -> None:
        corner = (x / self.width, (self.height - y - height) / self.height)
        self.figure.add_artist(
            Rectangle(corner, width / self.width, height / self.height, color=GREY, lw=0, zorder=-1)
        )

    def text(self, x: float, y: float, text: str, size: float, **more: Any) -> None:
        self.figure.text(x / self.width, 1 - y / self.height, text, size=size, **more)

    def tile(self, tile: Tile, x: float, y: float, *, lettered: bool = False) -> None:
        """A column of pictures below its title."""
        middle = x + self.side / 2
        title = plain(fitted(tile.title, 0.95 * self.side, SMALL))
        self.text(middle, y, title, SMALL, ha="center", va="top")
        lines = (plain(fitted(line, self.side, TINY)) for line in tile.note.split("\n"))
        note = "\n".join(lines)
        self.text(middle, y + LINE, note, TINY, ha="center", va="top", color="#333333")
        y += HEAD
        for view in self.views:
            for part, tall in ((view.whole, self.side * view.aspect), (view.enlarged, self.side)):
                axes = self.axes(x, y, self.side, tall)
                axes.set_axis_off()
                y += tall + GAP
                if tile.image is None:
                    why = "" if tile.panel is None or part is view.enlarged else tile.panel.why
                    _say_why(axes, why)
                    continue
                picture = Picture(axes, self.drawn, self.scale or GREYS, tile, view)
                picture.draw(part, lettered=lettered)

    def legend(self, handles: Sequence[Line2D], across: int, foot: float) -> None:
        """The legend and below it the colour scale, in the lowest `foot` inches."""
        self.figure.legend(
            handles=handles,
            loc="upper center",
            bbox_to_anchor=(0.5, (foot - 0.25 * LINE) / self.height),
            ncols=across,
            fontsize=TINY,
            frameon=False,
            borderaxespad=0,
            handlelength=1.6,
            columnspacing=1.0,
        )
        if self.scale is not None:
            self._bar(self.scale)

    def _bar(self, scale: Scale) -> None:
        axes = self.axes(self.width / 2, self.height - 2.1 * LINE, 1.3, 0.5 * LINE)
        bar = self.figure.colorbar(
            ScalarMappable(Normalize(scale.low, scale.high), scale.cmap),
            cax=axes,
            orientation="horizontal",
            extend=scale.extend,
        )
        bar.outline.set_linewidth(0.3)
        axes.tick_params(labelsize=TINY, width=0.3, length=1.5, pad=1)
        y = self.height - 1.8 * LINE
        self.text(self.width / 2 - 0.1, y, scale.title, TINY, ha="right", va="center")


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
