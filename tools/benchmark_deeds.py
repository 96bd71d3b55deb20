"""Accuracy, time, memory and scaling of Deeds on a synthetic cross-modal pair.

    python tools/benchmark_deeds.py                 # accuracy and time at 144x144x128
    python tools/benchmark_deeds.py 48,48,48 96,96,96 144,144,128 192,160,192
    python tools/benchmark_deeds.py --whole 112,128,96 [FOLDER ...]  # a bare process

FOLDERs are Deeds' code to compare, by turns (methods/deeds alone if none is named): an older
checkout's methods/deeds, for example. The whole of a process is import, reading two `.nii.gz`,
registration and writing the field; start-up is what is done before the first voxel of a pair.

Ten ellipsoid organs in an ellipsoid body, texture at three scales. The moving image has an
intensity table of its own and the negated square of the texture. The motion is noise of sigma 13
voxels, 4.1 voxels on average in the body, at most 10. Isotropic voxels: nothing is resampled.

Each measurement is a process of its own, compiled code warm; its peak memory is what registering
adds to a process that holds the two images. The fields of one and two threads are compared byte
for byte.
"""

import json
import os
import resource
import subprocess
import sys
import tempfile
import time
from itertools import product
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from regbench.base.project import find_root
from regbench.phantom.motion import smooth_noise
from regbench.phantom.shapes import ellipsoid
from regbench.plugins.catalog import discover
from regbench.plugins.interface import Context
from regbench.plugins.loading import load_entry
from regbench.spatial.field import Field, read_field
from regbench.spatial.nifti import write_volume
from regbench.spatial.operations import invert, jacobian_determinant
from regbench.spatial.volume import Volume, voxel_grid
from regbench.spatial.warp import warp_image, warp_labels

FULL = (144, 144, 128)
ORGANS = 10
MEAN, MOST, SIGMA = 4.1, 10.0, 13.0
METHODS = ("deeds", "deeds-fast")
ROUNDS = 3
#: Not this file: a worker imports much less.
WHOLE = """
import json, sys, time
from pathlib import Path
import numpy as np
from regbench.execution.worker import make_method
from regbench.spatial.field import write_field
from regbench.spatial.nifti import read_volume
from regbench.spatial.volume import Volume
job, folder = json.loads(sys.argv[1]), Path(sys.argv[2])
method = make_method(job)
def spent(*pair):
    started, cpu = time.perf_counter(), time.process_time()
    field = method.register(*pair)
    return field, time.perf_counter() - started, time.process_time() - cpu
toy = [Volume(np.random.default_rng(k).random((16, 16, 16), np.float32), np.eye(4)) for k in (0, 1)]
spent(*toy)
start = time.process_time() - spent(*toy)[2]
field, s, cpu = spent(*(read_volume(folder / f"{role}.nii.gz") for role in ("fixed", "moving")))
write_field(folder / "field.nii.gz", field)
lines = Path("/proc/self/status").read_text().splitlines()
peak = next(int(line.split()[1]) / 1024 for line in lines if line.startswith("VmHWM:"))
print(json.dumps([start, s, cpu, peak]))
"""


def make_pair(shape: tuple[int, int, int], seed: int = 0) -> dict[str, NDArray]:
    """Fixed and moving image and labels, the true field and the body, in the fixed grid.

    Lengths other than the size of the texture and of the motion scale with the shape.
    """
    rng = np.random.default_rng(seed)
    scale = min(np.array(shape) / FULL)
    labels = _labels(rng, shape)
    texture = sum(a * smooth_noise(rng, shape, s) for a, s in ((0.5, 1.2), (0.7, 2.5), (1.0, 5)))
    texture = np.asarray(texture / texture.std(), np.float32)
    tables = rng.permuted(np.tile(np.linspace(0.15, 1, ORGANS + 1), (2, 1)), axis=1)
    first, second = (np.r_[0.0, t].astype(np.float32)[labels] for t in tables)
    inside = labels > 0
    fixed = first + 0.06 * texture * inside
    other = second - 0.06 * (texture**2 - 1) * inside
    truth = _motion(rng, shape, inside, scale)
    back = invert(truth)
    affine = np.eye(4)
    # moving(y) = content(y + v(y)), v the inverse, so that moving(x + u(x)) = content(x).
    moving = warp_image(Volume(other.astype(np.float32), affine), back).data
    moved = warp_labels(Volume(labels, affine), back).data
    noise = rng.normal(0, 0.01, size=(2, *shape)).astype(np.float32)
    return {
        "fixed": fixed.astype(np.float32) + noise[0],
        "moving": moving + noise[1],
        "fixed_labels": labels,
        "moving_labels": moved,
        "truth": truth.displacement,
    }


