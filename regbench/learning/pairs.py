"""Training pairs in memory, and the random choice of a pair and its augmentation."""

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import torch

from regbench.data.layout import Case
from regbench.data.pair import read_pair
from regbench.learning.loss import OFFSETS, mind
from regbench.learning.network import to_input
from regbench.spatial.volume import Volume

#: Features of fixed images are kept when all of them fit into this many bytes.
FEATURE_BYTES = 2 * 2**30

#: For each neighbour, the channel of its mirror image under a left-right flip.
_FLIPPED = [OFFSETS.index((-a, b, c)) for a, b, c in OFFSETS]

Reader = Callable[[Volume], torch.Tensor]


@dataclass(frozen=True)
class Draw:
    """One training example: (1, 1, X, Y, Z) images and the fixed image's MIND features."""

    moving: torch.Tensor
    fixed: torch.Tensor
    fixed_features: torch.Tensor


class TrainingPairs:
    """Both images of each training case.

    Args:
        cases: training cases of the task, in its direction.
        swap_roles, flip: augment by swapping fixed and moving, and by mirroring left and right.
        read: makes the network's input of an image, where it is kept.
    """

    def __init__(
        self, cases: list[Case], *, swap_roles: bool, flip: bool, read: Reader = to_input
    ) -> None:
        self.images: list[tuple[torch.Tensor, torch.Tensor]] = []
        # An image may stand in many pairs.
        kept: dict[Path, torch.Tensor] = {}
        for case in cases:
            fixed, moving = read_pair(case)
            for entry, side in ((case.fixed, fixed), (case.moving, moving)):
                if entry.image not in kept:
                    kept[entry.image] = read(side.image)
            self.images.append((kept[case.fixed.image], kept[case.moving.image]))
        self.swap_roles = swap_roles
        self.flip = flip
        voxels = sum(image.numel() for pair in self.images for image in pair)
        self.keep = voxels * len(OFFSETS) * 4 <= FEATURE_BYTES
        self._features: dict[tuple[int, int], torch.Tensor] = {}

    def __len__(self) -> int:
        return len(self.images)

    def draw(self, generator: torch.Generator) -> Draw:
        """A random pair in a random augmentation. All random numbers come from the generator."""
        number, swapped, flipped = (
            int(torch.randint(n, (1,), generator=generator)) for n in (len(self), 2, 2)
        )
        role = swapped if self.swap_roles else 0
        fixed, moving = self.images[number][role], self.images[number][1 - role]
        features = self._features_of(number, role)
        if not (self.flip and flipped):
            return Draw(moving, fixed, features)
        return Draw(moving.flip(2), fixed.flip(2), features.flip(2)[:, _FLIPPED])

    def _features_of(self, number: int, role: int) -> torch.Tensor:
        key = (number, role)
        features = self._features.get(key)
        if features is None:
            with torch.no_grad():
                features = mind(self.images[number][role])
            if self.keep:
                self._features[key] = features
        return features
