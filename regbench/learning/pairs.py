"""Training pairs in memory, and the random choice of a pair and its augmentation."""

from collections.abc import Callable
from copy import copy
from dataclasses import dataclass
from pathlib import Path

import torch
from torch.nn import functional

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
        # On the images' device: a step need not wait for the host's list.
        device = self.images[0][0].device if self.images else "cpu"
        self._flipped = torch.tensor(_FLIPPED, device=device)

    def halved(self) -> "TrainingPairs":
        """The same pairs at half the resolution, in the same augmentations."""
        kept: dict[int, torch.Tensor] = {}
        for image in (image for pair in self.images for image in pair):
            if id(image) not in kept:
                kept[id(image)] = halve(image)
        coarse = copy(self)
        coarse.images = [(kept[id(fixed)], kept[id(moving)]) for fixed, moving in self.images]
        coarse._features = {}
        return coarse

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
        return Draw(moving.flip(2), fixed.flip(2), features.flip(2).index_select(1, self._flipped))

    def _features_of(self, number: int, role: int) -> torch.Tensor:
        key = (number, role)
        features = self._features.get(key)
        if features is None:
            with torch.no_grad():
                features = mind(self.images[number][role])
            if self.keep:
                self._features[key] = features
        return features


def halve(image: torch.Tensor) -> torch.Tensor:
    """Means of 2x2x2 voxels of (N, 1, X, Y, Z); an odd side is padded by replication first."""
    x, y, z = (size % 2 for size in image.shape[2:])
    return functional.avg_pool3d(functional.pad(image, (0, z, 0, y, 0, x), mode="replicate"), 2)