def _labels(rng: np.random.Generator, shape: tuple[int, int, int]) -> NDArray[np.int16]:
    """0 outside, 1 the body, 2 to 11 the organs; an organ takes no voxel of an earlier one."""
    size = np.array(shape, np.float32)
    points = voxel_grid(shape).astype(np.float32)
    inside = ellipsoid(points, (size - 1) / 2, 0.46 * size) < 0
    labels = inside.astype(np.int16)
    centres: list[NDArray] = []
    for organ in range(ORGANS):
        directions = rng.normal(size=(40, 3))
        drawn = 0.3 * directions / np.linalg.norm(directions, axis=1, keepdims=True)
        # The one of forty that is farthest from the organs so far.
        gaps = [min([1.0, *(np.linalg.norm(c - other) for other in centres)]) for c in drawn]
        centres.append(drawn[int(np.argmax(gaps))])
        centre = (size - 1) / 2 + size * centres[-1]
        mask = ellipsoid(points, centre, size * rng.uniform(0.045, 0.095, size=3)) < 0
        labels[mask & (labels == 1)] = organ + 2
    return labels


def _motion(
    rng: np.random.Generator, shape: tuple[int, int, int], inside: NDArray, scale: float
) -> Field:
    """Gaussian noise with the asked mean in the body; drawn anew until its longest is short."""
    for _ in range(100):
        u = np.stack([smooth_noise(rng, shape, SIGMA * scale) for _ in range(3)], axis=-1)
        length = np.linalg.norm(u, axis=-1)
        factor = MEAN * scale / length[inside].mean()
        if factor * length[inside].max() <= MOST * scale:
            return Field((factor * u).astype(np.float32), np.eye(4))
    raise RuntimeError("no motion with this mean and this maximum in 100 draws")


def score(pair: dict[str, NDArray], field: Field) -> dict[str, float]:
    """Mean Dice over the organs, mean end-point error in the body, and folds."""
    moved = warp_labels(Volume(pair["moving_labels"], np.eye(4)), field).data
    fixed = pair["fixed_labels"]
    dice = []
    for organ in range(2, ORGANS + 2):
        a, b = fixed == organ, moved == organ
        if a.any():
            dice.append(2 * (a & b).sum() / max(a.sum() + b.sum(), 1))
    error = np.linalg.norm(field.displacement - pair["truth"], axis=-1)
    return {
        "dice": float(np.mean(dice)),
        "epe": float(error[fixed > 0].mean()),
        "folds": int((jacobian_determinant(field.displacement) <= 0).sum()),
    }


def main(shapes: list[tuple[int, int, int]]) -> None:
    """A row for each size, method and number of threads."""
    print("| size | method | threads | s | CPU s | MB | Dice | EPE | folds | same bytes |")
    print("| --- | --- | ---: | ---: | ---: | ---: | ---: | ---: | ---: | --- |")
    for shape in shapes:
        pair = make_pair(shape)
        still = score(pair, Field(np.zeros((*shape, 3), np.float32), np.eye(4)))
        size = "x".join(map(str, shape))
        row = f"{still['dice']:.3f} | {still['epe']:.2f} | {still['folds']}"
        print(f"| {size} | none | | | | | {row} | |", flush=True)
        with tempfile.TemporaryDirectory() as folder:
            np.savez(Path(folder) / "pair.npz", fixed=pair["fixed"], moving=pair["moving"])
            for name in METHODS:
                _rows(folder, size, name, pair)


def _rows(folder: str, size: str, name: str, pair: dict[str, NDArray]) -> None:
    fields = []
    for threads in (1, 2):
        words = [sys.executable, __file__, "--one", folder, name, str(threads)]
        done = subprocess.run(words, check=True, capture_output=True, text=True)
        found = json.loads(done.stdout.splitlines()[-1])
        field = Field(np.load(Path(folder) / f"{name}-{threads}.npy"), np.eye(4))
        fields.append(field.displacement.tobytes())
        got = score(pair, field)
        same = "" if len(fields) == 1 else ("yes" if fields[0] == fields[1] else "NO")
        print(
            f"| {size} | {name} | {threads} | {found['s']:.1f} | {found['cpu']:.1f} "
            f"| {found['mb']:.0f} | {got['dice']:.3f} | {got['epe']:.2f} | {got['folds']} "
            f"| {same} |",
            flush=True,
        )


