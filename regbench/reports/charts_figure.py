"""Drawing charts: boxes over cases, accuracy against time, loss curves."""

import math
from collections.abc import Sequence

from matplotlib.axes import Axes
from matplotlib.ticker import NullFormatter

from regbench.reports.charts import Chart
from regbench.reports.drawing import COLOURS, plain, plt, to_bytes

#: Inches of a page's width; charts side by side.
WIDTH, ACROSS = 7.2, 3
SMALL = 6.5
#: More methods than colours: the marker changes with each round.
_MARKERS = "os^Dv"
_DASHES = ("-", "--", ":")


def draw(charts: Sequence[Chart], kind: str, ending: str) -> bytes:
    """The figure as `png` (200 dpi) or `pdf`; the same bytes for the same numbers.

    Args:
        charts: what to draw.
        kind: `boxes`, `tradeoff` or `losses`.
        ending: `png` or `pdf`.
    """
    across = min(ACROSS, max(1, len(charts)))
    down = max(1, math.ceil(len(charts) / across))
    tall = 2.9 if kind == "boxes" else 2.6
    figure, grid = plt.subplots(
        down, across, figsize=(WIDTH, down * tall), layout="constrained", squeeze=False
    )
    names = list(dict.fromkeys(s.name for chart in charts for s in chart.series))
    places = list(grid.flat)
    for axes, chart in zip(places, charts, strict=False):
        _DRAW[kind](axes, chart, names)
        axes.set_title(plain(chart.title), fontsize=SMALL + 1)
        axes.set_xlabel(chart.x, fontsize=SMALL)
        axes.set_ylabel(chart.y, fontsize=SMALL)
        axes.tick_params(labelsize=SMALL - 0.5)
        axes.grid(alpha=0.3, lw=0.5)
    for axes in places[len(charts) :]:
        axes.set_axis_off()
    if not charts:
        places[0].text(0.5, 0.5, "nothing to draw: see the notes", ha="center", va="center")
    elif kind != "boxes":
        shown = {h.get_label(): h for axes in places for h in axes.get_lines()}
        lines = [shown[plain(name)] for name in names if plain(name) in shown]
        figure.legend(
            handles=lines, loc="outside lower center", ncols=6, fontsize=SMALL, frameon=False
        )
    return to_bytes(figure, ending)


def _boxes(axes: Axes, chart: Chart, names: Sequence[str]) -> None:
    for i, series in enumerate(chart.series):
        shade = "#bbbbbb" if series.kind == "control" else COLOURS[5]
        axes.boxplot(
            list(series.y),
            positions=[i],
            widths=0.6,
            patch_artist=True,
            showfliers=False,
            boxprops={"facecolor": shade, "alpha": 0.6, "lw": 0.5},
            medianprops={"color": "black", "lw": 1},
            whiskerprops={"lw": 0.5},
            capprops={"lw": 0.5},
        )
        # Every case is a dot: ten of them say more than a box.
        spread = [i + 0.12 * ((k % 3) - 1) for k in range(len(series.y))]
        axes.plot(spread, series.y, ".", ms=2, color="#333333", alpha=0.7)
    axes.set_xticks(range(len(chart.series)), [plain(s.name) for s in chart.series], rotation=90)


def _tradeoff(axes: Axes, chart: Chart, names: Sequence[str]) -> None:
    for series in chart.series:
        k = names.index(series.name)
        axes.plot(
            series.x,
            series.y,
            _MARKERS[k // len(COLOURS) % len(_MARKERS)],
            color=COLOURS[k % len(COLOURS)],
            ms=5,
            label=plain(series.name),
        )
    axes.set_xscale("log")
    # Few ticks with plain numbers: between two powers of ten the usual ones overlap.
    ticks = log_ticks(*axes.get_xlim())
    axes.set_xticks(ticks, [f"{tick:g}" for tick in ticks])
    axes.xaxis.set_minor_formatter(NullFormatter())


def log_ticks(low: float, high: float) -> list[float]:
    """Two to four round numbers between two positive ones, for a logarithmic axis."""
    first, last = math.floor(math.log10(low)), math.ceil(math.log10(high))
    for steps in ((1.0,), (1.0, 3.0), (1.0, 2.0, 5.0), tuple(k / 2 for k in range(2, 20))):
        round_ones = [float(f"{s}e{e}") for e in range(first, last + 1) for s in steps]
        inside = [tick for tick in round_ones if low <= tick <= high]
        if len(inside) >= 2:
            return inside[:: math.ceil(len(inside) / 4)]
    return [float(f"{value:.3g}") for value in (low, high)]


def _losses(axes: Axes, chart: Chart, names: Sequence[str]) -> None:
    for series in chart.series:
        k = names.index(series.name)
        axes.plot(
            series.x,
            series.y,
            _DASHES[k // len(COLOURS) % len(_DASHES)],
            color=COLOURS[k % len(COLOURS)],
            marker=".",
            lw=1,
            label=plain(series.name),
        )


_DRAW = {"boxes": _boxes, "tradeoff": _tradeoff, "losses": _losses}
