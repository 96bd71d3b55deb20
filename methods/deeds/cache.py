"""Where numba keeps compiled code: in a folder that can be written to."""

import atexit
import hashlib
import os
import shutil
import tempfile
import warnings
from pathlib import Path


def use_writable_cache() -> None:
    """Name numba's cache folder, unless the user has: below the user's, or a temporary one.

    The folder is that of this code: numba notices an edit of a file, not of what the file imports.
    """
    if os.environ.get("NUMBA_CACHE_DIR"):
        return
    sources = sorted(Path(__file__).parent.glob("*.py"))
    code = hashlib.sha256(b"".join(source.read_bytes() for source in sources)).hexdigest()[:12]
    home = Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache") / "regbench" / "numba"
    home /= code
    try:
        home.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryFile(dir=home):
            pass
    except OSError:
        # A temporary folder is no cache, but numba refuses to start without one.
        home = Path(tempfile.mkdtemp(prefix="regbench-numba-"))
        atexit.register(shutil.rmtree, home, ignore_errors=True)
        warnings.warn(
            "no writable cache folder: Deeds compiles anew in each process (about 20 s);"
            " NUMBA_CACHE_DIR names one",
            stacklevel=2,
        )
    os.environ["NUMBA_CACHE_DIR"] = str(home)
