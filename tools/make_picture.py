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
from regbench.reports import planes
from regbench.reports.drawing import organ_colours
from regbench.spatial.field import Field, read_field
from regbench.spatial.nifti import read_volume
from regbench.spatial.volume import Volume, to_ras
from regbench.spatial.warp import warp_image

VIEW = "coronal"
_PLACES = ((0.05, 0.5), (0.95, 0.5), (0.5, 0.95), (0.5, 0.05))


def show(axes: plt.Axes, image: Volume, labels: Volume, groups: dict, cut: int, title: str) -> None:
    """A plane with the outlines of the label groups; the volumes are RAS."""
    shades = planes.plane(image.data, VIEW, cut)
    height, width = planes.pixel_size(image.spacing, VIEW)
    rows, columns = shades.shape
    extent = (0, columns * width, rows * height, 0)
    axes.imshow(shades, cmap="gray", extent=extent, vmin=0, vmax=1)
    for values, colour in zip(groups.values(), organ_colours(list(groups)), strict=True):
        mask = np.isin(labels.data, values)
        if not planes.plane(mask, VIEW, cut).any():
            continue
        fine = planes.outline(mask, VIEW, cut)
        y, x = (
            np.linspace(0.5, n - 0.5, m) * mm
            for n, m, mm in zip(shades.shape, fine.shape, (height, width), strict=True)
        )
        axes.contour(x, y, fine, [0.5], colors=colour, linewidths=1.1)
    left, right, top, bottom = planes.LETTERS[VIEW]
    for letter, place in zip((left, right, top, bottom), _PLACES, strict=True):
        axes.text(*place, letter, transform=axes.transAxes, color="white", ha="center", va="center")
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
        turned, labels = to_ras(fixed), to_ras(labels)
        wanted = to_ras(fixed.with_data(wanted)).data
        cut = int(wanted.sum(axis=(0, 2)).argmax())
        show(row[0], turned, labels, groups, cut, f"{task.id}: fixed")
        for axes, run in zip(row[1:], runs[task.id], strict=True):
            folder = root / run_folder(config.name, task.id, run.id, config.seeds[0])
            field = read_field(folder / case.id / FIELD_NAME, fixed.shape)
            warped = to_ras(warp_image(moving, Field(field.displacement, fixed.affine)))
            show(axes, warped, labels, groups, cut, run.title)
    figure.tight_layout(pad=0.4)
    output.parent.mkdir(parents=True, exist_ok=True)
    figure.savefig(output, dpi=110, metadata={"Software": None})


if __name__ == "__main__":
    main(Path(sys.argv[1]))
