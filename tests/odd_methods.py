"""A method that finds the shift between two images, and gets one thing wrong: its setting says."""

from pathlib import Path

from regbench.base.files import write_text

from regbench.plugins.kinds import MethodPlugin, read_methods

METADATA = """title: Odd
description: gets one thing wrong
kind: optimisation
entry: method:register
resources: {{memory_gb: 0.4, time_limit_s: {limit}}}
settings: {{how: ""}}
"""
CODE = """
import ctypes, os, time
from pathlib import Path
import numpy as np
from scipy import ndimage
from regbench.spatial.field import Field
from regbench.spatial.volume import voxel_grid


def register(fixed, moving, *, how):
    shift = found_shift(fixed, moving)
    u = np.zeros((*fixed.shape, 3), np.float32) + ODD.get(how, same)(shift, fixed)
    return Field(np.asarray(u, np.float64 if how == "float64" else np.float32), fixed.affine)


def found_shift(fixed, moving):
    if not fixed.data.any():
        return np.zeros(3)
    return np.array(ndimage.center_of_mass(moving.data)) - ndimage.center_of_mass(fixed.data)


def same(s, fixed):
    return s


def crash(s, fixed):
    ctypes.string_at(0)


def hang(s, fixed):
    time.sleep(60)


def memory(s, fixed):
    hoard = np.ones(2**26 + 2**25)
    time.sleep(2)
    return s + hoard[0]


def messy(s, fixed):
    if np.ptp(fixed.data) == 0:
        os._exit(9)
    if fixed.shape[2] == 2:
        time.sleep(60)
    print("loud " * 400_000)
    Path(__file__).with_name("cache.bin").write_bytes(b"x")
    Path("result.txt").write_text("x")
    return s + np.random.default_rng().uniform(-2, 2, (*fixed.shape, 3))


ODD = {
    "transposed": lambda s, f: s[::-1],
    "swapped": lambda s, f: s[[1, 0, 2]],
    "negated": lambda s, f: -s,
    "mm": lambda s, f: s * f.spacing,
    "ras": lambda s, f: f.affine[:3, :3] @ s,
    "lps": lambda s, f: np.diag([-1, -1, 1]) @ f.affine[:3, :3] @ s,
    "transposed mm": lambda s, f: (s * f.spacing)[::-1],
    "flipped": lambda s, f: np.sign(np.diag(f.affine)[:3]) * s,
    "normalised": lambda s, f: 2 * s / (np.array(f.shape) - 1),
    "half": lambda s, f: 0.6 * s,
    "weak": lambda s, f: 0.2 * s,
    "positions": lambda s, f: voxel_grid(f.shape) + s,
    "zero": lambda s, f: 0 * s,
    "constant": lambda s, f: np.ones(3),
    "crash": crash,
    "hang": hang,
    "memory": memory,
    "messy": messy,
}
"""


def odd_method(folder: Path, *, limit: float = 20.0) -> MethodPlugin:
    """The plugin, written into a folder; `limit` seconds a case."""
    write_text(folder / "method.yaml", METADATA.format(limit=limit))
    write_text(folder / "method.py", CODE)
    return read_methods(folder)[0]