def whole(shape: tuple[int, int, int], plugins: list[Path]) -> None:
    """Processes on a pair, by turns: the least of ROUNDS, and the scores of the fields."""
    pair = make_pair(shape)
    found: dict[tuple[Path, int], list[list[float]]] = {}
    scores: dict[tuple[Path, int], tuple[float, ...]] = {}
    with tempfile.TemporaryDirectory() as folder:
        for role in ("fixed", "moving"):
            write_volume(Path(folder) / f"{role}.nii.gz", Volume(pair[role], np.eye(4)))
        # The first round loads or compiles: it does not count.
        for n, plugin, threads in product(range(ROUNDS + 1), plugins, (1, 2)):
            words = [sys.executable, "-c", WHOLE, json.dumps(_job(plugin, threads)), folder]
            before = resource.getrusage(resource.RUSAGE_CHILDREN)
            done = subprocess.run(words, check=True, capture_output=True, text=True)
            after = resource.getrusage(resource.RUSAGE_CHILDREN)
            cpu = after.ru_utime - before.ru_utime + after.ru_stime - before.ru_stime
            if n:
                row = [cpu, *json.loads(done.stdout.splitlines()[-1])]
                found.setdefault((plugin, threads), []).append(row)
            elif threads == 1:
                scores[plugin, threads] = tuple(
                    score(pair, read_field(Path(folder) / "field.nii.gz")).values()
                )
    print("| code | threads | CPU s | start | registration s | CPU s | MB | Dice, EPE, folds |")
    print("| --- | ---: | ---: | ---: | ---: | ---: | ---: | --- |")
    for (plugin, threads), rows in found.items():
        least = " | ".join(f"{value:.2f}" for value in np.min(rows, axis=0))
        known = ", ".join(f"{v:.4f}" for v in scores.get((plugin, threads), ()))
        print(f"| {plugin} | {threads} | {least} | {known} |")


def _job(plugin: Path, threads: int) -> dict[str, object]:
    """What a worker is told of Deeds."""
    settings = discover(find_root()).methods["deeds"].settings
    known = {"folder": str(plugin.resolve()), "entry": "method:Deeds", "settings": dict(settings)}
    rest = {"training_fields": [], "checkpoint": None, "prealigned": True, "workdir": "/tmp"}  # noqa: S108
    return known | rest | {"threads": threads, "seed": 0, "device": "cpu"}


def one(folder: str, name: str, threads: int) -> None:
    """Register in this process, after a toy pair that loads the compiled code."""
    plugin = discover(find_root()).methods[name]
    build = load_entry(plugin.folder, str(plugin.entry))
    method = build(plugin.settings, Context(threads, 0, "cpu", True, Path(folder)))
    arrays = np.load(Path(folder) / "pair.npz")
    pair = [Volume(arrays[role], np.eye(4)) for role in ("fixed", "moving")]
    toy = [Volume(np.ascontiguousarray(v.data[:32, :32, :32]), np.eye(4)) for v in pair]
    method.register(*toy)
    Path("/proc/self/clear_refs").write_text("5")
    before = _peak_mb()
    started, cpu = time.perf_counter(), time.process_time()
    field = method.register(*pair)
    seconds, cpu = time.perf_counter() - started, time.process_time() - cpu
    used = _peak_mb() - before
    np.save(Path(folder) / f"{name}-{threads}.npy", field.displacement)
    print(json.dumps({"s": seconds, "cpu": cpu, "mb": used}))


def _peak_mb() -> float:
    """Since the counter was last cleared."""
    lines = Path("/proc/self/status").read_text().splitlines()
    return next(int(line.split()[1]) / 1024 for line in lines if line.startswith("VmHWM:"))


if __name__ == "__main__":
    os.environ["OMP_NUM_THREADS"] = "1"
    if sys.argv[1:2] == ["--one"]:
        one(sys.argv[2], sys.argv[3], int(sys.argv[4]))
    elif sys.argv[1:2] == ["--whole"]:
        x, y, z = (int(n) for n in sys.argv[2].split(","))
        named = [Path(word) for word in sys.argv[3:]]
        whole((x, y, z), named or [find_root() / "methods" / "deeds"])
    else:
        asked = [tuple(int(n) for n in word.split(",")) for word in sys.argv[1:]]
        main([(a, b, c) for a, b, c in asked] or [FULL])
