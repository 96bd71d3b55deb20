"""Parameter files of elastix (`TransformParameters.1.txt`), with those that they start from."""

import re
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from regbench.base.errors import BadInput
from regbench.spatial.transforms.files import numbers, read_lines
from regbench.spatial.transforms.itk import from_parameters
from regbench.spatial.transforms.model import Transform

#: Files that may start from one another.
MAX_CHAIN = 20
_ENTRY, _WORD = re.compile(r"\s*\(\s*(\w+)\s+(.*)\)"), re.compile(r'"[^"]*"|\S+')
#: The entry that names the file to start from, today and before elastix 5.1.
_INITIAL = ("InitialTransformParameterFileName", "InitialTransformParametersFileName")
#: elastix' name of a transform to ITK's.
_KINDS = {
    "EulerTransform": "Euler3DTransform",
    "SimilarityTransform": "Similarity3DTransform",
    "AffineTransform": "AffineTransform",
    "TranslationTransform": "TranslationTransform",
    "BSplineTransform": "BSplineTransform",
    "RecursiveBSplineTransform": "BSplineTransform",
}
#: Entries that are supported with one value only.
_ONLY = {
    "BSplineTransformSplineOrder": "3",
    "HowToCombineTransforms": "Compose",
    "UseBinaryFormatForTransformationParameters": "false",
    "UseCyclicTransform": "false",
    "UseDirectionCosines": "true",
}


def read_elastix(path: Path) -> list[Transform]:
    """A parameter file and, before it, those that it starts from.

    Raises:
        BadInput: a file is missing, damaged or unsupported, or the chain has no end.
    """
    return [_ParameterFile(file).transform() for file in reversed(files_of(path))]


def files_of(path: Path) -> list[Path]:
    """A parameter file, the one that it starts from, and so on.

    A stored name is a path on the machine that wrote it: the file is looked for beside the first.

    Raises:
        BadInput: a file is missing, or the chain has no end.
    """
    files = [path]
    while (name := _ParameterFile(files[-1]).initial()) != "NoInitialTransform":
        if len(files) == MAX_CHAIN:
            raise BadInput("starts from itself", file=path, expected=f"at most {MAX_CHAIN} files")
        files.append(path.parent / re.split(r"[/\\]", name)[-1])
    return files


class _ParameterFile:
    def __init__(self, path: Path) -> None:
        self.path = path
        found = filter(None, map(_ENTRY.match, read_lines(path)))
        self.entries = {m[1]: [word.strip('"') for word in _WORD.findall(m[2])] for m in found}

    def initial(self) -> str:
        """The name of the file to start from."""
        names = [self.entries[key][0] for key in _INITIAL if self.entries.get(key)]
        return names[0] if names else "NoInitialTransform"

    def transform(self) -> Transform:
        """The file's own transform."""
        for key, value in _ONLY.items():
            found = " ".join(self.entries.get(key, [value]))
            if found != value:
                what = f"has an unsupported {key}"
                raise BadInput(what, file=self.path, expected=value, found=found)
        name = self._words("Transform")[0]
        if name not in _KINDS:
            what = f"holds a transform of the type {name}"
            raise BadInput(what, file=self.path, expected=", ".join(_KINDS))
        if "Spline" in name:
            fixed = self._grid()
        else:
            turns = name != "TranslationTransform"
            centre = self._numbers("CenterOfRotationPoint") if turns else np.zeros(3)
            fixed = np.append(centre, self.entries.get("ComputeZYX") == ["true"])
        return from_parameters(_KINDS[name], self._numbers("TransformParameters"), fixed, self.path)

    def _grid(self) -> NDArray[np.float64]:
        """The control grid as ITK's fixed parameters."""
        names = ("Size", "Index", "Spacing", "Origin", "Direction")
        size, index, spacing, origin, direction = (self._numbers(f"Grid{name}") for name in names)
        if direction.size != 9 or not size.size == index.size == spacing.size == origin.size == 3:
            raise BadInput("has a damaged control grid", file=self.path, expected="three axes")
        # elastix writes the direction column by column, ITK row by row.
        matrix = direction.reshape(3, 3).T
        return np.concatenate([size, origin + matrix @ (spacing * index), spacing, matrix.ravel()])

    def _numbers(self, key: str) -> NDArray[np.float64]:
        return numbers(self._words(key), self.path)

    def _words(self, key: str) -> list[str]:
        if not self.entries.get(key):
            raise BadInput(f"has no {key}", file=self.path, expected="a parameter file of elastix")
        return self.entries[key]
