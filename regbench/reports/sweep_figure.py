"""Drawing a sweep as the paper's Figure 3: average Dice over lambda, a line a method."""

from regbench.reports.drawing import COLOURS, plt, to_bytes
from regbench.reports.sweep import Sweep

#: Each colour has a marker of its own.
MARKERS = "os^DvPX<>*"
NAMES = {"lambda": "$\\lambda$"}


def draw(sweep: Sweep, title: str, ending: str) -> bytes:
    """The figure as `png` (200 dpi) or `pdf`; the same bytes for the same numbers."""
    figure, axes = plt.subplots(figsize=(5.2, 3.6), layout="constrained")
    for i, (name, points) in enumerate(sweep.points.items()):
        colour, marker = COLOURS[i % len(COLOURS)], MARKERS[i % len(MARKERS)]
        means = [s.mean for s in points]
        axes.plot(sweep.values, means, color=colour, marker=marker, label=name, markersize=5)
        best = sweep.best(name)
        if best is not None:
            at = (sweep.values[best], means[best])
            axes.plot(*at, marker="o", markersize=11, markerfacecolor="none", color=colour)
    axes.set_xticks(sweep.values)
    axes.set_xlabel(NAMES.get(sweep.setting, sweep.setting))
    axes.set_ylabel(sweep.title)
    axes.set_title(title, fontsize=9)
    axes.grid(alpha=0.3)
    axes.legend(fontsize=8, frameon=False)
    return to_bytes(figure, ending)
