"""Time and memory of the metrics beside the packages' and the textbook's ways, on one case.

    python tools/benchmark_metrics.py

One pair of 144x144x128 voxels, three organs, anisotropic spacing, one thread, the median of five.
Surfaces: the `surface-distance` package (its distances, average, robust Hausdorff and Dice) against
the metrics `asd`, `hd95` and `dice`; its distances and average alone against `asd_voxel`. Jacobian:
`numpy.gradient` of each component, the nine in one array and `numpy.linalg.det`, then the count of
folds and the standard deviation, against the metrics `folds` and `std_jacobian`.

Last, a whole case with four labels, 300 landmarks and a true field: every metric that a config
measures by default, and every metric in the box. Its files are read before; what is computed of
them, warped labels, distances, the Jacobian, is computed anew each time.
"""

import statistics
import tempfile
import time
import tracemalloc
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import surface_distance
from numpy.typing import NDArray

from regbench.base.project import find_root
from regbench.data.layout import Case, Entry
from regbench.measure.case import CaseFiles, measure
from regbench.measure.inputs import FieldView, MaskPair
from regbench.phantom.motion import smooth_noise
from regbench.phantom.shapes import ellipsoid
from regbench.plugins.catalog import discover
from regbench.plugins.loading import load_metric
from regbench.spatial.field import Field, write_field
from regbench.spatial.nifti import write_volume
from regbench.spatial.volume import Volume, voxel_grid

SHAPE = (144, 144, 128)
SPACING = np.array([1.0, 1.2, 1.5])
#: Centre and half axes, shares of the shape: a liver, a spleen, a kidney.
ORGANS = (
    ((0.35, 0.5, 0.55), (0.25, 0.22, 0.25)),
    ((0.75, 0.6, 0.6), (0.09, 0.12, 0.14)),
    ((0.68, 0.65, 0.3), (0.07, 0.07, 0.13)),
)
REPEATS = 5
#: A second kidney, for a case of four labels.
KIDNEY = ((0.32, 0.68, 0.25), (0.07, 0.07, 0.13))
PLUGINS = discover(find_root()).metrics
METRICS = {name: load_metric(metric) for name, metric in PLUGINS.items()}


def organs(shapes: Any = ORGANS) -> list[tuple[NDArray[np.bool_], NDArray[np.bool_]]]:
    """Fixed and warped masks: the warped ones with a wavy surface, two voxels away."""
    rng = np.random.default_rng(0)
    size = np.array(SHAPE)
    points = voxel_grid(SHAPE).astype(np.float32)
    wave = 2.5 * smooth_noise(rng, SHAPE, 6)
    found = []
    for centre, radii in shapes:
        distance = ellipsoid(points, np.array(centre) * size, np.array(radii) * size)
        found.append((distance < 0, distance + wave < 0))
    return found


def median_seconds(work: Callable[[], Any]) -> float:
    """After one run that does not count."""
    work()
    seconds = []
    for _ in range(REPEATS):
        started = time.perf_counter()
        work()
        seconds.append(time.perf_counter() - started)
    return statistics.median(seconds)


def peak_bytes(work: Callable[[], Any]) -> int:
    """What numpy and Python hold at most while it runs, beyond what they held before."""
    tracemalloc.start()
    work()
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    return peak


def package(masks: list[tuple[NDArray, NDArray]], *, average_only: bool = False) -> list[float]:
    """Average surface distance (mean of both ways), HD95 and Dice in percent, an organ after
    the other, by the package."""
    found: list[float] = []
    for fixed, warped in masks:
        distances = surface_distance.compute_surface_distances(fixed, warped, tuple(SPACING))
        found.append(float(np.mean(surface_distance.compute_average_surface_distance(distances))))
        if not average_only:
            found.append(surface_distance.compute_robust_hausdorff(distances, 95.0))
            found.append(100 * surface_distance.compute_dice_coefficient(fixed, warped))
    return found


def ours(masks: list[tuple[NDArray, NDArray]], *names: str) -> list[float]:
    """The metrics of these names, an organ after the other."""
    functions = [METRICS[name] for name in names]
    views = [MaskPair(fixed, warped, SPACING) for fixed, warped in masks]
    return [function(view) for view in views for function in functions]


def textbook(displacement: NDArray) -> tuple[int, float]:
    """Folds and standard deviation by the whole matrix."""
    matrix = np.empty((*displacement.shape[:3], 3, 3), np.float32)
    for k in range(3):
        for axis, part in enumerate(np.gradient(displacement[..., k])):
            matrix[..., k, axis] = part
    found = np.linalg.det(matrix + np.eye(3, dtype=np.float32))
    return int((found <= 0).sum()), float(found.std(dtype=np.float64))


