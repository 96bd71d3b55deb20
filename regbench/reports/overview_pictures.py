"""One picture of an overview: a plane of an image or a field, contours, an arrow."""

from dataclasses import dataclass
from typing import Any

import numpy as np
from matplotlib.axes import Axes
from matplotlib.colors import ListedColormap
from matplotlib.patches import Rectangle
from matplotlib.patheffects import withStroke
from numpy.typing import NDArray

from regbench.reports.drawing import COLOURS
from regbench.reports.overview import Overview
from regbench.reports.overview_layers import checkerboard, grid_lines, shaded
from regbench.reports.planes import pixel_size, plane
from regbench.reports.regions import Region, largest_disagreement
from regbench.spatial.intensity import percentile_window

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
        layer: of the field, see `overview_layers.layer`.
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


def scale_of(overview: Overview) -> Scale | None:
    """The one scale of all methods; None where shades of grey are drawn."""
    layers = [panel.layer for panel in overview.panels if panel.layer is not None]
    if overview.show == "difference":
        return Scale("warped minus fixed (share of the grey scale)", "RdBu_r", -0.5, 0.5, "both")
    if overview.show == "jacobian":
        return Scale("Jacobian determinant", "PuOr_r", 0, 2)
    if overview.show == "magnitude":
        # What happens in the air around the body must not set the scale.
        seen = slice(None) if overview.labels is None else overview.labels > 0
        high = max((float(np.percentile(x[seen], 99.5)) for x in layers), default=1.0)
        return Scale("displacement (mm)", "viridis", 0, max(high, 1e-3))
    return None


def window(image: NDArray) -> tuple[float, float]:
    """Darkest and brightest value to show: percentiles 1 and 99.5 of what is not background."""
    low = image.min()
    seen = image[image > low]
    if not seen.size:
        return float(low), float(low) + 1
    dark, bright = percentile_window(seen, (1, 99.5))
    return float(dark), float(max(bright, dark + 1e-6))


def colour(organ: str, k: int) -> str:
    """An organ's colour: the paper's, else the k-th of the colour-blind-safe ones."""
    known = (c for word, c in ORGANS.items() if word in organ.lower())
    return next(known, COLOURS[k % len(COLOURS)])


def has_arrows(overview: Overview) -> bool:
    """Whether disagreements are marked: on images with contours, not on numbers of a field."""
    return overview.labels is not None and overview.show in ("warped", "checkerboard")


def body_box(overview: Overview, region: Region) -> tuple[int, int, int, int]:
    """Top, left, height and width in pixels of what is not air in the fixed or moving picture."""
    seen = np.zeros(plane(overview.moving, region.view, region.index).shape, bool)
    for image in (overview.fixed.data, overview.moving):
        shades = shaded(image, (float(image.min()), window(image)[1]))
        seen |= plane(shades, region.view, region.index) > 0.05
    rows, columns = region.window
    seen[rows, columns] = True
    sides = []
    for axis in (1, 0):
        there = np.flatnonzero(seen.any(axis=axis))
        start, stop = max(there[0] - 1, 0), min(there[-1] + 2, seen.shape[1 - axis])
        sides.append((int(start), int(stop - start)))
    (top, height), (left, width) = sides
    return top, left, height, width


def draw_picture(
    axes: Axes, overview: Overview, tile: Tile, region: Region, scale: Scale | None, *, part: bool
) -> None:
    """A plane of the tile with the fixed image's contours; or the enlarged part, with an arrow."""
    size = pixel_size(overview.fixed.spacing, region.view)
    shown = _layer(axes, overview, tile, region, scale)
    _contours(axes, overview, region, 0.9 if part else 0.6)
    inner = (region.top, region.left, region.height, region.width)
    top, left, tall, wide = inner if part else body_box(overview, region)
    axes.set_xlim(left * size[1], (left + wide) * size[1])
    axes.set_ylim((top + tall) * size[0], top * size[0])
    if part:
        _arrow(axes, overview, tile, region, size)
        return
    corner = (region.left * size[1], region.top * size[0])
    edges = (region.width * size[1], region.height * size[0])
    dark = "white" if shown else "black"
    axes.add_patch(Rectangle(corner, *edges, fill=False, ec=dark, lw=0.5, ls=(0, (3, 2))))


def _layer(axes: Axes, overview: Overview, tile: Tile, region: Region, scale: Scale | None) -> bool:
    """Draw what the tile shows; whether it is dark."""
    assert tile.image is not None
    size = pixel_size(overview.fixed.spacing, region.view)
    shades = plane(shaded(tile.image, tile.window), region.view, region.index)
    grey: dict[str, Any] = {"cmap": "gray", "vmin": 0, "vmax": 1, "interpolation": "bilinear"}
    extent = (0.0, shades.shape[1] * size[1], shades.shape[0] * size[0], 0.0)
    fixed = overview.fixed.data
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


def _contours(axes: Axes, overview: Overview, region: Region, thickness: float) -> None:
    if overview.labels is None:
        return
    size = pixel_size(overview.fixed.spacing, region.view)
    shown = plane(overview.labels, region.view, region.index)
    if min(shown.shape) < 2:
        # A volume of one voxel's thickness has no contours in this plane.
        return
    x, y = _centres(shown.shape, size)
    for k, organ in enumerate(overview.organs):
        mask = shown == k + 1
        if mask.any() and not mask.all():
            axes.contour(
                x, y, mask.astype(float), [0.5], colors=colour(organ, k), linewidths=thickness
            )


def _centres(shape: tuple[int, ...], size: tuple[float, float]) -> tuple[NDArray, NDArray]:
    """mm of the columns' and rows' centres from the picture's top left corner."""
    return (np.arange(shape[1]) + 0.5) * size[1], (np.arange(shape[0]) + 0.5) * size[0]


def _arrow(
    axes: Axes, overview: Overview, tile: Tile, region: Region, size: tuple[float, float]
) -> None:
    """A red arrow to the largest disagreement of the region, from where there is room for it."""
    if tile.labels is None or overview.labels is None or not has_arrows(overview):
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
