"""A folder of raw pairs, as a scanner and a person would leave it."""

from pathlib import Path

import numpy as np
from helpers import box, make_affine, random_image
from regbench.base.files import write_text
from regbench.spatial.nifti import write_volume
from regbench.spatial.volume import Volume

from regbench.data.landmarks import write_landmarks

SHAPE = (20, 22, 24)
HEADER = "fixed,moving,fixed_labels,moving_labels,fixed_landmarks,moving_landmarks,split\n"
#: Landmarks of the fixed image; those of the moving one lie at the same places in the world.
MARKS = np.array([[8.0, 9.0, 10.0], [11.0, 12.5, 9.0]])


def raw_pairs(root: Path, count: int = 3) -> Path:
    """Pairs in folders of their own, all with the same file names; the moving side is flipped."""
    lines = [HEADER]
    for number in range(1, count + 1):
        cells = []
        for k, kind in enumerate(("ct", "mr")):
            flips = (1, 1, 1) if k == 0 else (-1, 1, 1)
            origin = (0, 0, 0) if k == 0 else (2 * (SHAPE[0] - 1), 0, 0)
            affine = make_affine((2, 2, 2), flips=flips, origin=origin)
            folder = root / f"patient{number}"
            image = random_image(number * 2 + k, SHAPE)
            labels = box(SHAPE, (7, 8, 9), (4, 5, 6)).astype(np.uint8)
            marks = MARKS.copy()
            if k:
                labels = labels[::-1]
                marks[:, 0] = SHAPE[0] - 1 - marks[:, 0]
            write_volume(folder / f"{kind}.nii.gz", Volume(image.data, affine))
            write_volume(folder / f"{kind}_label.nii.gz", Volume(labels, affine))
            write_landmarks(folder / f"{kind}.csv", marks)
            cells.append(
                [f"patient{number}/{kind}{end}" for end in (".nii.gz", "_label.nii.gz", ".csv")]
            )
        row = [name for names in zip(*cells, strict=True) for name in names]
        lines.append(",".join([*row, ("training", "validation", "test")[(number - 1) % 3]]) + "\n")
    write_text(root / "pairs.csv", "".join(lines))
    return root
