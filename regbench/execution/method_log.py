"""What a method prints: kept in a file up to a size, with its end, and the last words of a case."""

import contextlib
import os
import re
import threading
from pathlib import Path

#: Bytes of a log's beginning that are kept, and of each worker's end after that.
MAX_BYTES = 4 * 2**20
TAIL_BYTES = 16 * 2**10

#: Characters of last words in a reason. More would not be read in a table's notes.
LAST_WORDS = 300
_ESCAPES = re.compile(r"\x1b\[[0-9;?]*[ -/]*[@-~]|\x1b.")
_CONTROL = re.compile(r"[\x00-\x08\x0e-\x1f\x7f]")


class MethodLog:
    """A file that a process' output goes to through a pipe, so that its size can be limited.

    Args:
        file: appended to, up to MAX_BYTES. Later output is read and dropped, except the last
            TAIL_BYTES: `close` writes them after a line that says how much is left out.
    """

    def __init__(self, file: Path) -> None:
        file.parent.mkdir(parents=True, exist_ok=True)
        self._file = file.open("ab", buffering=0)
        self._room = max(0, MAX_BYTES - self._file.tell())
        self._dropped = 0
        self._dropped_end = b""
        self._tail = b""
        self._lock = threading.Lock()
        reader, self.pipe = os.pipe()
        self._thread = threading.Thread(
            target=self._drain, args=(reader,), name="method-log", daemon=True
        )
        self._thread.start()

    def started(self) -> None:
        """Close this process' end of the pipe, which then ends with its writers."""
        if self.pipe >= 0:
            os.close(self.pipe)
            self.pipe = -1

    def forget(self) -> None:
        """Begin a new case, which has last words of its own."""
        with self._lock:
            self._tail = b""

    def tail(self) -> str:
        """The end of what was printed since `forget`, as it was printed."""
        with self._lock:
            return self._tail.decode(errors="replace").strip()

    def close(self) -> None:
        """Read what is still in the pipe, once its writers are gone, and write the end."""
        self.started()
        # The output of a process that has escaped is not worth a longer wait.
        self._thread.join(2.0)
        with self._lock:
            if self._dropped_end:
                gone = self._dropped - len(self._dropped_end)
                line = f"\n[regbench: {gone} bytes are left out here: a log has {MAX_BYTES}]\n"
                self._write(line.encode() + self._dropped_end)
                self._dropped_end = b""
            self._file.close()

    def _drain(self, reader: int) -> None:
        with os.fdopen(reader, "rb", buffering=0) as pipe:
            while chunk := pipe.read(65536):
                with self._lock:
                    if not self._file.closed:
                        self._take(chunk)

    def _take(self, chunk: bytes) -> None:
        self._tail = (self._tail + chunk)[-TAIL_BYTES:]
        kept, rest = chunk[: self._room], chunk[self._room :]
        self._room -= len(kept)
        self._write(kept)
        self._dropped += len(rest)
        self._dropped_end = (self._dropped_end + rest)[-TAIL_BYTES:]

    def _write(self, text: bytes) -> None:
        # A full disk must not stop the reading: the method would wait for it.
        with contextlib.suppress(OSError):
            self._file.write(text)


def last_words(text: str, most: int = LAST_WORDS) -> str:
    """The end of printed text in one line: no colours, no control characters, no overdrawn bars."""
    lines = [line.split("\r")[-1] for line in text.replace("\r\n", "\n").rstrip().split("\n")]
    plain = _CONTROL.sub("", _ESCAPES.sub("", " ".join(lines)))
    words = " ".join(plain.split())
    return words if len(words) <= most else "..." + words[-most:]
