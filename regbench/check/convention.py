"""Which convention a method's fields follow, as its answers to shifts along each axis tell.

The response is the 3x3 matrix that takes a true shift to the shift in the field, both in voxels. It
is the identity for a field of the convention; every common mistake has its own matrix.
"""

from collections.abc import Sequence
from itertools import permutations, product

import numpy as np
from numpy.typing import NDArray

from regbench.check import FAIL, NOTE, OK, WARNING, Finding
from regbench.spatial.field import Field
from regbench.spatial.volume import spacing_of

CHECK = "convention"
#: A response fits a hypothesis from this cosine on, and within these factors of its size.
ALIKE = 0.95
SIZES = (0.5, 1.5)
#: A smaller response counts as none.
SILENT = 0.03

#: The convention, for the fix of a finding.
RULE = "warped(x) = moving(x + u(x)), u in voxels of the fixed grid, component k along array axis k"


def response(
    fields: Sequence[Field], insides: Sequence[NDArray[np.bool_]], shift: float
) -> NDArray[np.float64]:
    """(3, 3): column k is the median displacement inside, divided by the shift along axis k."""
    columns = [
        np.median(field.displacement[inside], axis=0) / shift
        for field, inside in zip(fields, insides, strict=True)
    ]
    return np.stack(columns, axis=1).astype(float)


def judge(measured: NDArray[np.float64], affine: NDArray, shape: Sequence[int]) -> Finding:
    """What a response means: the convention, a mistake by its name, or nothing.

    Args:
        measured: see `response`.
        affine: of the images, without rotation.
        shape: of the images.
    """
    if float(np.linalg.norm(measured)) < SILENT * np.sqrt(3):
        return Finding(CHECK, NOTE, "cannot tell: it did not follow shifts of whole images")
    right, scale = _likeness(measured, np.eye(3))
    mistakes = _mistakes(affine, shape)
    best = max(mistakes, key=lambda text: _score(measured, mistakes[text]))
    wrong, wrong_scale = _likeness(measured, mistakes[best])
    numbers = ", ".join(f"{value:.2f}" for value in np.diag(measured))
    if right >= ALIKE and right >= wrong:
        if SIZES[0] <= scale <= SIZES[1]:
            text = f"finds {numbers} of a shift along axes 0, 1, 2 (anisotropic, flipped affine)"
            return Finding(CHECK, OK, text)
        text = f"right in direction, finds {numbers} of a shift along axes 0, 1, 2"
        return Finding(CHECK, WARNING, text, "is that how much of a shift it should find?")
    if wrong >= ALIKE and SIZES[0] <= wrong_scale <= SIZES[1]:
        return Finding(CHECK, FAIL, f"the field looks like {best}", RULE)
    columns = " ".join("(" + ", ".join(f"{v:.2f}" for v in column) + ")" for column in measured.T)
    return Finding(CHECK, NOTE, f"cannot tell: a shift along axes 0, 1, 2 gives {columns}")


def _mistakes(affine: NDArray, shape: Sequence[int]) -> dict[str, NDArray[np.float64]]:
    """What each mistake is called, and the response that it causes.

    The simplest comes first, because max() takes the first of equals.
    """
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
    mistakes = {}
    for (unit, scale), order, sign in product(units.items(), permutations(range(3)), (1.0, -1.0)):
        words = [unit] if unit else []
        if order != (0, 1, 2):
            reverse = " (reversed)" if order == (2, 1, 0) else f" {order}"
            words.append(f"transposed: components in the order{reverse}")
        if sign < 0:
            words.append("the wrong sign (push-forward: the inverse field)")
        if words:
            mistakes[", and ".join(words)] = sign * np.diag(scale)[list(order)]
    return dict(sorted(mistakes.items(), key=lambda item: item[0].count(", and ")))


def _likeness(measured: NDArray, hypothesis: NDArray) -> tuple[float, float]:
    """Cosine between two matrices, and the factor that scales the second to the first."""
    inner = float((measured * hypothesis).sum())
    length = float(np.linalg.norm(hypothesis))
    return inner / (float(np.linalg.norm(measured)) * length), inner / length**2


def _score(measured: NDArray, hypothesis: NDArray) -> float:
    alike, scale = _likeness(measured, hypothesis)
    return alike if SIZES[0] <= scale <= SIZES[1] else alike - 1.0
