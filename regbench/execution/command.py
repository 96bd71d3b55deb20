"""A method that is a command line, in any language."""

import shutil
import tempfile
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from regbench.base.errors import BadInput
from regbench.execution.program import run_program
from regbench.plugins.interface import Context, Method
from regbench.spatial.field import Field, read_field
from regbench.spatial.nifti import write_volume
from regbench.spatial.volume import Volume

#: A longer word is no file's name, and asking the system for one is an error.
MAX_NAME = 255


class CommandMethod(Method):
    """Runs `command` once a pair, without a shell, in an empty folder that is removed afterwards.

    The images and the field are files in a folder beside that.

    Args:
        command: words, in which `{fixed} {moving} {output} {seed} {threads}` and the settings'
            names in braces are replaced. A first word that is a file of `folder` is taken there.
        folder: the plugin's folder.
    """

    def __init__(
        self,
        command: tuple[str, ...],
        folder: Path,
        settings: Mapping[str, Any],
        context: Context,
    ) -> None:
        super().__init__(settings, context)
        self.command = command
        self.folder = folder

    def register(self, fixed: Volume, moving: Volume) -> Field:
        with tempfile.TemporaryDirectory(
            dir=self.context.workdir, ignore_cleanup_errors=True
        ) as name:
            work, files = Path(name, "work"), Path(name, "files")
            work.mkdir()
            files.mkdir()
            paths = {role: files / f"{role}.nii.gz" for role in ("fixed", "moving", "output")}
            write_volume(paths["fixed"], fixed)
            write_volume(paths["moving"], moving)
            self._run(work, paths)
            if not paths["output"].is_file():
                raise BadInput("the command wrote no displacement field", expected="{output}")
            return read_field(paths["output"], fixed.shape)

    def _run(self, work: Path, paths: Mapping[str, Path]) -> None:
        values = {
            **{key: str(value) for key, value in self.settings.items()},
            **{key: str(value) for key, value in paths.items()},
            "seed": str(self.context.seed),
            "threads": str(self.context.threads),
        }
        words = [_fill(word, values) for word in self.command]
        words[0] = self._program(words[0])
        words[1:] = [self._own_file(word) for word in words[1:]]
        run_program(words, work, "the command")

    def _program(self, word: str) -> str:
        own = self._own_file(word)
        if own != word:
            return own
        found = shutil.which(word)
        if found is None:
            raise BadInput(f"no program {word!r}", expected="a file of the plugin or on PATH")
        return found

    def _own_file(self, word: str) -> str:
        if len(word) > MAX_NAME:
            return word
        path = self.folder / word
        inside = path.is_file() and path.resolve().is_relative_to(self.folder.resolve())
        return str(path.resolve()) if inside else word


def _fill(word: str, values: Mapping[str, str]) -> str:
    for key, value in values.items():
        word = word.replace(f"{{{key}}}", value)
    return word
