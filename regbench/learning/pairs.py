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
from regbench.learning.network import to_input, to_labels
from regbench.spatial.volume import Volume

#: Features of fixed images are kept when all of them fit into this many bytes.
FEATURE_BYTES = 2 * 2**30

#: For each neighbour, the channel of its mirror image under a left-right flip.
_FLIPPED = [OFFSETS.index((-a, b, c)) for a, b, c in OFFSETS]

Reader = Callable[[Volume], torch.Tensor]
#: Of the moving and the fixed image: (1, 1, X, Y, Z) int32, or None where there are none.
Labels = tuple[torch.Tensor | None, torch.Tensor | None]


@dataclass(frozen=True)
class Draw:
    """One training example.

    Attributes:
        moving, fixed: (1, 1, X, Y, Z) float32, on the device of the training.
        fixed_features: the fixed image's MIND features (1, 6, X, Y, Z).
        moving_labels, fixed_labels: (1, 1, X, Y, Z) int32; None where the image has none, where the
            method does not declare `uses_labels`, and in fine-tuning.
    """

    moving: torch.Tensor
    fixed: torch.Tensor
    fixed_features: torch.Tensor
    moving_labels: torch.Tensor | None = None
    fixed_labels: torch.Tensor | None = None


class TrainingPairs:
    """Both images of each training case.

    Args:
        cases: training cases of the task, in its direction.
        swap_roles, flip: augment by swapping fixed and moving, and by mirroring left and right.
        labels: keep the label maps, too.
        read: makes the network's input of an image, where it is kept.
    """

    def __init__(
        self,
        cases: list[Case],
        *,
        swap_roles: bool,
        flip: bool,
        labels: bool = False,
        read: Reader = to_input,
    ) -> None:
        self.images: list[tuple[torch.Tensor, torch.Tensor]] = []
        #: Of each pair's fixed and moving image, as the images.
        self.labels: list[Labels] = []
        # An image may stand in many pairs.
        kept: dict[Path, tuple[torch.Tensor, torch.Tensor | None]] = {}
        for case in cases:
            entries = case.fixed, case.moving
            for entry, side in zip(entries, read_pair(case), strict=True):
                if entry.image not in kept:
                    image = read(side.image)
                    found = to_labels(side.labels if labels else None, image.device)
                    kept[entry.image] = image, found
            (fixed, fixed_labels), (moving, moving_labels) = (kept[x.image] for x in entries)
            self.images.append((fixed, moving))
            self.labels.append((fixed_labels, moving_labels))
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
        coarse.labels = [(_every_other(one), _every_other(two)) for one, two in self.labels]
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
        labels = [self.labels[number][side] for side in (1 - role, role)]
        if self.flip and flipped:
            moving, fixed, features = moving.flip(2), fixed.flip(2), features.flip(2)
            features = features.index_select(1, self._flipped)
            labels = [x if x is None else x.flip(2) for x in labels]
        return Draw(moving, fixed, features, *labels)

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


def _every_other(labels: torch.Tensor | None) -> torch.Tensor | None:
    return None if labels is None else labels[..., ::2, ::2, ::2]
