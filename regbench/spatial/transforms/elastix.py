"""Transform parameter files of elastix (`TransformParameters.0.txt`), with what they start from."""

import re
from pathlib import Path

import numpy as np

from regbench.base.errors import BadInput
from regbench.spatial.transforms.itk import from_parameters
from regbench.spatial.transforms.model import Chain, Sum, Transform
from regbench.spatial.transforms.text import words_of

#: Files that may start from one another.
MAX_CHAIN = 20
_ENTRY = re.compile(r"\(\s*(\w+)\s+(.*?)\s*\)")
#: elastix' name of a transform to ITK's.
_KINDS = {
    "EulerTransform": "Euler3DTransform",
    "SimilarityTransform": "Similarity3DTransform",
    "AffineTransform": "AffineTransform",
    "TranslationTransform": "TranslationTransform",
    "BSplineTransform": "BSplineTransform",
    "RecursiveBSplineTransform": "BSplineTransform",
}


def read_elastix(path: Path, depth: int = 0) -> Transform:
    """A parameter file and, before it, those that it names as initial transforms.

    Raises:
        BadInput: missing, damaged, of another type, two-dimensional, or a chain without an end.
    """
    if depth > MAX_CHAIN:
        raise BadInput("starts from itself", file=path, expected=f"<= {MAX_CHAIN} transforms")
    entries = {}
    for line in words_of(path):
        found = _ENTRY.match(line)
        if found:
            entries[found[1]] = [word.strip('"') for word in found[2].split()]
    transform = _one(entries, path)
    initial = (
        entries.get("InitialTransformParameterFileName")
        or entries.get("InitialTransformParametersFileName")
        or ["NoInitialTransform"]
    )[0]
    if initial == "NoInitialTransform":
        return transform
    # The name is the one on the machine that wrote it: the file lies beside this one.
    first = read_elastix(path.parent / Path(initial).name, depth + 1)
    if entries.get("HowToCombineTransforms", ["Compose"])[0] == "Add":
        return Sum([first, transform])
    return Chain([first, transform])


def _one(entries: dict[str, list[str]], path: Path) -> Transform:
    name = _words(entries, "Transform", path)[0]
    if name not in _KINDS:
        raise BadInput(
            f"holds a transform of the type {name}", file=path, expected=", ".join(_KINDS)
        )
    if entries.get("BSplineTransformSplineOrder", ["3"])[0] != "3":
        raise BadInput("holds splines that are not cubic", file=path, expected="order 3")
    if entries.get("UseBinaryFormatForTransformationParameters", ["false"])[0] == "true":
        raise BadInput("keeps its parameters in another file", file=path, expected="them as text")
    try:
        parameters = np.array(_words(entries, "TransformParameters", path), float)
        if "Spline" in name:
            fixed = _grid(entries, path)
        else:
            centre = entries.get("CenterOfRotationPoint", ["0", "0", "0"])
            zyx = entries.get("ComputeZYX", ["false"])[0] == "true"
            fixed = np.array([*centre, zyx], float)
        return from_parameters(_KINDS[name], parameters, fixed)
    except ValueError as error:
        raise BadInput(f"holds a damaged {name}", file=path, found=str(error)) from error
    except BadInput as error:
        raise BadInput(str(error).removeprefix(f"{path}: "), file=path) from error


def _grid(entries: dict[str, list[str]], path: Path) -> np.ndarray:
    """The control grid as ITK's fixed parameters."""
    size, index, spacing, origin, columns = (
        np.array(_words(entries, f"Grid{name}", path), float)
        for name in ("Size", "Index", "Spacing", "Origin", "Direction")
    )
    # elastix writes the direction column by column, ITK row by row.
    direction = columns.reshape(3, 3).T
    start = origin + direction @ (spacing * index)
    return np.concatenate([size, start, spacing, direction.ravel()])


def _words(entries: dict[str, list[str]], key: str, path: Path) -> list[str]:
    if key not in entries:
        raise BadInput(f"has no {key}", file=path, expected="a parameter file of elastix")
    return entries[key]
