"""The training loss minimised for each pair, without a network."""

import torch

from regbench.base.errors import BadInput
from regbench.learning.loss import loss, mind
from regbench.learning.network import to_input
from regbench.plugins.interface import Method
from regbench.spatial.convert import from_torch, to_torch
from regbench.spatial.field import Field
from regbench.spatial.volume import Volume

from .spline import Spline


class Direct(Method):
    """Adam on the coefficients of a field; the field with the lowest loss that was met counts."""

    def register(
        self,
        fixed: Volume,
        moving: Volume,
        *,
        true_field: Field | None = None,
        precomputed_field: Field | None = None,
    ) -> Field:
        """The field of the pair, from the given field where the variant needs one, else from zero.

        Raises:
            BadInput: images of different shapes, or a setting out of its range.
        """
        if fixed.shape != moving.shape:
            raise BadInput(
                "the loss is of images of one shape", expected=fixed.shape, found=moving.shape
            )
        start = true_field or precomputed_field or Field.zero(fixed.shape, fixed.affine)
        torch.set_num_threads(self.context.threads)
        field = self._minimise(to_input(fixed), to_input(moving), to_torch(start))
        return from_torch(field, fixed.affine)

    def _minimise(
        self, fixed: torch.Tensor, moving: torch.Tensor, start: torch.Tensor
    ) -> torch.Tensor:
        """The best (1, 3, X, Y, Z) field, from (1, 1, X, Y, Z) images."""
        spline = Spline(tuple(start.shape[2:]), self._at_least("spacing", 1))
        steps = self._at_least("steps", 1)
        features = mind(fixed)
        coefficients = spline.fit(start).requires_grad_()
        adam = torch.optim.Adam([coefficients], lr=float(self.settings["learning_rate"]))
        schedule = torch.optim.lr_scheduler.CosineAnnealingLR(adam, steps)
        best, lowest = start, float("inf")
        for step in range(steps + 1):
            field = spline.field(coefficients)
            value = loss(moving, features, field, float(self.settings["lambda"]))
            if value.item() < lowest:
                best, lowest = field.detach().clone(), value.item()
            if step < steps:
                adam.zero_grad()
                value.backward()
                adam.step()
                schedule.step()
        return best

    def _at_least(self, name: str, least: int) -> int:
        value = self.settings[name]
        if not isinstance(value, int) or value < least:
            raise BadInput(f"setting {name}", expected=f"whole number >= {least}", found=value)
        return value
