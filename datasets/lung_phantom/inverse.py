"""Making a displacement field and its approximate inverse agree on their grid."""

import numpy as np

from regbench.spatial.field import Field
from regbench.spatial.operations import compose


def polish(forward: Field, backward: Field, steps: int = 2) -> tuple[Field, Field]:
    """Make two almost inverse fields inverse to the precision of their interpolation.

    Newton's steps take off what is left of the round trip: with phi^-1 (x) = x + v(x), the
    derivative of phi there is undone by that of phi^-1, so v changes by -(I + grad v) residual.
    Interpolation leaves a rest in one direction when the other is solved: the last step, on the
    forward field, goes half way, which shares it.
    """
    for _ in range(steps):
        backward = _newton_step(backward, forward, 1.0)
    return _newton_step(forward, backward, 0.5), backward


def _newton_step(field: Field, other: Field, part: float) -> Field:
    """Part of a Newton step that brings `field` nearer to the inverse of `other`."""
    residual = compose(field, other).displacement
    step = residual.copy()
    for axis in range(3):
        slope = np.gradient(field.displacement, axis=axis)
        step += slope * residual[..., axis : axis + 1]
    return Field(field.displacement - np.float32(part) * step, field.affine)
