"""Branching vessel trees that fill an organ, and the distance to them.

A tree is grown towards random target points inside the organ: the targets of a branch are split in
two along their longest axis, and each half gets a child that heads for its centroid, until one
target is left. Radii follow Murray's law: the cubes of the children's radii add up to the parent's.
"""

from collections.abc import Callable
from dataclasses import dataclass
from itertools import pairwise

import numpy as np
from numpy.typing import ArrayLike, NDArray
from scipy.spatial import cKDTree

from regbench.phantom.shapes import FAR, Distance, segment_distance

#: mm between the samples that find a point's nearest branch; the distance itself is exact.
_STEP = 1.0


@dataclass(frozen=True)
class VesselTree:
    """Straight branches, n of them, all lengths in mm.

    Attributes:
        start: (n, 3) where each branch begins.
        end: (n, 3) where it ends.
        radius: (n,) its radius.
        branch_points: (m, 3) where a branch splits in two.
        branch_radius: (m,) radius of the branch that splits there.
    """

    start: NDArray[np.float32]
    end: NDArray[np.float32]
    radius: NDArray[np.float32]
    branch_points: NDArray[np.float32]
    branch_radius: NDArray[np.float32]


def sample_inside(
    rng: np.random.Generator,
    inside: Callable[[NDArray], NDArray],
    low: ArrayLike,
    high: ArrayLike,
    count: int,
) -> NDArray[np.float32]:
    """`count` spread-out points of a box (mm) where `inside(points (n, 3)) -> bool (n,)` holds.

    Of twelve times as many candidates, those farthest from the ones already chosen are taken.

    Raises:
        ValueError: the organ fills too little of the box.
    """
    box_low, box_high = np.asarray(low, float), np.asarray(high, float)
    candidates = np.empty((0, 3), np.float32)
    for _ in range(20):
        drawn = rng.uniform(box_low, box_high, size=(12 * count, 3)).astype(np.float32)
        candidates = np.concatenate([candidates, drawn[inside(drawn)]])
        if len(candidates) >= 12 * count:
            break
    candidates = candidates[: 12 * count]
    if len(candidates) < count:
        raise ValueError(f"found {len(candidates)} points inside the organ, expected {count}")
    chosen = [0]
    gap = np.linalg.norm(candidates - candidates[0], axis=1)
    while len(chosen) < count:
        chosen.append(int(gap.argmax()))
        gap = np.minimum(gap, np.linalg.norm(candidates - candidates[chosen[-1]], axis=1))
    return candidates[chosen]


def grow_tree(
    root: ArrayLike,
    targets: NDArray,
    *,
    leaf_radius: float,
    advance: float = 0.45,
    murray: float = 3.0,
) -> VesselTree:
    """Grow a tree from `root` to all `targets`; no randomness beyond the targets'.

    Args:
        root: (3,) mm, where the trunk begins.
        targets: (n, 3) mm, where the twigs end.
        leaf_radius: mm, of the last twigs; a branch with k targets has k^(1/murray) times that.
        advance: the part of the way to its targets' centroid that a branch goes before it splits.
        murray: the exponent of Murray's law.
    """
    starts, ends, radii = [], [], []
    points, point_radii = [], []
    stack = [(np.asarray(root, float), np.asarray(targets, float))]
    while stack:
        origin, goals = stack.pop()
        radius = leaf_radius * len(goals) ** (1.0 / murray)
        reach = 1.0 if len(goals) == 1 else advance
        tip = origin + reach * (goals.mean(axis=0) - origin)
        starts.append(origin)
        ends.append(tip)
        radii.append(radius)
        if len(goals) > 1:
            points.append(tip)
            point_radii.append(radius)
            stack.extend((tip, half) for half in _split(goals))
    return VesselTree(
        np.array(starts, np.float32),
        np.array(ends, np.float32),
        np.array(radii, np.float32),
        np.array(points, np.float32).reshape(-1, 3),
        np.array(point_radii, np.float32),
    )


def tree_distance(tree: VesselTree, points: NDArray, *, reach: float = 4.0) -> Distance:
    """Signed distance in mm of points (..., 3) to the tree's surface; `FAR` beyond `reach` mm.

    Branches are searched in classes of similar radius, so that a twig does not hide a trunk.
    """
    flat = np.asarray(points, np.float32).reshape(-1, 3)
    nearest = np.full(len(flat), FAR, np.float32)
    edges = np.quantile(tree.radius, [0.0, 0.5, 0.8, 1.0])
    edges[-1] += 1.0
    for low, high in pairwise(edges):
        members = np.flatnonzero((tree.radius >= low) & (tree.radius < high))
        if not len(members):
            continue
        samples, owner = _samples(tree, members)
        bound = float(tree.radius[members].max()) + reach
        distances, index = cKDTree(samples).query(flat, distance_upper_bound=bound)
        hit = np.flatnonzero(np.isfinite(distances))
        branch = owner[index[hit]]
        distance, _ = segment_distance(flat[hit], tree.start[branch], tree.end[branch])
        nearest[hit] = np.minimum(nearest[hit], distance - tree.radius[branch])
    return nearest.reshape(np.shape(points)[:-1])


def _split(goals: NDArray) -> tuple[NDArray, NDArray]:
    """Two halves of a point set, parted at the median along its longest axis."""
    centred = goals - goals.mean(axis=0)
    _, _, axes = np.linalg.svd(centred, full_matrices=False)
    # The sign of a singular vector is the library's choice: fix it.
    axis = axes[0] * np.sign(axes[0][np.abs(axes[0]).argmax()])
    order = np.argsort(centred @ axis, kind="stable")
    half = len(goals) // 2
    return goals[order[:half]], goals[order[half:]]


def _samples(tree: VesselTree, members: NDArray) -> tuple[NDArray, NDArray]:
    """Points every `_STEP` mm along the chosen branches, and the branch of each."""
    length = np.linalg.norm(tree.end[members] - tree.start[members], axis=1)
    count = np.ceil(length / _STEP).astype(int) + 1
    owner = np.repeat(members, count)
    first = np.repeat(np.cumsum(count) - count, count)
    part = (np.arange(len(owner)) - first) / np.maximum(np.repeat(count, count) - 1, 1)
    samples = tree.start[owner] + part[:, None] * (tree.end[owner] - tree.start[owner])
    return samples.astype(np.float32), owner
