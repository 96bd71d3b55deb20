"""A method that misbehaves on one case, in the way that its settings say."""

import ctypes
import os
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np

from regbench.plugins.interface import Context, Method
from regbench.spatial.field import Field
from regbench.spatial.volume import Volume


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
        how = self.how(fixed)
        return getattr(self, "do_" + how.replace(" ", "_"), lambda f: zero)(fixed)

    def how(self, fixed: Volume) -> str:
        """What to do with this case: `how` with the one that is `on_case`, or `each` its own."""
        each = self.settings["each"]
        numbered = (
            enumerate(each, 1) if each else [(self.settings["on_case"], self.settings["how"])]
        )
        return next((how for number, how in numbered if chosen(fixed, number)), "none")

    def do_talk(self, fixed: Volume) -> Field:
        for _ in range(6):
            print("x" * 999_999)
        return Field.zero(fixed.shape, fixed.affine)

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

    def do_kill_parent(self, fixed: Volume) -> Field:
        os.kill(os.getppid(), signal.SIGKILL)
        return Field.zero(fixed.shape, fixed.affine)

    def do_no_room(self, fixed: Volume) -> Field:
        try:
            raise OSError(28, "No space left on device", "somewhere")
        except OSError as error:
            raise RuntimeError("cannot work") from error

    def do_move_its_image(self, fixed: Volume) -> Field:
        fixed.affine[:] = 7 * np.eye(4)
        return Field.zero(fixed.shape, fixed.affine)

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

    def do_daemon(self, fixed: Volume) -> Field:
        start_daemon()
        time.sleep(900)
        raise AssertionError

    def do_crash_after_daemon(self, fixed: Volume) -> Field:
        start_daemon()
        os._exit(7)

    def do_close(self, fixed: Volume) -> Field:
        os.closerange(3, 256)
        time.sleep(900)
        raise AssertionError

    def do_import(self, fixed: Volume) -> Field:
        import no_such_package_at_all  # noqa: F401

        raise AssertionError

    def do_write_outside(self, fixed: Volume) -> Field:
        Path(self.settings["place"]).write_text("mine")
        return Field.zero(fixed.shape, fixed.affine)

    def do_command_outside(self, fixed: Volume) -> Field:
        subprocess.run(["sh", "-c", 'echo mine > "$0"', self.settings["place"]], check=True)
        raise AssertionError

    def do_write_inside(self, fixed: Volume) -> Field:
        Path("stray.txt").write_text("mine")
        with tempfile.NamedTemporaryFile("w") as file:
            file.write("mine")
        return Field.zero(fixed.shape, fixed.affine)

    def do_transposed(self, fixed: Volume) -> Field:
        return Field.zero(fixed.shape[::-1], fixed.affine)

    def do_positions(self, fixed: Volume) -> Field:
        grid = np.moveaxis(np.indices(fixed.shape, np.float32), 0, -1)
        spacing = np.linalg.norm(fixed.affine[:3, :3], axis=0)
        return Field((grid * spacing).astype(np.float32), fixed.affine)

    def do_micrometres(self, fixed: Volume) -> Field:
        zero = Field.zero(fixed.shape, fixed.affine)
        zero.displacement[2:8, 2:8, 2:6] = 1500.0
        return zero

    def do_nan(self, fixed: Volume) -> Field:
        bad = Field.zero(fixed.shape, fixed.affine)
        bad.displacement[0, 0, 0, 0] = np.nan
        return bad

    def do_nothing(self, fixed: Volume) -> Field:
        return None  # type: ignore[return-value]

    def do_float64(self, fixed: Volume) -> Field:
        return Field(np.zeros((*fixed.shape, 3)), fixed.affine)  # type: ignore[arg-type]


def start_daemon() -> None:
    """A process without a parent, in a session of its own."""
    if os.fork() == 0:
        os.setsid()
        if os.fork() == 0:
            os.execvp("sleep", ["sleep", "986"])  # noqa: S606
        os._exit(0)


def chosen(fixed: Volume, number: int) -> bool:
    """Whether this is the toy test case of that number: its noise is that of seed 299 + number."""
    rng = np.random.default_rng(299 + number)
    rng.integers(1, 3)
    return bool(np.isclose(fixed.data.flat[0], 0.1 * rng.random(1)[0], atol=1e-6))
