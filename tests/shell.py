"""The command line in a project of its own."""

from pathlib import Path

import pytest
from helpers import (
    AFFINES,
    random_image,
    write_project,
)
from regbench.spatial.nifti import write_volume

from regbench.cli.main import main

SHIFT = "title: {}\nkind: external\nentry: method:register\nwarmup: none\nsettings: {{shift: 1}}\n"
IMPORTS = "import numpy as np\nfrom regbench.spatial.field import Field\n"
CONSTANT = "Field(np.full((*fixed.shape, 3), shift, np.float32), fixed.affine)"


def _method(title: str, body: str, more: str = "") -> dict[str, str]:
    code = f"{IMPORTS}def register(fixed, moving, shift):\n    {body}\n"
    return {"method.yaml": SHIFT.format(title) + more, "method.py": code}


METHODS = {
    "shift": _method("Shift", f"return {CONSTANT}"),
    "broken": _method("Broken", "raise RuntimeError('two\\nlines')"),
    "short": _method("Short", "return Field.zero((2, 2, 2), fixed.affine)"),
    "needy": _method("Needy", "return None", "requires: [no_such_package]\ninstall: buy it\n"),
    "oracle": _method("Oracle", "return None", "needs: [true_field]\n"),
}


class Shell:
    """A project with files, and the command line in it."""

    def __init__(self, root: Path, capsys: pytest.CaptureFixture[str]) -> None:
        self.root = root
        self.capsys = capsys
        self.project = write_project(root / "project", METHODS)
        self.fixed, self.moving = root / "in" / "f.nii.gz", root / "in" / "m.nii.gz"
        write_volume(self.fixed, random_image(1, affine=AFFINES["oblique"]))
        write_volume(self.moving, random_image(2))
        self.output = root / "out" / "o.nii.gz"

    def __call__(self, *words: object) -> tuple[int, str, list[str]]:
        """Exit code, standard output, lines of standard error."""
        code = main(["--root", str(self.project), *map(str, words)])
        out, err = self.capsys.readouterr()
        return code, out, err.splitlines()

    def refuses(self, *words: object, naming: tuple[object, ...]) -> None:
        """One line with the words, code 2, and the tree as it was."""
        before = {p for p in self.root.rglob("*") if "__pycache__" not in p.parts}
        code, _, err = self(*words)
        assert code == 2
        assert len(err) == 1, err
        assert err[0].startswith("regbench: ")
        for word in naming:
            assert str(word) in err[0]
        after = {p for p in self.root.rglob("*") if "__pycache__" not in p.parts}
        assert {p for p in after - before if not p.is_dir()} == set()

    def pair(self, *words: object, **changes: object) -> list[object]:
        """The words, then the pair's options, some of them changed."""
        own: dict[str, object] = {"fixed": self.fixed, "moving": self.moving, "output": self.output}
        options = [[f"--{name}", value] for name, value in {**own, **changes}.items()]
        return [*words, *(x for option in options for x in option)]
