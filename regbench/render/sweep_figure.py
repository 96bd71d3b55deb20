"""Drawing a sweep as the paper's Figure 3: average Dice over lambda, a line a method."""

import io

import matplotlib

matplotlib.use("Agg")
from matplotlib import pyplot as plt

from regbench.render.sweep import Sweep

#: Colour-blind safe (Okabe and Ito), each with a marker of its own.
STYLES = (
    ("#0072B2", "o"),
    ("#D55E00", "s"),
    ("#009E73", "^"),
    ("#CC79A7", "D"),
    ("#E69F00", "v"),
    ("#56B4E9", "P"),
    ("#000000", "X"),
    ("#8C564B", "<"),
    ("#7F7F7F", ">"),
    ("#BCBD22", "*"),
)
NAMES = {"lambda": "$\\lambda$"}


def draw(sweep: Sweep, title: str, ending: str) -> bytes:
    """The figure as `png` (200 dpi) or `pdf`; the same bytes for the same numbers."""
    figure, axes = plt.subplots(figsize=(5.2, 3.6), layout="constrained")
    for i, (name, points) in enumerate(sweep.points.items()):
        colour, marker = STYLES[i % len(STYLES)]
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
    buffer = io.BytesIO()
    stamp = {"CreationDate": None} if ending == "pdf" else {"Software": None}
    figure.savefig(buffer, format=ending, dpi=200, metadata=stamp)
    plt.close(figure)
    return buffer.getvalue()
