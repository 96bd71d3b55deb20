"""A method that misbehaves on one case, in the way that its settings say."""

import ctypes
import os
import signal
import subprocess
import sys
import time
from collections.abc import Mapping
from typing import Any

import numpy as np

from regbench.fields import Field
from regbench.method import Context, Method
from regbench.volumes import Volume


class Trouble(Method):
    """Counts its cases in a file, so that a new process goes on counting."""

    def __init__(self, settings: Mapping[str, Any], context: Context) -> None:
        super().__init__(settings, context)
        if settings["how"] == "no start":
            raise RuntimeError("cannot start")

    def register(self, fixed: Volume, moving: Volume) -> Field:
        """Zero, but for the chosen case: the one whose first voxel's fraction says so."""
        zero = Field.zero(fixed.shape, fixed.affine)
        if self.settings["how"] == "print":
            print("x" * 1_000_000)
            sys.stderr.write("y" * 1_000_000)
        if self.settings["how"] == "none" or not chosen(fixed, self.settings["on_case"]):
            return zero
        return getattr(self, "do_" + self.settings["how"].replace(" ", "_"), lambda f: zero)(fixed)

    def do_raise(self, fixed: Volume) -> Field:
        raise ValueError("no such luck\nsecond line")

    def do_exit(self, fixed: Volume) -> Field:
        os._exit(7)

    def do_crash(self, fixed: Volume) -> Field:
        ctypes.string_at(0)
        raise AssertionError

    def do_killed(self, fixed: Volume) -> Field:
        os.kill(os.getpid(), signal.SIGKILL)
        raise AssertionError

    def do_hang(self, fixed: Volume) -> Field:
        subprocess.Popen(["sleep", "987"])
        time.sleep(900)
        raise AssertionError

    def do_memory(self, fixed: Volume) -> Field:
        hoard = [np.ones(2**25) for _ in range(16)]
        time.sleep(30)
        return Field.zero(fixed.shape, fixed.affine) if hoard else None

    def do_memory_error(self, fixed: Volume) -> Field:
        raise MemoryError("no room")

    def do_wrong_shape(self, fixed: Volume) -> Field:
        return Field(np.zeros((2, 3, 4, 3), np.float32), fixed.affine)

    def do_nan(self, fixed: Volume) -> Field:
        bad = Field.zero(fixed.shape, fixed.affine)
        bad.displacement[0, 0, 0, 0] = np.nan
        return bad

    def do_nothing(self, fixed: Volume) -> Field:
        return None  # type: ignore[return-value]

    def do_float64(self, fixed: Volume) -> Field:
        return Field(np.zeros((*fixed.shape, 3)), fixed.affine)  # type: ignore[arg-type]


def chosen(fixed: Volume, number: int) -> bool:
    """Whether this is the toy test case of that number: its noise is that of seed 299 + number."""
    rng = np.random.default_rng(299 + number)
    rng.integers(1, 3)
    return bool(np.isclose(fixed.data.flat[0], 0.1 * rng.random(1)[0], atol=1e-6))
