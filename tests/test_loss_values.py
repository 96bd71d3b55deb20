"""The loss's terms without gradients, plane after plane: against torch's by whole volumes."""

from typing import Any

import numpy as np
import pytest
import torch
from helpers import REPOSITORY
from hypothesis import given, settings
from hypothesis import strategies as st

from regbench.learning import loss, loss_values
from regbench.learning.network import to_input
from regbench.measure.inputs import FieldView, ImageView
from regbench.plugins.catalog import discover
from regbench.plugins.loading import load_metric
from regbench.spatial.convert import to_torch
from regbench.spatial.field import Field
from regbench.spatial.volume import Volume

SIZES = st.tuples(*[st.integers(1, 8)] * 3)


def images(shape: Any, seed: int, count: int = 1) -> torch.Tensor:
    """Double: what differs is no rounding. A part is flat, with a variance below the floor."""
    found = torch.rand(count, 1, *shape, generator=torch.Generator().manual_seed(seed)).double()
    found[:, :, shape[0] // 2 :, :, shape[2] // 3 :] *= 0.05
    return found


def with_graph(image: torch.Tensor) -> torch.Tensor:
    """MIND as training computes it."""
    found = loss.mind(image.clone().requires_grad_())
    assert found.requires_grad
    return found.detach()


@settings(max_examples=60, deadline=None)
@given(shape=SIZES, seed=st.integers(0, 10**6))
def test_mind_is_the_same_with_gradients_and_without(shape: Any, seed: int) -> None:
    image = images(shape, seed, count=2)
    found = loss.mind(image)
    assert not found.requires_grad and found.dtype == image.dtype
    assert torch.allclose(found, with_graph(image), rtol=0, atol=1e-12)


def test_mind_in_single_precision_is_as_near_as_torch_s() -> None:
    image = images((40, 30, 20), 1)
    found = loss.mind(image.float())
    assert found.dtype == torch.float32
    assert (found - with_graph(image)).abs().max() < 2e-6


def test_no_grad_is_enough_to_go_by_planes(monkeypatch: pytest.MonkeyPatch) -> None:
    image = images((6, 5, 4), 2).requires_grad_()
    expected = with_graph(image.detach())
    monkeypatch.setattr(loss, "_mind", None)
    with torch.no_grad():
        assert torch.allclose(loss.mind(image), expected, rtol=0, atol=1e-12)


@settings(max_examples=30, deadline=None)
@given(shape=SIZES, seed=st.integers(0, 10**6))
def test_similarity_is_that_of_training(shape: Any, seed: int) -> None:
    one, other = images(shape, seed), images(shape, seed + 1)
    expected = loss.similarity(one.clone().requires_grad_(), loss.mind(other)).item()
    found = loss_values.similarity(one[0, 0].numpy(), other[0, 0].numpy())
    assert found == pytest.approx(expected, abs=1e-12)


@settings(max_examples=30, deadline=None)
@given(shape=st.tuples(*[st.integers(2, 8)] * 3), seed=st.integers(0, 10**6))
def test_smoothness_is_that_of_training(shape: Any, seed: int) -> None:
    field = np.random.default_rng(seed).normal(0, 3, (*shape, 3)).astype(np.float32)
    expected = float(loss.smoothness(to_torch(Field(field, np.eye(4))).double()))
    assert loss_values.smoothness(field) == pytest.approx(expected, rel=1e-6)


@pytest.mark.filterwarnings("ignore:invalid value")
def test_smoothness_of_one_slice_is_not_known() -> None:
    assert np.isnan(loss_values.smoothness(np.zeros((4, 1, 5, 3), np.float32)))


def test_the_metrics_are_the_terms_of_the_loss() -> None:
    rng = np.random.default_rng(3)
    shape = (12, 11, 10)
    fixed, moving = (Volume(rng.normal(50, 20, shape).astype(np.float32), np.eye(4)) for _ in "12")
    field = Field(rng.normal(0, 2, (*shape, 3)).astype(np.float32), np.eye(4))
    known = discover(REPOSITORY).metrics
    terms = {
        "objective_similarity": ImageView(field, fixed, moving),
        "objective_smoothness": FieldView(field),
    }
    found = [load_metric(known[name])(view) for name, view in terms.items()]
    features = loss.mind(to_input(fixed))
    for weight in (0.0, 2.0):
        expected = float(loss.loss(to_input(moving), features, to_torch(field), weight))
        assert found[0] + weight * found[1] == pytest.approx(expected, rel=1e-5)
