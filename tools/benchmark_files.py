"""What a case's files cost at full size, beside Python's own gzip.

    python tools/benchmark_files.py

A smooth field and an image of 144x144x128 voxels, one thread, CPU seconds, the least of five: what
the harness does for every registered case beside the method's work, and the packing alone.
"""

import gzip
import tempfile
import time
from collections.abc import Callable
from functools import partial
from pathlib import Path

import numpy as np
from isal import igzip

from regbench.base.files import sha256
from regbench.phantom.motion import smooth_noise
from regbench.spatial.field import Field, check_plausible, read_field, write_field
from regbench.spatial.nifti import read_volume, write_volume
from regbench.spatial.volume import Volume

SHAPE = (144, 144, 128)
AFFINE = np.diag([1.5, 1.5, 2.0, 1.0])
REPEATS = 5


def least(work: Callable[[], object]) -> float:
    """CPU seconds, the least of REPEATS."""
    seconds = []
    for _ in range(REPEATS):
        started = time.process_time()
        work()
        seconds.append(time.process_time() - started)
    return min(seconds)


def main() -> None:
    """Print a table."""
    rng = np.random.default_rng(0)
    parts = [4 * smooth_noise(rng, SHAPE, 12.0) for _ in range(3)]
    field = Field(np.stack(parts, -1).astype(np.float32), AFFINE)
    image = Volume((rng.random(SHAPE) + parts[0]).astype(np.float32), AFFINE)
    with tempfile.TemporaryDirectory() as folder:
        field_file, image_file = Path(folder, "field.nii.gz"), Path(folder, "image.nii.gz")
        write_field(field_file, field)
        write_volume(image_file, image)
        packed = field_file.read_bytes()
        raw = gzip.decompress(packed)
        rows = {
            "write a field": partial(write_field, field_file, field),
            "read a field": partial(read_field, field_file),
            "read an image": partial(read_volume, image_file),
            "hash a field": partial(sha256, field_file),
            "whether a field is plausible": partial(check_plausible, field.displacement),
            "pack a field": partial(igzip.compress, raw, 1),
            "pack a field, Python's own gzip": partial(gzip.compress, raw, 1),
            "unpack a field": partial(igzip.decompress, packed),
            "unpack a field, Python's own gzip": partial(gzip.decompress, packed),
        }
        for name, work in rows.items():
            print(f"| {name} | {least(work):.3f} |")
        own = len(gzip.compress(raw, 1))
        print(f"| bytes of a packed field, beside Python's own gzip | {len(packed) / own:.3f} |")


if __name__ == "__main__":
    main()
