"""Fine-tuning of a network on the one pair that it registers (instance optimisation)."""

import copy
from collections.abc import Mapping
from typing import Any

import torch

from regbench.base.errors import BadInput
from regbench.learning.loss import mind
from regbench.learning.network import recompute_blocks
from regbench.learning.pairs import Draw
from regbench.learning.recipe import Recipe


@torch.enable_grad()
def fine_tuned(
    network: torch.nn.Module,
    moving: torch.Tensor,
    fixed: torch.Tensor,
    recipe: Recipe,
    settings: Mapping[str, Any],
) -> torch.nn.Module:
    """A copy of a network after `instance_steps` steps of Adam at `instance_rate` on one pair.

    The loss, lambda and the clipping are those of the training; a plugin's own loss sees no labels.
    The pair is not augmented, so nothing is random. The network itself stays as it is (Balakrishnan
    et al. 2019, section V-D).

    Args:
        network: trained.
        moving, fixed: (1, 1, X, Y, Z).
        recipe: of the training.
        settings: of the method.

    Raises:
        BadInput: the loss is not finite.
    """
    own = copy.deepcopy(network)
    if settings["recompute"]:
        recompute_blocks(own)
    with torch.no_grad():
        pair = Draw(moving, fixed, mind(fixed))
    optimizer = torch.optim.Adam(own.parameters(), lr=settings["instance_rate"])
    for step in range(settings["instance_steps"]):
        _, value = recipe.field_and_loss(own, pair)
        if not torch.isfinite(value):
            raise BadInput(
                f"the loss is not finite at step {step} on the pair", found=float(value.detach())
            )
        recipe.descend(own, optimizer, value)
    return own
