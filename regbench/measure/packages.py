"""What other packages say of the same masks, where they are installed."""

from collections.abc import Callable
from importlib.util import find_spec

import numpy as np

from regbench.measure.inputs import MaskPair

#: Titles of the packages, by the module that has to be there.
PACKAGES = {"surface_distance": "surface-distance", "monai": "MONAI", "medpy": "MedPy"}


def installed() -> list[str]:
    """The packages' modules that can be imported."""
    return [name for name in PACKAGES if find_spec(name) is not None]


def value(package: str, metric: str, masks: MaskPair) -> float | None:
    """Its value in our unit; None where it has no such metric.

    Average surface distances are of different definitions: surface-distance weights surfels by
    area, as `asd` does; MONAI and MedPy average over edge voxels, as `asd_voxel` does.
    """
    function = _KNOWN.get((package, metric))
    return None if function is None else function(masks)


def _google(masks: MaskPair, name: str) -> float:
    import surface_distance

    if name == "dice":
        return float(100 * surface_distance.compute_dice_coefficient(masks.fixed, masks.warped))
    distances = surface_distance.compute_surface_distances(
        masks.fixed, masks.warped, tuple(map(float, masks.spacing))
    )
    if name == "asd":
        return float(np.mean(surface_distance.compute_average_surface_distance(distances)))
    return float(surface_distance.compute_robust_hausdorff(distances, 95.0))


def _monai(masks: MaskPair, name: str) -> float:
    import torch
    from monai import metrics

    pair = [torch.from_numpy(mask[None, None].copy()) for mask in (masks.warped, masks.fixed)]
    spacing = list(map(float, masks.spacing))
    if name == "dice":
        return float(100 * metrics.compute_dice(*pair, include_background=True))
    if name == "asd_voxel":
        found = metrics.compute_average_surface_distance(
            *pair, include_background=True, symmetric=True, spacing=spacing
        )
    else:
        found = metrics.compute_hausdorff_distance(
            *pair, include_background=True, percentile=95, spacing=spacing
        )
    return float(found)


def _medpy(masks: MaskPair, name: str) -> float:
    from medpy.metric import binary

    spacing = tuple(map(float, masks.spacing))
    if name == "dice":
        return float(100 * binary.dc(masks.warped, masks.fixed))
    function = binary.assd if name == "asd_voxel" else binary.hd95
    return float(function(masks.warped, masks.fixed, voxelspacing=spacing))


def _bind(function: Callable[[MaskPair, str], float], name: str) -> Callable[[MaskPair], float]:
    return lambda masks: function(masks, name)


_KNOWN = {
    ("surface_distance", "dice"): _bind(_google, "dice"),
    ("surface_distance", "asd"): _bind(_google, "asd"),
    ("surface_distance", "hd95"): _bind(_google, "hd95"),
    ("monai", "dice"): _bind(_monai, "dice"),
    ("monai", "asd_voxel"): _bind(_monai, "asd_voxel"),
    ("monai", "hd95"): _bind(_monai, "hd95"),
    ("medpy", "dice"): _bind(_medpy, "dice"),
    ("medpy", "asd_voxel"): _bind(_medpy, "asd_voxel"),
    ("medpy", "hd95"): _bind(_medpy, "hd95"),
}
