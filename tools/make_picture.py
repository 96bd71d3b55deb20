"""The README's picture: a case of each phantom, warped by every method of a finished default run.

    python tools/make_picture.py docs/pictures/overview.png

The *fixed* image's contours are drawn over everything, so that a reader sees what misses.
"""

import sys
from pathlib import Path

import matplotlib

matplotlib.use("Agg")
import matplotlib.pyplot as plt
import numpy as np

from regbench.base.paths import layout_file, run_folder
from regbench.base.project import find_root
from regbench.base.records import FIELD_NAME
from regbench.data.layout import read_layout
from regbench.plan.config import load_config
from regbench.spatial.field import read_field
from regbench.spatial.nifti import read_volume
from regbench.spatial.volume import Volume
from regbench.spatial.warp import warp_image

#: The paper's colours: liver green, kidney red, spleen blue, lung red.
COLOURS = {"liver": "#2ca02c", "kidney": "#e0301e", "spleen": "#2f6fe0", "lung": "#e0301e"}


def show(axes: plt.Axes, image: Volume, labels: Volume, groups: dict, cut: int, title: str) -> None:
    """A coronal slice with the contours of the label groups."""
    x, z = image.spacing[0], image.spacing[2]
    axes.imshow(image.data[:, cut].T, cmap="gray", origin="lower", aspect=z / x, vmin=0, vmax=1)
    for name, values in groups.items():
        mask = np.isin(labels.data[:, cut], values).T.astype(float)
        if mask.any():
            axes.contour(mask, [0.5], colors=COLOURS.get(name, "#ffbf00"), linewidths=1.1)
    axes.set_title(title, fontsize=9)
    axes.set_axis_off()


def main(output: Path) -> None:
    """Draw the tasks of the default config whose runs are finished."""
    root = find_root()
    config = load_config(root / "config" / "default.yaml", root)
    tasks = [config.tasks[name] for name in ("ct-mri", "lung")]
    runs = {t.id: [r for r in config.runs if r.task.id == t.id] for t in tasks}
    columns = 1 + max(len(found) for found in runs.values())
    figure, grid = plt.subplots(len(tasks), columns, figsize=(2.1 * columns, 2.5 * len(tasks)))
    for row, task in zip(grid, tasks, strict=True):
        layout = read_layout(root / layout_file(config.name, task.dataset.id))
        case = layout.directed(task.evaluated_split(), task.direction)[0]
        fixed, moving = read_volume(case.fixed.image), read_volume(case.moving.image)
        labels = read_volume(case.fixed.labels, labels=True)
        groups = task.labels or {}
        wanted = np.isin(labels.data, [v for values in groups.values() for v in values])
        cut = int(wanted.sum(axis=(0, 2)).argmax())
        show(row[0], fixed, labels, groups, cut, f"{task.id}: fixed")
        for axes, run in zip(row[1:], runs[task.id], strict=True):
            folder = root / run_folder(config.name, task.id, run.id, config.seeds[0])
            field = read_field(folder / case.id / FIELD_NAME, fixed.shape)
            show(axes, warp_image(moving, field), labels, groups, cut, run.title)
    figure.tight_layout(pad=0.4)
    output.parent.mkdir(parents=True, exist_ok=True)
    figure.savefig(output, dpi=110, metadata={"Software": None})


if __name__ == "__main__":
    main(Path(sys.argv[1]))
