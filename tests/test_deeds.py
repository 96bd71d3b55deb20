"""Deeds, unit by unit against slow literal references, then on pairs with known shifts."""

import itertools
import sys
from typing import Any

import numba
import numpy as np
import pytest
from helpers import REPOSITORY, one_line
from numpy.typing import NDArray
from scipy.ndimage import gaussian_filter
from scipy.sparse import coo_matrix
from scipy.sparse.csgraph import breadth_first_order, minimum_spanning_tree

from regbench.base.errors import BadInput
from regbench.plugins.loading import load_entry
from regbench.spatial.field import Field


def module(entry: str) -> Any:
    """A module of the plugin, by one of its functions."""
    return sys.modules[load_entry(REPOSITORY / "methods" / "deeds", entry).__module__]


descriptor = module("descriptor:describe")
cost = module("cost:data_cost")
distance = module("distance:distances_of")
tree = module("tree:spanning_tree")
inference = module("inference:infer")
grid = module("grid:resample")
symmetric = module("symmetric:make_inverse_consistent")
affine = module("affine:with_affine")
levels = module("levels:register")

EVERY = levels.Levels((8, 7, 6, 5, 4), (8, 7, 6, 5, 4), (5, 4, 3, 2, 1), 1.6)
SMALL = levels.Levels((4, 3), (3, 2), (2, 1), 1.6)


def texture(shape: tuple[int, int, int], seed: int = 0) -> NDArray[np.float32]:
    noise = np.random.default_rng(seed).normal(size=shape)
    image = gaussian_filter(noise, 1.5).astype(np.float32)
    return image / image.std()


# -- the descriptor ------------------------------------------------------------------------------


def slow_sums(image: NDArray[np.float32], r: int) -> NDArray[np.int64]:
    """The sum of the levels by their definition, point by point; [axis 2, axis 1, axis 0]."""
    volume = image.T.astype(np.float64)
    shape = np.array(volume.shape)
    steps = np.array(list(itertools.product(range(-r, r + 1), repeat=3)))

    def distance(p: NDArray, o: NDArray) -> float:
        x = p + steps
        y = x + o
        inside = ((x >= 0) & (x < shape) & (y >= 0) & (y < shape)).all(axis=1)
        return float(((volume[tuple(y[inside].T)] - volume[tuple(x[inside].T)]) ** 2).sum())

    sums = np.zeros(volume.shape, np.int64)
    groups = [(1, 1, 0), (-1, 1, 0), (0, -1, 1), (-1, 0, 1), (0, 1, 1), (1, 0, 1)]
    points = [sign * axis for axis in np.eye(3, dtype=int) for sign in (1, -1)]
    edges = [
        (np.array(o), b)
        for o in groups
        for b in points
        if any((b + o == other).all() for other in points)
    ]
    assert len(edges) == 12
    for p in np.ndindex(volume.shape):
        m = []
        for o, b in edges:
            at = np.array(p) + r * b
            inside = (at >= 0).all() and (at < shape).all()
            m.append(distance(at if inside else np.array(p), r * o))
        x = np.array(m) - min(m)
        x = x / max(x.mean(), 1e-6)
        levels = sum((x < -np.log((c + 1.5) / 6)).astype(int) for c in range(5))
        sums[p] = int(levels.sum())
    return sums.T


@pytest.mark.parametrize("radius", [1, 2])
def test_the_descriptor_is_its_definition(radius: int) -> None:
    image = texture((6, 7, 8))
    found = descriptor.describe(image, radius).view(np.uint8).sum(axis=-1, dtype=int)
    difference = found - slow_sums(image, radius)
    # A value on a threshold may fall to either side in float32.
    assert (difference != 0).mean() < 0.01


def test_a_part_has_the_words_of_the_whole() -> None:
    image = texture((70, 9, 8))
    whole = descriptor.describe(image, 2)
    # Far from the cut ends the words of a part are those of the whole.
    part = descriptor.describe(np.ascontiguousarray(image[13:61]), 2)
    assert np.array_equal(whole[13 + 6 : 61 - 6], part[6:-6])


def test_a_flat_patch_has_all_levels_at_their_highest() -> None:
    words = descriptor.describe(np.full((9, 9, 9), 3.7, np.float32), 2)
    assert (words.view(np.uint8) == 5).all()


def test_contrast_and_its_sign_do_not_matter() -> None:
    image = texture((10, 11, 12))
    assert np.array_equal(descriptor.describe(image, 1), descriptor.describe(-2 * image, 1))


# -- cost and tree -------------------------------------------------------------------------------


