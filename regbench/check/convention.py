"""Which convention a method's fields follow, told from shifts along each axis that it was given.

The response is the 3x3 matrix that takes a true shift to the found one, both in voxels. For a field
of the convention it is the identity; every common mistake has a matrix of its own.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import permutations, product

import numpy as np
from numpy.typing import NDArray

from regbench.check.finding import FAIL, NOTE, OK, WARNING, Finding
from regbench.spatial.field import Field
from regbench.spatial.volume import spacing_of

CHECK = "convention"
#: How well a response must point along a hypothesis (cosine), and be of its size.
ALIKE = 0.95
SIZES = (0.5, 1.5)
#: A response of less than this is none.
SILENT = 0.03

#: The convention, for the fix of a finding.
RULE = "warped(x) = moving(x + u(x)), u in voxels of the fixed grid, component k along array axis k"


@dataclass(frozen=True)
class Mistake:
    """A way to get the convention wrong, and the response that it makes."""

    text: str
    response: NDArray[np.float64]


def response(
    fields: Sequence[Field], insides: Sequence[NDArray[np.bool_]], shift: float
) -> NDArray[np.float64]:
    """(3, 3): column k is the median displacement inside, over the shift along axis k."""
    columns = [
        np.median(field.displacement[inside], axis=0) / shift
        for field, inside in zip(fields, insides, strict=True)
    ]
    return np.stack(columns, axis=1).astype(float)


def judge(found: NDArray[np.float64], affine: NDArray, shape: Sequence[int]) -> Finding:
    """What a response says: the convention, a mistake by its name, or nothing.

    Args:
        found: of `response`.
        affine: of the images, without rotation.
        shape: of the images.
    """
    size = float(np.linalg.norm(found))
    if size < SILENT * np.sqrt(3):
        return _cannot("it did not follow shifts of whole images")
    right, scale = _likeness(found, np.eye(3))
    best = max(_mistakes(affine, shape), key=lambda mistake: _score(found, mistake.response))
    wrong, wrong_scale = _likeness(found, best.response)
    numbers = ", ".join(f"{value:.2f}" for value in np.diag(found))
    if right >= ALIKE and right >= wrong:
        if SIZES[0] <= scale <= SIZES[1]:
            text = f"finds {numbers} of a shift along axes 0, 1, 2 (anisotropic, flipped affine)"
            return Finding(CHECK, OK, text)
        text = f"right in direction, finds {numbers} of a shift along axes 0, 1, 2"
        return Finding(CHECK, WARNING, text, "is that how much of a shift it should find?")
    if wrong >= ALIKE and SIZES[0] <= wrong_scale <= SIZES[1]:
        return Finding(CHECK, FAIL, f"the field looks like {best.text}", RULE)
    return _cannot(f"a shift along axes 0, 1, 2 gives {_rows(found)}")


def _mistakes(affine: NDArray, shape: Sequence[int]) -> list[Mistake]:
    """Every hypothesis but the right one."""
    direction = np.sign(np.diag(affine)[:3])
    spacing = spacing_of(affine)
    lps = np.array([-1.0, -1.0, 1.0])
    units = {
        "": np.ones(3),
        "millimetres instead of voxels": spacing,
        "world millimetres (RAS) instead of voxels": direction * spacing,
        "world millimetres (LPS, as ITK and ANTs) instead of voxels": lps * direction * spacing,
        "flipped axes (world directions, RAS)": direction,
        "flipped axes (world directions, LPS)": lps * direction,
        "grid_sample's units (-1 to 1) instead of voxels": 2.0 / (np.array(shape) - 1.0),
    }
    found = []
    for (unit, scale), order, sign in product(units.items(), permutations(range(3)), (1.0, -1.0)):
        words = [unit] if unit else []
        if order != (0, 1, 2):
            reverse = " (reversed)" if order == (2, 1, 0) else f" {order}"
            words.append(f"transposed: components in the order{reverse}")
        if sign < 0:
            words.append("the wrong sign (push-forward: the inverse field)")
        if words:
            matrix = sign * np.diag(scale)[list(order)]
            found.append(Mistake(", and ".join(words), matrix))
    # The simplest first: max() takes the first of equals.
    return sorted(found, key=lambda mistake: mistake.text.count(", and "))


def _likeness(found: NDArray, hypothesis: NDArray) -> tuple[float, float]:
    """Cosine between two matrices, and the factor that brings the second to the first."""
    inner = float((found * hypothesis).sum())
    length = float(np.linalg.norm(hypothesis))
    return inner / (float(np.linalg.norm(found)) * length), inner / length**2


def _score(found: NDArray, hypothesis: NDArray) -> float:
    alike, scale = _likeness(found, hypothesis)
    return alike if SIZES[0] <= scale <= SIZES[1] else alike - 1.0


def _cannot(why: str) -> Finding:
    return Finding(CHECK, NOTE, f"cannot tell: {why}")


def _rows(found: NDArray) -> str:
    return " ".join("(" + ", ".join(f"{v:.2f}" for v in column) + ")" for column in found.T)
