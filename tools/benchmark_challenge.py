"""Measures a challenge: teams x cases of a size, each case with four labels and landmarks.

    python tools/benchmark_challenge.py --teams 20 --cases 10 --cores 2

Makes the data in a temporary folder (each team has one field, linked under the names of its cases;
every other team is a zip), scores it with `regbench evaluate --teams`, and prints seconds,
processor seconds and the largest process.
"""

import argparse
import json
import os
import resource
import shutil
import subprocess
import sys
import tempfile
import time
import zipfile
from pathlib import Path

import numpy as np
from scipy import ndimage

REPO = Path(__file__).resolve().parent.parent
sys.path.insert(0, str(REPO / "tests"))

from helpers import sphere, write_dataset, write_side  # noqa: E402

from regbench.spatial.field import Field, write_field  # noqa: E402
from regbench.spatial.volume import Volume  # noqa: E402


def smooth(seed: int, shape: tuple[int, ...], size: float) -> Field:
    """A smooth field of displacements of up to `size` voxels."""
    rng = np.random.default_rng(seed)
    coarse = rng.uniform(-size, size, (*(6,) * 3, 3)).astype(np.float32)
    parts = [
        ndimage.zoom(coarse[..., k], [n / 6 for n in shape], order=3, mode="nearest")
        for k in range(3)
    ]
    return Field(np.stack(parts, axis=-1).astype(np.float32), np.eye(4))


def make_data(root: Path, shape: tuple[int, ...], cases: int) -> Path:
    """Pairs of label maps of four spheres; the moving ones lie a few voxels away."""
    entries, pairs = [], []
    centres = np.array([[0.3, 0.35, 0.3], [0.7, 0.35, 0.6], [0.35, 0.7, 0.65], [0.7, 0.7, 0.3]])
    rng = np.random.default_rng(0)
    for number in range(1, cases + 1):
        for k in (0, 1):
            labels = np.zeros(shape, np.uint8)
            for value, centre in enumerate(centres, 1):
                at = centre * shape + 3 * k + rng.uniform(-2, 2, 3)
                labels[sphere(shape, at, 0.13 * min(shape))] = value
            image = Volume(ndimage.uniform_filter(labels.astype(np.float32), 3), np.eye(4))
            points = rng.uniform(5, np.array(shape) - 6, (100, 3))
            entries.append(
                write_side(root, f"Big_{number:04d}_{k:04d}", image, labels, points.round(2))
            )
        pairs.append((f"Big_{number:04d}_0000", f"Big_{number:04d}_0001"))
    names = {"1": "one", "2": "two", "3": "three", "4": "four"}
    return write_dataset(root, entries, pairs, labels=names)


def make_teams(root: Path, shape: tuple[int, ...], teams: int, cases: int) -> None:
    """Every team's field under the names of all cases; every other team is a zip."""
    for team in range(teams):
        folder = root / f"team-{team:02d}"
        names = [f"disp_{n:04d}_0000_{n:04d}_0001.nii.gz" for n in range(1, cases + 1)]
        first = folder / names[0]
        write_field(first, smooth(team, shape, 1 + team / 4))
        for name in names[1:]:
            os.link(first, folder / name)
        if team % 2:
            with zipfile.ZipFile(f"{folder}.zip", "w") as archive:
                for name in names:
                    archive.write(folder / name, name)
            shutil.rmtree(folder)


def main() -> None:
    """Measure and print."""
    options = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    for name, default in (("teams", 20), ("cases", 10), ("cores", 2)):
        options.add_argument(f"--{name}", type=int, default=default)
    options.add_argument("--shape", type=int, nargs=3, default=(160, 192, 160))
    chosen = options.parse_args()
    shape = tuple(chosen.shape)
    with tempfile.TemporaryDirectory(prefix="regbench-challenge-") as place:
        root = Path(place)
        file = make_data(root / "data", shape, chosen.cases)
        make_teams(root / "teams", shape, chosen.teams, chosen.cases)
        words = ["evaluate", "--dataset", str(file), "--teams", str(root / "teams")]
        words += ["--output", str(root / "out"), "--cores", str(chosen.cores)]
        start = time.perf_counter()
        done = subprocess.run(
            [sys.executable, "-m", "regbench.cli.main", *words],
            cwd=REPO,
            check=False,
            capture_output=True,
            text=True,
        )
        seconds = time.perf_counter() - start
        used = resource.getrusage(resource.RUSAGE_CHILDREN)
        print(done.stdout, done.stderr)
        found = {
            "seconds": round(seconds, 1),
            "processor_seconds": round(used.ru_utime + used.ru_stime, 1),
            "largest_process_mb": round(used.ru_maxrss / 1024),
        }
        print(json.dumps(found))


if __name__ == "__main__":
    main()
