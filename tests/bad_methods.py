"""Methods that misbehave, one way a case: what they do (of tests/plugins/methods/trouble), and the
words of the status that they get. The table of docs/bad-inputs.md is made from it.
"""

from dataclasses import dataclass

#: Limits of the run that tries them.
LIMITS = {"time_s": 6, "memory_gb": 0.5}


@dataclass(frozen=True)
class Misdeed:
    """What a method does with one case, and what becomes of the case."""

    how: str
    what: str
    outcome: str
    words: str
    landlock: bool = False


MISDEEDS = [
    Misdeed("talk", "prints six megabytes", "ok", ""),
    Misdeed("raise", "raises", "failed", "ValueError: no such luck second line"),
    Misdeed(
        "import",
        "imports a package that is missing, unannounced",
        "skipped",
        "no_such_package_at_all is not installed: pip install no_such_package_at_all",
    ),
    Misdeed("exit", "ends its process", "failed", "the process ended with code 7"),
    Misdeed("crash", "crashes", "failed", "the process crashed with signal 11 (SIGSEGV)"),
    Misdeed("close", "closes every file", "failed", "closed where the worker answers"),
    Misdeed("memory", "exhausts memory", "out-of-memory", "GiB, the limit is 0.5"),
    Misdeed(
        "daemon",
        "forks into a session of its own, and hangs",
        "timeout",
        "not done within 6 s",
    ),
    Misdeed(
        "crash after daemon",
        "leaves a process in a session of its own, and ends",
        "failed",
        "the process ended with code 7",
    ),
    Misdeed(
        "write outside",
        "writes outside its folder",
        "failed",
        "(a method may write in its working folder only)",
        landlock=True,
    ),
    Misdeed(
        "command outside",
        "starts a program that writes outside its folder",
        "failed",
        "CalledProcessError: Command",
        landlock=True,
    ),
    Misdeed("nothing", "returns no field", "failed", "expected regbench.spatial.field.Field"),
    Misdeed("float64", "returns float64", "failed", "expected float32; found float64"),
    Misdeed(
        "transposed",
        "returns a field with its axes in another order",
        "failed",
        "expected (12, 10, 8, 3); found (8, 10, 12, 3)",
    ),
    Misdeed("nan", "returns NaN", "failed", "is not finite"),
    Misdeed(
        "positions",
        "returns positions, in millimetres or voxels",
        "failed",
        "looks like positions, not displacements",
    ),
    Misdeed(
        "micrometres",
        "returns a unit that moves voxels further than the image is long",
        "failed",
        "are larger than the image: it may be in another unit",
    ),
]
