"""Fields as tensor products of uniform cubic B-splines (Rueckert et al., IEEE TMI 18 (1999))."""

import torch


class Spline:
    """Fields on a grid of `shape` with a control point every `spacing` voxels.

    With spacing 1 the coefficients are the voxels' displacements themselves.
    """

    def __init__(self, shape: tuple[int, ...], spacing: int) -> None:
        self.bases = [] if spacing == 1 else [_basis(size, spacing) for size in shape]

    def field(self, coefficients: torch.Tensor) -> torch.Tensor:
        """The (1, 3, X, Y, Z) field of (1, 3, I, J, K) coefficients."""
        return _along_axes(coefficients, self.bases)

    def fit(self, field: torch.Tensor) -> torch.Tensor:
        """The coefficients whose field is nearest to the given one, in the sense of least squares.

        The basis is a tensor product, and so is its pseudo-inverse.
        """
        return _along_axes(field.clone(), [torch.linalg.pinv(basis) for basis in self.bases])


def _along_axes(values: torch.Tensor, matrices: list[torch.Tensor]) -> torch.Tensor:
    """Each matrix applied along its axis of (1, 3, I, J, K)."""
    for matrix in matrices:
        # The product's axis comes last: after three of them all are in order again.
        values = torch.tensordot(values, matrix.to(values.dtype), dims=([2], [1]))
    return values


def _basis(size: int, spacing: int) -> torch.Tensor:
    """(size, control points): the weight of each control point at each voxel centre."""
    position = torch.arange(size, dtype=torch.float64) / spacing
    cell = position.floor().long()
    t = position - cell
    weights = (
        (1 - t) ** 3 / 6,
        (3 * t**3 - 6 * t**2 + 4) / 6,
        (-3 * t**3 + 3 * t**2 + 3 * t + 1) / 6,
        t**3 / 6,
    )
    basis = torch.zeros(size, int(cell[-1]) + 4, dtype=torch.float64)
    for k, weight in enumerate(weights):
        basis[torch.arange(size), cell + k] = weight
    return basis