def jacobian_metrics(displacement: NDArray) -> tuple[int, float]:
    """The same by the metrics."""
    view = FieldView(Field(displacement, np.eye(4)))
    return int(METRICS["folds"](view)), float(METRICS["std_jacobian"](view))


def whole_case(folder: Path, displacement: NDArray[np.float32]) -> CaseFiles:
    """A case with four labels, landmarks and a true field, its files read."""
    affine, rng = np.diag([*SPACING, 1.0]), np.random.default_rng(2)
    masks = organs((*ORGANS, KIDNEY))
    points = rng.uniform(8, np.array(SHAPE) - 8, (300, 3))
    sides = []
    for side, name in enumerate(("fixed", "moving")):
        labels = np.zeros(SHAPE, np.uint8)
        for value, mask in enumerate(masks, 1):
            labels[mask[side]] = value
        image = smooth_noise(rng, SHAPE, 2).astype(np.float32)
        entry = Entry(*(folder / f"{name}{kind}" for kind in ("_0000.nii", "_labels.nii")))
        write_volume(entry.image, Volume(image, affine))
        write_volume(entry.labels, Volume(labels, affine))
        file = folder / f"{name}.csv"
        np.savetxt(file, points + side * rng.normal(0, 1, points.shape), delimiter=",")
        sides.append(replace(entry, landmarks=file))
    field = Field(displacement, affine)
    write_field(folder / "true.nii.gz", Field(displacement * np.float32(0.8), affine))
    case = Case(*sides, true_field=folder / "true.nii.gz", landmarks_frame="voxel")
    groups = {str(value): (value,) for value in range(1, 5)}
    files = CaseFiles(case, field, groups, "nearest")
    measure_all(files, list(METRICS))
    return files


def measure_all(files: CaseFiles, names: list[str]) -> int:
    """How many values these metrics have; each has at least one."""
    number = 0
    for name in names:
        rows = list(measure(files, PLUGINS[name], METRICS[name]))
        found = sum(np.isfinite(row.value) for row in rows)
        if not found:
            raise SystemExit(f"{name} is not measured: {rows[0].status}")
        number += found
    return number


def print_case(displacement: NDArray[np.float32]) -> None:
    """The table of the whole case."""
    with tempfile.TemporaryDirectory() as folder:
        files = whole_case(Path(folder), displacement)
        default = [name for name, plugin in PLUGINS.items() if plugin.default]
        no_loss = [name for name in METRICS if not name.startswith("objective")]
        print("\n| metrics of a case of four labels | number | values | s |")
        print("| --- | ---: | ---: | ---: |")
        chosen = {"by default": default, "all but the loss": no_loss, "all": list(METRICS)}
        for what, names in chosen.items():
            values = measure_all(files, names)
            seconds = median_seconds(lambda n=names: measure_all(files.with_field(files.field), n))
            print(f"| {what} | {len(names)} | {values} | {seconds:.3f} |")


def main() -> None:
    """Print the tables."""
    masks = organs()
    print("| what | other, s | ours, s | ratio | largest difference |")
    print("| --- | ---: | ---: | ---: | ---: |")
    names = ("asd", "hd95", "dice")
    other, mine = package(masks), ours(masks, *names)
    difference = max(abs(a - b) for a, b in zip(other, mine, strict=True))
    a, b = median_seconds(lambda: package(masks)), median_seconds(lambda: ours(masks, *names))
    print(
        f"| asd, hd95 and dice, three organs | {a:.3f} | {b:.3f} | {a / b:.1f} | {difference:.1e} |"
    )
    a = median_seconds(lambda: package(masks, average_only=True))
    b = median_seconds(lambda: ours(masks, "asd_voxel"))
    print(f"| asd_voxel, beside the package's average | {a:.3f} | {b:.3f} | {a / b:.1f} | |")

    rng = np.random.default_rng(1)
    u = np.stack([smooth_noise(rng, SHAPE, 3) for _ in range(3)], axis=-1) * np.float32(5)
    other_j, mine_j = textbook(u), jacobian_metrics(u)
    difference = abs(other_j[1] - mine_j[1])
    a, b = median_seconds(lambda: textbook(u)), median_seconds(lambda: jacobian_metrics(u))
    print(f"| folds and std J | {a:.3f} | {b:.3f} | {a / b:.1f} | {difference:.1e} |")
    print(
        f"\nfolds: {other_j[0]} and {mine_j[0]}; peak memory in fields ({u.nbytes / 1e6:.0f} MB):"
    )
    for name, work in (("textbook", textbook), ("metrics", jacobian_metrics)):
        print(f"{name} {peak_bytes(lambda work=work: work(u)) / u.nbytes:.1f}")
    print_case(u)


if __name__ == "__main__":
    main()
