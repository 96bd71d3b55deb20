"""Wheels made here of an invented package, and plugins that pin them: no network is needed."""

import importlib.util
import zipfile
from importlib.metadata import version
from pathlib import Path

from regbench.base.files import write_text

#: What the worker needs in an environment, with what these import; handed on from this one.
_SHARED = ("numpy", "nibabel", "packaging", "typing_extensions")

#: Of the package `shifter` by version: another name, and another field.
SHIFTER = {
    "1.0": "def shift():\n    return 1.0\n",
    "2.0": "def displacement(voxels):\n    return voxels + 1.0\n",
}
CALLS = {"1.0": "shifter.shift()", "2.0": "shifter.displacement(1)"}

_METHOD = '''"""A shift along x, as far as the installed shifter says."""

import numpy as np
import shifter

from regbench.plugins.interface import Method
from regbench.spatial.field import Field


class Shift(Method):
    def register(self, fixed, moving):
        field = np.zeros((*fixed.shape, 3), np.float32)
        field[..., 0] = CALL
        return Field(field, fixed.affine)

    def versions(self):
        from importlib.metadata import version

        return {"shifter": version("shifter")}
'''


def wheel(folder: Path, name: str, number: str, files: dict[str, str]) -> None:
    """A pure wheel of these files."""
    info = f"{name}-{number}.dist-info"
    content = {
        **files,
        f"{info}/METADATA": f"Metadata-Version: 2.1\nName: {name}\nVersion: {number}\n",
        f"{info}/WHEEL": "Wheel-Version: 1.0\nRoot-Is-Purelib: true\nTag: py3-none-any\n",
    }
    content[f"{info}/RECORD"] = "".join(f"{file},,\n" for file in [*content, f"{info}/RECORD"])
    folder.mkdir(parents=True, exist_ok=True)
    with zipfile.ZipFile(folder / f"{name}-{number}-py3-none-any.whl", "w") as archive:
        for file, text in content.items():
            archive.writestr(file, text)


def write_wheels(root: Path) -> Path:
    """Both versions of shifter, and NumPy and nibabel as links to those of this environment."""
    folder, shared = root / "wheels", root / "shared"
    shared.mkdir(parents=True)
    for name in _SHARED:
        spec = importlib.util.find_spec(name)
        assert spec is not None and spec.origin is not None
        origin = Path(spec.origin)
        place = origin.parent if origin.name == "__init__.py" else origin
        (shared / place.name).symlink_to(place)
        if (libraries := place.with_name(f"{name}.libs")).is_dir():
            (shared / libraries.name).symlink_to(libraries)
    for name in ("numpy", "nibabel"):
        wheel(folder, name, version(name), {f"{name}_here.pth": f"{shared}\n"})
    for number, code in SHIFTER.items():
        wheel(folder, "shifter", number, {"shifter.py": code})
    return folder


def write_lock(file: Path, wheels: Path, *pins: str) -> None:
    """A lock of NumPy, nibabel and more, without an index."""
    needed = [f"{name}=={version(name)}" for name in ("numpy", "nibabel")]
    lines = ["--no-index", f"--find-links {wheels}", *needed, *pins]
    write_text(file, "\n".join(lines) + "\n")


def write_method(folder: Path, wheels: Path, number: str, more: str = "") -> None:
    """A plugin that shifts by shifter of that version, in an environment of its own."""
    title = f"title: {folder.name}\nkind: optimisation\nentry: method:Shift\n"
    write_text(folder / "method.yaml", f"{title}environment: requirements.txt\n{more}")
    write_text(folder / "method.py", _METHOD.replace("CALL", CALLS.get(number, "0.0")))
    write_lock(folder / "requirements.txt", wheels, f"shifter=={number}")
