"""Fine-tuning of a network on the one pair that it registers (instance optimisation)."""

import copy
from collections.abc import Mapping
from typing import Any

import torch

from regbench.base.errors import BadInput
from regbench.learning.loss import loss, mind
from regbench.learning.network import forward, recompute_blocks


@torch.enable_grad()
def fine_tuned(
    network: torch.nn.Module,
    moving: torch.Tensor,
    fixed: torch.Tensor,
    multiple: int,
    settings: Mapping[str, Any],
    *,
    bf16: bool,
) -> torch.nn.Module:
    """A copy of a network after `instance_steps` steps of Adam at `instance_rate` on one pair.

    The loss, lambda and the clipping are those of the training. The pair is not augmented, so
    nothing is random. The network itself stays as it is (Balakrishnan et al. 2019, section V-D).

    Args:
        network: trained.
        moving, fixed: (1, 1, X, Y, Z).
        multiple, bf16: as in `regbench.learning.network.forward`.
        settings: of the method.

    Raises:
        BadInput: the loss is not finite.
    """
    own = copy.deepcopy(network)
    if settings["recompute"]:
        recompute_blocks(own)
    with torch.no_grad():
        features = mind(fixed)
    optimizer = torch.optim.Adam(own.parameters(), lr=settings["instance_rate"])
    weights = settings["lambda"], settings["fold_weight"]
    for step in range(settings["instance_steps"]):
        field = forward(own, moving, fixed, multiple, bf16=bf16)
        value = loss(moving, features, field, *weights)
        if not torch.isfinite(value):
            raise BadInput(
                f"the loss is not finite at step {step} on the pair", found=float(value.detach())
            )
        optimizer.zero_grad(set_to_none=True)
        value.backward()
        if isinstance(settings["clip"], int | float):
            torch.nn.utils.clip_grad_norm_(own.parameters(), settings["clip"])
        optimizer.step()
    return own