@pytest.mark.parametrize("h", [1, 2])
@pytest.mark.parametrize(("spacing", "every"), [(3, 1), (5, 2), (7, 2), (9, 2)])
def test_the_cost_is_the_mean_distance_over_the_block(spacing: int, every: int, h: int) -> None:
    rng = np.random.default_rng(5)
    shape = (2 * spacing + 1, 2 * spacing, 3 * spacing + 2)
    levels = rng.integers(0, 6, (2, *shape, 12), dtype=np.uint8)
    q, a, side = 2, 1.6, 2 * h + 1
    found = cost.data_cost(*levels.view(np.uint32), spacing, h, q, a)
    fixed, warped = levels.astype(int)
    assert found.shape == (2 * 2 * 3, side**3)
    padded = np.pad(warped, [(h * q, h * q)] * 3 + [(0, 0)], mode="edge")
    for (cz, cy, cx), (l2, l1, l0) in itertools.product(
        itertools.product(range(2), range(2), range(3)),
        itertools.product(range(-h, h + 1), repeat=3),
    ):
        where = tuple(
            slice(c * spacing, (c + 1) * spacing, k) for c, k in ((cz, every), (cy, every), (cx, 1))
        )
        there = tuple(
            slice(s.start + h * q + q * n, s.stop + h * q + q * n, s.step)
            for s, n in zip(where, (l2, l1, l0), strict=True)
        )
        mean = np.abs(fixed[where] - padded[there]).sum(axis=-1).mean()
        point = (cz * 2 + cy) * 3 + cx
        label = ((l2 + h) * side + l1 + h) * side + l0 + h
        assert found[point, label] == pytest.approx(0.5 * spacing / (a * q) * mean, rel=1e-5)


