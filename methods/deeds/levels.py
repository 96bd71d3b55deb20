"""The level loop: coarse to fine, forward and backward, symmetric (Heinrich et al., TMI 2013)."""

import math
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from regbench.base.errors import BadInput

from .cost import MAX_SPACING, data_cost
from .descriptor import describe
from .grid import resample, warp_by
from .inference import infer
from .symmetric import make_inverse_consistent
from .tree import spanning_tree


@dataclass(frozen=True)
class Levels:
    """What happens on each level.

    Attributes:
        spacings: s, of the control points, voxels.
        radii: h, of the search, labels.
        steps: q, voxels a label.
        weight: a, of the regularisation.
    """

    spacings: Sequence[int]
    radii: Sequence[int]
    steps: Sequence[int]
    weight: float

    def __post_init__(self) -> None:
        lists = {"spacings": self.spacings, "radii": self.radii, "steps": self.steps}
        lengths = {name: len(values) for name, values in lists.items()}
        if len(set(lengths.values())) > 1 or not self.spacings:
            raise BadInput("levels differ in number", expected="equal lengths", found=lengths)
        for name, values in lists.items():
            if not all(isinstance(v, int) and v > 0 for v in values):
                raise BadInput(f"bad {name}", expected="whole numbers > 0", found=list(values))
        if max(self.spacings) > MAX_SPACING:
            raise BadInput(
                "bad spacings", expected=f"at most {MAX_SPACING}", found=list(self.spacings)
            )


def register(
    fixed: NDArray[np.float32], moving: NDArray[np.float32], levels: Levels, threads: int
) -> NDArray[np.float32]:
    """The displacement field of a pair with isotropic voxels.

    Args:
        fixed, moving: indexed [axis 2, axis 1, axis 0], one shape.
        levels: from coarse to fine.
        threads: 2 works forward and backward at once; the numbers are the same.

    Returns:
        (d2, d1, d0, 3), voxels, components along axes (0, 1, 2), pull-back.
    """
    check(fixed, moving, levels)
    images = (fixed, moving)
    fields: tuple[NDArray[np.float32], ...] = ()
    words: list[NDArray[np.uint32]] = []
    known = 0
    workers = 2 if threads > 1 else 1
    most = max(
        math.prod(size // spacing for size in fixed.shape) * (2 * search + 1) ** 3
        for spacing, search in zip(levels.spacings, levels.radii, strict=True)
    )
    rooms = [np.empty(most, np.float32) for _ in range(workers)]
    with ThreadPoolExecutor(max_workers=workers) as pool:
        for spacing, search, step in zip(levels.spacings, levels.radii, levels.steps, strict=True):
            grid = tuple(size // spacing for size in fixed.shape)
            patch = step // 2 + 1
            if known != patch:
                # Free the old descriptors first: memory peaks here.
                words.clear()
                words.extend(pool.map(describe, images, (patch, patch)))
                known = patch
            still = not fields
            if still:
                fields = (np.zeros((*grid, 3), np.float32),) * 2
            fields = tuple(np.ascontiguousarray(resample(field, grid)) for field in fields)

            def one_way(
                side: int,
                fields: tuple[NDArray[np.float32], ...] = fields,
                at: tuple[int, int, int, int] = (spacing, search, step, patch),
                still: bool = still,
            ) -> NDArray[np.float32]:
                spacing, search, step, patch = at
                other = words[1 - side]
                if not still:
                    other = describe(warp_by(images[1 - side], fields[side]), patch)
                room = rooms[side % workers]
                cost = data_cost(words[side], other, spacing, search, step, levels.weight, room)
                del other
                tree = spanning_tree(images[side], spacing)
                start = fields[side].reshape(-1, 3)
                return infer(cost, tree, start, search, step).reshape(fields[side].shape)

            forward, backward = pool.map(one_way, (0, 1))
            fields = make_inverse_consistent(forward, backward, spacing, pool.map)
        rooms.clear()
        words.clear()
        return resample(fields[0], fixed.shape, pool.map)


def check(fixed: NDArray[np.float32], moving: NDArray[np.float32], levels: Levels) -> None:
    """Refuse what could only give a plausible wrong field.

    Raises:
        BadInput: shapes that differ, an image too small, values that are not finite, a constant.
    """
    if fixed.shape != moving.shape:
        raise BadInput(
            "fixed and moving image differ in shape", expected=fixed.shape, found=moving.shape
        )
    least = 2 * max(levels.spacings)
    if min(fixed.shape) < least:
        raise BadInput(
            "the image is too small for the largest spacing",
            expected=f">= {least} voxels along every axis",
            found=fixed.shape[::-1],
        )
    for name, image in (("fixed", fixed), ("moving", moving)):
        if not np.isfinite(image).all():
            raise BadInput(f"the {name} image has values that are not finite")
        if image.min() == image.max():
            raise BadInput(f"the {name} image is constant", found=float(image.flat[0]))
