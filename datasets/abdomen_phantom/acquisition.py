"""Two scanners: from the shapes of the anatomy to a CT and an MR image."""

import numpy as np
from numpy.typing import NDArray

from regbench.phantom.motion import smooth_noise
from regbench.phantom.shapes import coverage

from .anatomy import LABELS, Scene
from .tissues import TISSUES

CT_NOISE = 0.022
MR_NOISE = 0.018
#: Standard deviation of the texture, part of the intensity, and its scale in mm.
TEXTURE = 0.035
TEXTURE_SCALE = 4.0
#: Strength of the MR receive field, part of the intensity, and its scale in mm.
BIAS = 0.12
BIAS_SCALE = 45.0


def scan_ct(
    rng: np.random.Generator, scene: Scene, spacing: NDArray[np.float64]
) -> NDArray[np.float32]:
    """CT of 0 to 1, (X, Y, Z): partial volume, texture, Gaussian noise; 0 outside the body.

    Args:
        rng: of this acquisition: texture and noise are shared with nothing.
        scene: distances in mm at the voxel centres.
        spacing: (3,) mm.
    """
    image = _paint(rng, scene, spacing, "ct")
    image += rng.normal(0, CT_NOISE, image.shape).astype(np.float32)
    return _finish(image, scene)


def scan_mr(
    rng: np.random.Generator, scene: Scene, spacing: NDArray[np.float64]
) -> NDArray[np.float32]:
    """MR of 0 to 1, (X, Y, Z): as CT, but Rician noise and a bias field; 0 outside the body.

    Arguments as `scan_ct`.
    """
    image = _paint(rng, scene, spacing, "mr")
    image *= np.exp(np.float32(BIAS) * smooth_noise(rng, image.shape, list(BIAS_SCALE / spacing)))
    real, imaginary = (rng.normal(0, MR_NOISE, image.shape).astype(np.float32) for _ in range(2))
    return _finish(np.hypot(image + real, imaginary), scene)


def label_map(scene: Scene) -> NDArray[np.uint8]:
    """(X, Y, Z) label numbers: `LABELS`."""
    labels = np.zeros(scene["body"].shape, np.uint8)
    for number, name in LABELS.items():
        labels[scene[name] < 0] = number
    return labels


def _paint(
    rng: np.random.Generator, scene: Scene, spacing: NDArray[np.float64], modality: str
) -> NDArray[np.float32]:
    width = float(np.mean(spacing))
    image = np.zeros(scene["body"].shape, np.float32)
    for name, distance in scene.items():
        # Patients and scanners differ a little in every tissue.
        value = getattr(TISSUES[name], modality) * (1 + 0.04 * rng.uniform(-1, 1))
        touched = distance < width / 2
        image[touched] += coverage(distance[touched], width) * (np.float32(value) - image[touched])
    return image * (
        1 + np.float32(TEXTURE) * smooth_noise(rng, image.shape, list(TEXTURE_SCALE / spacing))
    )


def _finish(image: NDArray[np.float32], scene: Scene) -> NDArray[np.float32]:
    image = np.clip(image, 0, 1)
    image[scene["body"] >= 0] = 0
    return image
