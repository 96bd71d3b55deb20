"""Making the pairs: an image, and a copy that is moved by a known field, in another contrast."""

import zlib
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy import ndimage

from regbench.base.errors import BadInput
from regbench.data.layout import Case
from regbench.data.pair import Pair, Side, names_of_labels, read_side
from regbench.data.prepare.dataset import write_pairs
from regbench.data.prepare.grid import body_mask, onto, side_to_ras
from regbench.data.prepare.pair import pair_grid
from regbench.spatial.field import Field
from regbench.spatial.operations import jacobian_determinant
from regbench.spatial.resample import sample_linear, sample_nearest
from regbench.spatial.volume import Volume, rescale, voxel_to_world, world_to_voxel
from regbench.spatial.warp import positions

from .listing import pairs
from .motion import draw_motion, true_fields
from .settings import SimulatedSettings, read_settings

#: Settings that decide which pairs there are, and change none.
_LISTING = ("path", "images", "label_names", "training", "validation", "pairs_per_image")
#: Pieces of the random grey-level curve.
_PIECES = 8


def prepare(settings: dict[str, Any], file: Path) -> None:
    """Make the pairs of a folder's images into the data set whose JSON is `file`.

    Raises:
        BadInput: a setting or the folder is wrong, or no pair at all can be made. An image that is
            broken, or too small for its field, is a problem of its pairs.
    """
    source, known = pairs(settings), read_settings(settings)
    used = {name: value for name, value in settings.items() if name not in _LISTING}
    writer = write_pairs(source, used, file, partial(make_pair, known=known))
    if not writer.notes:
        raise BadInput(f"no pair can be made: {next(iter(writer.problems.values()))}")
    if not source.labels:
        found = {value for note in writer.notes.values() for value in note["labels"]}
        names = {str(value): f"label {value}" for value in sorted(found)}
        writer.header["labels"] |= names if known.labels else {"1": "body"}
    writer.header["modality"] = {"0": "as it is", "1": "moved"}
    writer.finish({"settings": settings, "prealigned": True, **source.extra})


def make_pair(case: Case, known: SimulatedSettings) -> Pair:
    """The image as it is, the moved one, and the true fields.

    Raises:
        BadInput: the image is broken, too small for its field, or would fold.
    """
    stem = zlib.crc32(case.moving.stem.encode())
    streams = np.random.SeedSequence([known.seed, stem]).spawn(4)
    moves, greys, *noises = (np.random.default_rng(stream) for stream in streams)
    recipe = known.recipe()
    native = side_to_ras(read_side(case.fixed, trusted=case.trusted))
    bounds = recipe.fixed_intensity.bounds(native.image.data)
    if not known.labels:
        native = replace(native, labels=_body(native.image, bounds))
    grid, _ = pair_grid(native, recipe, bounds)
    fixed = onto(native, grid, bounds)
    body = _body(fixed.image, (0, 1))
    region = fixed.labels or body
    try:
        motion = draw_motion(moves, body, known.scale_mm)
        fields = true_fields(motion, region, known.amplitude_mm)
    except BadInput as problem:
        raise BadInput(f"{case.fixed.image}: {problem}") from None
    moving = moved(native, fields[1], bounds)
    curve = grey_levels(greys, moving.image.data, known.contrast, invert=known.invert)
    moving = replace(moving, image=moving.image.with_data(curve))
    sides = [
        replace(side, image=_noisy(rng, side.image, known.noise))
        for rng, side in zip(noises, (fixed, moving), strict=True)
    ]
    lengths = fields[0].length_mm[region.data > 0]
    notes = {
        "files": {kind: str(path) for kind, path in case.fixed.by_kind.items()},
        "labels": sorted(names_of_labels(side.labels for side in sides)),
        "displacement_mm": {
            "mean": round(float(lengths.mean()), 3),
            "largest": round(float(lengths.max()), 3),
        },
        "least_jacobian": round(
            min(float(jacobian_determinant(field.displacement).min()) for field in fields), 3
        ),
    }
    return Pair((sides[0], sides[1]), fields, notes)


def moved(native: Side, field: Field, bounds: tuple[float, float]) -> Side:
    """A native side moved by a field of the pair's grid, its image in [0, 1].

    The voxels are sampled once, from the native image: linearly, 0 where it does not reach; the
    labels by nearest neighbour.
    """
    world = voxel_to_world(positions(field), field.affine)
    points = world_to_voxel(world, native.image.affine)
    inside = sample_nearest(np.ones(native.image.shape, np.uint8), points) > 0
    data = np.where(inside, rescale(sample_linear(native.image.data, points), *bounds), 0)
    side = Side(Volume(data.astype(np.float32), field.affine))
    if native.labels is None:
        return side
    return replace(side, labels=Volume(sample_nearest(native.labels.data, points), field.affine))


def grey_levels(
    rng: np.random.Generator, data: NDArray, spread: float, *, invert: bool
) -> NDArray[np.float32]:
    """Values of [0, 1] through a random rising curve from 0 to 1, then their negative if asked for.

    The curve has straight pieces; the logarithms of their slopes have the standard deviation
    `spread`.
    """
    rises = np.exp(spread * rng.standard_normal(_PIECES))
    curve = np.concatenate([[0.0], np.cumsum(rises) / rises.sum()])
    values = np.interp(data, np.linspace(0, 1, _PIECES + 1), curve)
    return (1 - values if invert else values).astype(np.float32)


def _body(image: Volume, bounds: tuple[float, float]) -> Volume:
    """The body, its holes (air in lungs and bowel) filled."""
    mask = ndimage.binary_fill_holes(body_mask(rescale(image.data, *bounds)))
    return Volume(np.asarray(mask, np.uint8), image.affine)


def _noisy(rng: np.random.Generator, image: Volume, noise: float) -> Volume:
    grain = rng.standard_normal(image.shape, dtype=np.float32)
    return image.with_data(np.clip(image.data + np.float32(noise) * grain, 0, 1))
