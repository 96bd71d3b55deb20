"""The authors' program `deedsBCV`, where the user has one: trusted with nothing.

It ends with code 0 and a wrong field on many faults, so it gets canonical inputs in a fresh folder,
a list of levels that fit, and its output is taken only when its size and values can be true.
"""

import shutil
import tempfile
from pathlib import Path

import nibabel
import numpy as np
from numpy.typing import NDArray

from regbench.base.errors import BadInput
from regbench.execution.program import run_program
from regbench.plugins.interface import Context
from regbench.spatial.transforms.files import read_dat
from regbench.spatial.volume import Volume

from .levels import Levels, check

PROGRAM = "deedsBCV"


def register_outside(
    binary: str, fixed: Volume, moving: Volume, levels: Levels, context: Context
) -> NDArray[np.float32]:
    """The displacement (X, Y, Z, 3), voxels, pull-back, of the program on an isotropic pair.

    Args:
        binary: its path; empty looks on PATH.
        fixed, moving: isotropic, one shape.
        levels: handed to the program.
        context: threads, and where to work.

    Raises:
        BadInput: no such program, images it cannot do, or an output that cannot be true.
        RuntimeError: it ended with an error.
    """
    program = find_program(binary)
    check(fixed.data.astype(np.float32), moving.data.astype(np.float32), levels)
    with tempfile.TemporaryDirectory(dir=context.workdir) as name:
        work = Path(name)
        for role, volume in (("fixed", fixed), ("moving", moving)):
            # Plain NIfTI-1, float32, no scaling, no extension: it reads nothing else right.
            image = nibabel.Nifti1Image(np.asarray(volume.data, np.float32), np.eye(4))
            nibabel.save(image, work / f"{role}.nii.gz")
        words = [program, "-F", "fixed.nii.gz", "-M", "moving.nii.gz", "-O", "out"]
        words += ["-a", str(levels.weight), "-l", str(len(levels.spacings))]
        for flag, values in (("-G", levels.spacings), ("-L", levels.radii), ("-Q", levels.steps)):
            words += [flag, "x".join(map(str, values))]
        threads = {"OMP_NUM_THREADS": str(context.threads), "OMP_WAIT_POLICY": "passive"}
        run_program(words, work, PROGRAM, threads)
        return read_displacements(work / "out_displacements.dat", fixed.shape, levels)


def find_program(binary: str) -> str:
    """The program's path."""
    found = shutil.which(binary or PROGRAM)
    if found is None:
        raise BadInput(
            f"no executable program {binary or PROGRAM!r}",
            expected="settings.binary, or deedsBCV on PATH",
        )
    return str(Path(found).resolve())


def read_displacements(
    file: Path, shape: tuple[int, int, int], levels: Levels
) -> NDArray[np.float32]:
    """The dense field of a `.dat` file, on the last level's control grid.

    Raises:
        BadInput: missing, of another size, not finite, or beyond what the search can reach.
    """
    if not file.is_file():
        raise BadInput(f"{PROGRAM} wrote no displacements", file=file.name)
    spacing = levels.spacings[-1]
    dense = read_dat(file, shape, range(spacing, spacing + 1))
    reach = sum(h * q for h, q in zip(levels.radii, levels.steps, strict=True))
    if np.abs(dense).max() > reach:
        raise BadInput(
            "holds displacements beyond the search",
            file=file.name,
            expected=f"<= {reach} voxels",
            found=float(np.abs(dense).max()),
        )
    return dense
