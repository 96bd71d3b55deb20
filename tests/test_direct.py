"""The terms of the loss as metrics, and the loss minimised for each pair."""

from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from helpers import REPOSITORY, linear_field, one_line, shift_field, smooth_field

from regbench.base.errors import BadInput
from regbench.learning.loss import loss, mind
from regbench.learning.network import to_input
from regbench.measure.inputs import FieldView, ImageView
from regbench.phantom.motion import smooth_noise
from regbench.plugins.catalog import discover
from regbench.plugins.interface import Context
from regbench.plugins.loading import load_entry, load_metric
from regbench.spatial.convert import from_torch, to_torch
from regbench.spatial.field import Field
from regbench.spatial.volume import Volume
from regbench.spatial.warp import warp_image

CATALOG = discover(REPOSITORY)
SIMILARITY, SMOOTHNESS = (
    load_metric(CATALOG.metrics[f"objective_{name}"]) for name in ("similarity", "smoothness")
)
SHAPE = (20, 16, 18)
Spline = load_entry(REPOSITORY / "methods" / "direct", "spline:Spline")


def image(seed: int, shape: tuple[int, int, int] = SHAPE) -> Volume:
    """Structure at the scale of some voxels: something that can be registered."""
    return Volume(smooth_noise(np.random.default_rng(seed), shape, 1.5), np.eye(4))


def terms(fixed: Volume, moving: Volume, field: Field) -> tuple[float, float]:
    return SIMILARITY(ImageView(field, fixed, moving)), SMOOTHNESS(FieldView(field))


def direct(fixed: Volume, moving: Volume, name: str = "direct-coarse", **given: Any) -> Field:
    plugin = CATALOG.methods[name]
    changed = {k: given.pop(k) for k in list(given) if k in plugin.settings}
    settings = {**plugin.settings, "steps": 20, **changed}
    context = Context(threads=1, seed=0, device="cpu", prealigned=True, workdir=Path())
    method = load_entry(plugin.folder, str(plugin.entry))(settings, context)
    found: Field = method.register(fixed, moving, **given)
    return found


def value(fixed: Volume, moving: Volume, field: Field) -> float:
    return float(loss(to_input(moving), mind(to_input(fixed)), to_torch(field), 0.6))


def test_the_two_metrics_add_up_to_the_training_loss() -> None:
    fixed, moving, field = image(0), image(1), smooth_field(2, shape=SHAPE)
    similarity, smoothness = terms(fixed, moving, field)
    assert similarity + 0.6 * smoothness == pytest.approx(value(fixed, moving, field), rel=1e-6)
    # Scaled as for networks: brightness and contrast do not count.
    other = fixed.with_data(100 + 7 * fixed.data)
    assert terms(other, moving, field)[0] == pytest.approx(similarity, rel=1e-4)


def test_the_terms_where_their_values_are_known() -> None:
    fixed = image(0)
    nothing = Field.zero(SHAPE, np.eye(4))
    assert terms(fixed, fixed, nothing) == (pytest.approx(0.0, abs=1e-6), 0.0)
    shift = shift_field((1, -2, 3), SHAPE)
    assert SMOOTHNESS(FieldView(shift)) == 0.0
    # One component grows by 0.3 along one of three axes: 0.09 in one of nine derivatives.
    ramp = linear_field(np.diag([0.3, 0, 0]), (0, 0, 0), SHAPE)
    assert SMOOTHNESS(FieldView(ramp)) == pytest.approx(0.09 / 9, rel=1e-4)
    with pytest.raises(BadInput) as error:
        SIMILARITY(ImageView(shift, fixed, image(1, (20, 16, 17))))
    one_line(error.value, "one shape", "(20, 16, 17)")


@pytest.mark.parametrize("spacing", [1, 4])
def test_zero_stays_zero_between_equal_images(spacing: int) -> None:
    found = direct(image(0), image(0), spacing=spacing)
    assert np.abs(found.displacement).max() == 0.0


@pytest.mark.parametrize("need", ["true_field", "precomputed_field"])
@pytest.mark.parametrize("size", ["coarse", "dense"])
def test_from_the_truth_of_a_shift_the_loss_stays(size: str, need: str) -> None:
    wide = image(3, (SHAPE[0] + 2, *SHAPE[1:]))
    truth = shift_field((2, 0, 0), SHAPE)
    moving = Volume(wide.data[:-2], np.eye(4))
    fixed = Volume(wide.data[2:], np.eye(4))
    before = value(fixed, moving, truth)
    name = f"direct-{size}-from-{'truth' if need == 'true_field' else 'reference'}"
    assert CATALOG.methods[name].needs == (need,)
    found = direct(fixed, moving, name, **{need: truth})
    # The planes at the border see replicated voxels: the loss there may still fall a little.
    assert value(fixed, moving, found) <= before + 1e-6
    assert np.abs(found.displacement - truth.displacement)[4:-4, 4:-4, 4:-4].max() < 0.5


def test_the_loss_never_ends_above_its_start_and_falls() -> None:
    fixed, truth = image(0), smooth_field(5, shape=SHAPE)
    moving = fixed
    fixed = warp_image(moving, truth)
    zero = value(fixed, moving, Field.zero(SHAPE, np.eye(4)))
    # A step that is far too long overshoots: the start is then the best field that was met.
    wild = direct(fixed, moving, learning_rate=1e3, steps=2)
    assert value(fixed, moving, wild) <= zero
    found = direct(fixed, moving, steps=60)
    assert value(fixed, moving, found) < 0.6 * zero
    error = np.linalg.norm(found.displacement - truth.displacement, axis=-1)
    assert error.mean() < 0.6 * np.linalg.norm(truth.displacement, axis=-1).mean()


def test_splines_keep_what_they_can_represent() -> None:
    spline = Spline(SHAPE, 4)
    for field in (shift_field((1, 2, -3), SHAPE), linear_field(np.eye(3) / 9, (1, 0, 2), SHAPE)):
        kept = spline.field(spline.fit(to_torch(field)))
        assert np.abs(from_torch(kept, np.eye(4)).displacement - field.displacement).max() < 1e-4
    control = torch.rand(1, 3, 8, 7, 8, generator=torch.Generator().manual_seed(0))
    field = spline.field(control)
    assert field.shape == (1, 3, *SHAPE)
    assert torch.allclose(spline.field(spline.fit(field)), field, atol=1e-4)


@pytest.mark.parametrize("settings", [{"spacing": 0}, {"spacing": 2.5}, {"steps": 0}])
def test_a_setting_out_of_range_says_so(settings: dict[str, Any]) -> None:
    with pytest.raises(BadInput) as error:
        direct(image(0), image(1), **settings)
    one_line(error.value, *settings, "whole number >= 1")