@pytest.mark.parametrize("feature", [None, "+none"], ids=["this processor", "any processor"])
# Rows for which the loop is unrolled, and others.
@pytest.mark.parametrize(("count", "vectors"), [(3, 2), (4, 6)])
def test_blocks_are_compared_alike_on_every_processor(
    feature: str | None, count: int, vectors: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    if feature:
        monkeypatch.setattr(distance, "FEATURE", feature)
    rng = np.random.default_rng(6)
    used = 32 * vectors - 15
    mask = np.where(np.arange(32 * vectors) < used, 255, 0).astype(np.uint8)
    own = rng.integers(0, 6, (2, 3, 32 * vectors), dtype=np.uint8)
    own[..., used:] = 0
    other = rng.integers(0, 6, 32 * vectors + 250, dtype=np.uint8)
    starts = np.array([0, 130, 7])
    distances = distance.distances_of(count)

    @numba.njit
    def compare(own, other, starts, mask, out):  # type: ignore[no-untyped-def]
        first = 96 * vectors
        distances(own, first, other, starts, 5, 12, mask, vectors, np.float32(0.5), out, 1)

    found = np.full(count + 2, -1, np.float32)
    compare(own.ravel(), other, starts, mask, found)
    rows = [[other[start + 5 + k * 12 :][:used] for start in starts] for k in range(count)]
    expected = np.abs(own[1, :, :used].astype(int) - np.array(rows)).sum(axis=(1, 2))
    assert found.tolist() == [-1, *(0.5 * expected), -1]


def test_the_tree_spans_the_grid_from_its_middle_and_avoids_edges() -> None:
    # Two halves of different brightness: one edge of the tree crosses, no more.
    image = np.zeros((12, 12, 24), np.float32)
    image[:, :, 12:] = 10
    image += 0.1 * texture(image.shape)
    found = tree.spanning_tree(image, 4)
    assert sorted(found.order) == list(range(3 * 3 * 6))
    assert found.order[0] == (1 * 3 + 1) * 6 + 3
    assert found.parent[found.order[0]] == -1
    place = {node: i for i, node in enumerate(found.order)}
    for node in found.order[1:]:
        assert place[found.parent[node]] < place[node]
    side = [node % 6 >= 3 for node in range(54)]
    crossing = [n for n in found.order[1:] if side[n] != side[found.parent[n]]]
    assert len(crossing) == 1
    spread = 2 * image.std()
    assert found.weight[crossing[0]] == pytest.approx(np.exp(-10 / spread), rel=0.1)


def test_the_tree_is_scipy_s_with_its_ties() -> None:
    # One voxel a block, few values: many edges are equal.
    image = np.round(texture((5, 6, 7))).astype(np.float32)
    found = tree.spanning_tree(image, 1)
    numbers, edges = np.arange(image.size).reshape(image.shape), np.zeros((2, 0), int)
    for axis in range(3):
        line = np.moveaxis(numbers, axis, 0)
        edges = np.hstack([edges, [line[:-1].ravel(), line[1:].ravel()]])
    cost = 1.0 + np.abs(image.ravel()[edges[0]] - image.ravel()[edges[1]])
    graph = coo_matrix((cost, edges), shape=(image.size, image.size)).tocsr()
    root = int(numbers[2, 3, 3])
    order, parent = breadth_first_order(minimum_spanning_tree(graph), root, directed=False)
    assert found.order.tolist() == order.tolist()
    assert found.parent[order[1:]].tolist() == parent[order[1:]].tolist()


# -- inference -----------------------------------------------------------------------------------


def brute_force(
    data: NDArray, parent: list[int], weight: list[float], start: NDArray, radius: int, step: int
) -> float:
    """The least energy over all labellings; the weight multiplies a whole subtree."""
    labels = [np.array(t[::-1]) for t in itertools.product(range(-radius, radius + 1), repeat=3)]

    def below(node: int, chosen: tuple[int, ...]) -> float:
        total = float(data[node, chosen[node]])
        for child, up in enumerate(parent):
            if up == node:
                d = (
                    labels[chosen[node]]
                    - labels[chosen[child]]
                    + (start[node] - start[child]) / step
                )
                total += weight[child] * below(child, chosen) + float((d**2).sum())
        return total

    root = parent.index(-1)
    every = itertools.product(range(len(labels)), repeat=len(parent))
    return min(below(root, chosen) for chosen in every)


def energy(
    data: NDArray,
    parent: list[int],
    weight: list[float],
    start: NDArray,
    u: NDArray,
    radius: int,
    step: int,
) -> float:
    triples = np.rint((u - start) / step).astype(int)
    n = 2 * radius + 1
    chosen = [((t[2] + radius) * n + t[1] + radius) * n + t[0] + radius for t in triples]

    def below(node: int) -> float:
        total = float(data[node, chosen[node]])
        for child, up in enumerate(parent):
            if up == node:
                d = (u[node] - u[child]) / step
                total += weight[child] * below(child) + float((d**2).sum())
        return total

    return below(parent.index(-1))


@pytest.mark.parametrize("seed", range(6))
@pytest.mark.parametrize("parent", [[1, -1, 1], [1, 2, -1]], ids=["root between", "chain"])
def test_the_inference_finds_the_least_energy(parent: list[int], seed: int) -> None:
    rng = np.random.default_rng(seed)
    data = rng.random((3, 27)).astype(np.float32) * 3
    start = rng.normal(0, 1.5, (3, 3)).astype(np.float32)
    weight = [0.7, 0.4, 0.9]
    root = parent.index(-1)
    order = [root, *(n for n in (1, 0, 2) if n != root)]
    known = tree.Tree(np.array(order), np.array(parent), np.array(weight, np.float32))
    u = inference.infer(data.copy(), known, start, 1, 2)
    found = energy(data, parent, weight, start, u, 1, 2)
    assert found == pytest.approx(brute_force(data, parent, weight, start, 1, 2), rel=1e-4)


@pytest.mark.parametrize("n", [3, 5, 9, 17, 25])
def test_min_plus_passes_are_the_full_minimum(n: int) -> None:
    rng = np.random.default_rng(8)
    offset = np.array([0.3, -1.2, 0.8], np.float32)
    values = rng.random(n**3).astype(np.float32) * 9
    one, two = np.zeros((2, n**3 + 3 * n**2 + 64), np.float32)
    energy = np.append(values, np.zeros(64, np.float32))
    still = np.zeros(3, np.float32)
    inference._min_plus(energy, offset, still, np.zeros(3 * n + 64, np.float32), one, two, n)
    full = values.reshape(n, n, n)
    for axis, shift in enumerate(offset[::-1]):
        labels = np.arange(n)
        square = (labels[:, None] - labels + shift) ** 2
        lines = np.moveaxis(full, axis, -1)[..., None, :] + square
        full = np.moveaxis(lines.min(axis=-1), -1, axis)
    assert np.allclose(one[: n**3], full.ravel(), atol=1e-4)


@pytest.mark.parametrize("root", [0, 1])
@pytest.mark.parametrize(
    ("equal", "first"),
    # Labels 5 and 2 are these triples of axes (0, 1, 2).
    [([5, 11, 20], [1, 0, -1]), ([2, 14, 20], [1, -1, -1])],
)
def test_of_equal_labels_the_first_is_chosen(root: int, equal: list[int], first: list[int]) -> None:
    known = tree.Tree(np.array([root, 1 - root]), np.full(2, root), np.ones(2, np.float32))
    known.parent[root] = -1
    data = np.full((2, 27), 9, np.float32)
    data[:, equal] = 1
    u = inference.infer(data, known, np.zeros((2, 3), np.float32), 1, 1)
    assert u.tolist() == [first] * 2


# -- grids ---------------------------------------------------------------------------------------


def test_made_inverse_consistent_the_two_fields_undo_each_other() -> None:
    rng = np.random.default_rng(9)
    smooth = [gaussian_filter(rng.normal(size=(12, 12, 12)), 3) for _ in range(6)]
    forward = np.stack(smooth[:3], -1).astype(np.float32) * 40
    backward = -forward + 0.2 * np.stack(smooth[3:], -1).astype(np.float32) * 40
    f, b = symmetric.make_inverse_consistent(forward, backward, 4)

    def residual(f: NDArray, b: NDArray) -> float:
        there = np.empty_like(f)
        symmetric._compose(b / np.float32(4), f / np.float32(4), there)
        return float(np.abs((f / 4 + there)[3:-3, 3:-3, 3:-3]).max())

    assert residual(f, b) < 0.02 < residual(forward, backward)
    # Neither comes first.
    swapped = symmetric.make_inverse_consistent(backward, forward, 4)
    assert np.array_equal(swapped[0], b) and np.array_equal(swapped[1], f)


def test_resampling_a_linear_field() -> None:
    z, y, x = np.meshgrid(*map(np.arange, (4, 5, 6)), indexing="ij")
    field = np.stack([x, y, z], -1).astype(np.float32)
    found = grid.resample(field, (8, 5, 12))
    # No half-cell shift: output i lies at i g / G.
    assert found[2, 3, 5].tolist() == pytest.approx([2.5, 3.0, 1.0])
    assert found[7, 4, 11].tolist() == pytest.approx([5.0, 4.0, 3.0])


def test_the_affine_part_is_applied_to_where_the_field_leads() -> None:
    matrix = np.array([[1.1, 0.2, 0, 3], [-0.1, 0.9, 0.3, -2], [0, 0.1, 1.2, 1], [0, 0, 0, 1]])
    field = Field(np.random.default_rng(3).normal(0, 2, (4, 5, 6, 3)).astype(np.float32), np.eye(4))
    whole = affine.with_affine(field, matrix).displacement
    for at in [(0, 0, 0), (3, 4, 5), (1, 2, 4)]:
        reached = matrix @ [*(at + field.displacement[at]), 1]
        assert np.allclose(at + whole[at], reached[:3], atol=1e-5)


# -- pairs ---------------------------------------------------------------------------------------


@pytest.mark.parametrize("sign", [1, -1], ids=["same contrast", "negated"])
def test_a_known_shift(sign: int) -> None:
    fixed = texture((41, 45, 50), 1)
    # Axis 0 is the last one here: u = (2, -3, 1).
    moving = sign * np.roll(fixed, (1, -3, 2), axis=(0, 1, 2))
    u = levels.register(fixed, np.ascontiguousarray(moving), EVERY, 1)
    inner = u[10:-10, 10:-10, 10:-10]
    assert np.abs(inner - (2, -3, 1)).mean() < 0.15


def test_the_number_of_threads_changes_nothing() -> None:
    fixed, moving = texture((20, 21, 22), 2), texture((20, 21, 22), 3)
    one, two = (levels.register(fixed, moving, SMALL, threads) for threads in (1, 2))
    assert one.tobytes() == two.tobytes()


@pytest.mark.parametrize(
    ("change", "words"),
    [
        ("small", ["too small", "expected >= 8"]),
        ("nan", ["moving image", "not finite"]),
        ("flat", ["fixed image", "constant"]),
        ("shape", ["differ in shape"]),
    ],
)
def test_bad_images_are_refused(change: str, words: list[str]) -> None:
    fixed, moving = texture((20, 20, 20), 2), texture((20, 20, 20), 3)
    if change == "small":
        fixed, moving = fixed[:7], moving[:7]
    elif change == "nan":
        moving[3, 4, 5] = np.nan
    elif change == "flat":
        fixed[:] = 1
    else:
        moving = moving[:15]
    with pytest.raises(BadInput) as error:
        levels.register(fixed, moving, SMALL, 1)
    one_line(error.value, *words)


@pytest.mark.parametrize(
    ("lists", "words"),
    [
        (((8, 7), (8,), (5, 4)), ["levels differ in number"]),
        (((), (), ()), ["levels differ in number"]),
        (((8, 0), (8, 7), (5, 4)), ["bad spacings"]),
        (((8, 7), (8, 7), (5, 1.5)), ["bad steps"]),
    ],
)
def test_bad_levels_are_refused(lists: tuple[tuple[int, ...], ...], words: list[str]) -> None:
    with pytest.raises(BadInput) as error:
        levels.Levels(*lists, 1.6)
    one_line(error.value, *words)
