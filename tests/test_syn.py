"""SyN: its dense field is ANTs' own transform, deterministic, with the affine where asked."""

import subprocess
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray
from scipy import ndimage

from regbench.base.errors import BadInput
from regbench.plugins.interface import Context, Method
from regbench.plugins.kinds import read_methods
from regbench.plugins.loading import load_entry
from regbench.spatial.field import Field
from regbench.spatial.nifti import write_volume
from regbench.spatial.volume import Volume, voxel_grid
from regbench.spatial.warp import warp_image

pytest.importorskip("ants", reason="antspyx is not installed")
FOLDER = Path(__file__).resolve().parent.parent / "methods" / "syn"
# Flipped, oblique, anisotropic.
ANGLE = 0.3
AFFINE = np.array(
    [
        [-2.0 * np.cos(ANGLE), -3.0 * np.sin(ANGLE), 0.0, 40.0],
        [-2.0 * np.sin(ANGLE), 3.0 * np.cos(ANGLE), 0.0, -25.0],
        [0.0, 0.0, 2.5, 10.0],
        [0.0, 0.0, 0.0, 1.0],
    ]
)
SHIFT = np.array([1.5, -1.0, 2.0])


def blobs() -> NDArray[np.float64]:
    """Smooth blobs that fade to 0 at the border."""
    noise = np.random.default_rng(4).standard_normal((40, 36, 32))
    image = ndimage.gaussian_filter(noise, 3.0)
    window = np.zeros(image.shape)
    window[8:-8, 8:-8, 8:-8] = 1
    return np.asarray(image / image.std() * ndimage.gaussian_filter(window, 2.0))


@pytest.fixture(scope="module")
def pair() -> tuple[Volume, Volume]:
    """Blobs; the moving ones lie SHIFT voxels further on."""
    image = blobs()
    moved = ndimage.shift(image, SHIFT, order=3)
    fixed, moving = (x.astype(np.float32) for x in (image, moved))
    return Volume(fixed, AFFINE), Volume(moving, AFFINE)


def syn(tmp_path: Path, iterations: Any = (40, 30), *, prealigned: bool) -> Method:
    plugin = read_methods(FOLDER)[0]
    context = Context(1, 0, "cpu", prealigned, tmp_path)
    settings = {**plugin.settings, "iterations": list(iterations)}
    return load_entry(FOLDER, "method:SyN")(settings, context)


@pytest.mark.parametrize("iterations", [[-5], [1.5], [True]])
def test_iterations_that_ants_cannot_take_are_refused(tmp_path: Path, iterations: Any) -> None:
    with pytest.raises(BadInput, match="setting iterations"):
        syn(tmp_path, iterations, prealigned=True)


# The affine part alone is the whole shift; without one the field has to find it.
@pytest.mark.parametrize(("prealigned", "error", "left"), [(True, 0.35, 0.3), (False, 0.05, 0.1)])
def test_a_known_shift_on_an_oblique_anisotropic_grid(
    pair: tuple[Volume, Volume], tmp_path: Path, prealigned: bool, error: float, left: float
) -> None:
    fixed, moving = pair
    method = syn(tmp_path, prealigned=prealigned)
    field = method.register(fixed, moving)
    method.verify(fixed, moving, field)
    inner = field.displacement[12:-12, 12:-12, 10:-10]
    assert np.abs(inner.reshape(-1, 3).mean(axis=0) - SHIFT).max() < error
    before = np.abs(fixed.data - moving.data).mean()
    assert np.abs(fixed.data - warp_image(moving, field).data).mean() < left * before


def test_images_that_lie_on_other_grids_are_aligned_by_their_headers(
    pair: tuple[Volume, Volume], tmp_path: Path
) -> None:
    fixed, moving = pair
    affine = AFFINE.copy()
    affine[:3, 3] -= AFFINE[:3, :3] @ SHIFT
    field = syn(tmp_path, (5, 5), prealigned=True).register(fixed, Volume(moving.data, affine))
    inner = field.displacement[12:-12, 12:-12, 10:-10]
    assert np.abs(inner - SHIFT).mean() < 0.1


def test_what_is_not_prealigned_is_turned_as_a_whole(tmp_path: Path) -> None:
    """By 25 degrees about the last axis: without the affine part the field is 0.6 voxels off."""
    image = blobs()
    angle = np.deg2rad(25)
    turn = np.eye(3)
    turn[:2, :2] = [[np.cos(angle), -np.sin(angle)], [np.sin(angle), np.cos(angle)]]
    centre = (np.array(image.shape) - 1) / 2
    # Fixed x looks at moving turn (x - centre) + centre.
    moved = ndimage.affine_transform(image, turn.T, centre - turn.T @ centre, order=3)
    fixed, moving = (Volume(x.astype(np.float32), AFFINE) for x in (image, moved))
    field = syn(tmp_path, prealigned=False).register(fixed, moving)
    grid = voxel_grid(image.shape)
    truth = (grid - centre) @ turn.T + centre - grid
    inner = (slice(10, -10),) * 3
    assert np.linalg.norm(field.displacement - truth, axis=-1)[inner].mean() < 0.2


@pytest.mark.verify
def test_the_same_bytes_twice(pair: tuple[Volume, Volume], tmp_path: Path) -> None:
    """In a worker of its own, as every run has it: ITK fixes its threads when a process starts."""
    command = [sys.executable, "-m", "regbench.cli.main", "--root", str(FOLDER.parent.parent)]
    command += ["register", "syn", "--set", "iterations=[40, 30]"]
    for role, volume in zip(("fixed", "moving"), pair, strict=True):
        write_volume(tmp_path / f"{role}.nii.gz", volume)
        command += [f"--{role}", str(tmp_path / f"{role}.nii.gz")]
    outputs = [tmp_path / name for name in ("one.nii.gz", "two.nii.gz")]
    for output in outputs:
        subprocess.run([*command, "--output", str(output)], check=True)
    assert outputs[0].read_bytes() == outputs[1].read_bytes()


def test_a_field_that_is_not_ants_own_is_refused(
    pair: tuple[Volume, Volume], tmp_path: Path
) -> None:
    method = syn(tmp_path, prealigned=True)
    field = method.register(*pair)
    with pytest.raises(BadInput, match="differs from the dense field"):
        method.verify(*pair, Field(field.displacement[..., ::-1].copy(), field.affine))
