"""Volumes: geometry, resampling by headers, and the NIfTI reader's checks."""

import gzip
import os
import subprocess
import sys
from pathlib import Path

import nibabel
import numpy as np
import pytest
from helpers import AFFINES, SHAPE, make_affine, one_line, random_image
from hypothesis import given, settings
from hypothesis import strategies as st

from regbench.base.errors import BadInput
from regbench.spatial.nifti import read_array, read_volume, write_volume
from regbench.spatial.resample import resample_volume, sample_linear, sample_nearest, sample_vectors
from regbench.spatial.volume import (
    Volume,
    percentile_window,
    scaled,
    spacing_of,
    voxel_grid,
    voxel_to_world,
    world_to_voxel,
)

GRADIENT = np.array([0.3, -1.1, 0.7])
SHARES = st.floats(0, 100)


@pytest.mark.parametrize("name", AFFINES)
def test_world_and_voxel_undo_each_other(name: str) -> None:
    points = np.random.default_rng(0).uniform(-5, 20, (50, 3))
    there = voxel_to_world(points, AFFINES[name])
    assert np.allclose(world_to_voxel(there, AFFINES[name]), points, atol=1e-9)
    by_hand = [AFFINES[name] @ [*p, 1.0] for p in points]
    assert np.allclose(there, np.array(by_hand)[:, :3])


def test_spacing_is_along_array_axes() -> None:
    assert np.allclose(spacing_of(AFFINES["oblique"]), [0.8, 1.5, 2.5])
    assert np.allclose(spacing_of(AFFINES["flipped"]), [2.0, 0.7, 1.3])


@pytest.mark.parametrize("source", AFFINES)
@pytest.mark.parametrize("target", AFFINES)
def test_resampling_keeps_world_positions(source: str, target: str) -> None:
    """An image that is linear in world coordinates has the same values on every grid."""
    shape = (17, 20, 23)
    values = voxel_to_world(voxel_grid(shape), AFFINES[source]) @ GRADIENT
    moving = Volume(values.astype(np.float32), AFFINES[source])
    # The other grid's origin is moved to where the image's centre is.
    affine = AFFINES[target].copy()
    affine[:3, :3] *= 0.25
    affine[:3, 3] = voxel_to_world(np.array([8.0, 9.0, 11.0]), AFFINES[source])
    found = resample_volume(moving, SHAPE, affine)
    world = voxel_to_world(voxel_grid(SHAPE), affine)
    inside = _within(world_to_voxel(world, AFFINES[source]), shape)
    assert inside.sum() > 20
    assert np.allclose(found.data[inside], (world @ GRADIENT)[inside], atol=1e-3)
    assert found.shape == SHAPE
    assert np.array_equal(found.affine, affine)


def test_resampling_onto_its_own_grid_changes_nothing() -> None:
    image = random_image(affine=AFFINES["oblique-flipped"])
    assert np.allclose(resample_volume(image, SHAPE, image.affine).data, image.data, atol=1e-5)


def test_outside_labels_are_background_and_images_replicate() -> None:
    ones = Volume(np.ones(SHAPE, np.int32), np.eye(4))
    far = make_affine(origin=(SHAPE[0] - 2, 0, 0))
    labels = resample_volume(ones, SHAPE, far, labels=True)
    assert labels.data.dtype == np.int32
    assert np.array_equal(labels.data[:, 0, 0], [1, 1] + [0] * (SHAPE[0] - 2))
    ramp = Volume(voxel_grid(SHAPE)[..., 0], np.eye(4))
    values = resample_volume(ramp, SHAPE, far).data[:, 0, 0]
    assert np.allclose(values, [SHAPE[0] - 2] + [SHAPE[0] - 1] * (SHAPE[0] - 1))


def test_sampling_between_voxels() -> None:
    data = voxel_grid(SHAPE)
    points = np.array([[1.25, 2.5, 3.75], [0.0, 11.0, 14.0]])
    assert np.allclose(sample_vectors(data, points), points)
    assert np.allclose(sample_linear(data[..., 1], points), points[:, 1])
    labels = np.arange(np.prod(SHAPE)).reshape(SHAPE)
    near = sample_nearest(labels, np.array([[1.4, 2.6, 3.5], [-0.6, 0, 0], [0, 0, 14.49]]))
    assert near.tolist() == [labels[1, 3, 4], 0, labels[0, 0, 14]]


@pytest.mark.parametrize(
    ("data", "kept"),
    [
        (np.array([[[True, False]]]), np.uint8),
        (np.array([[[0, 255]]]), np.uint8),
        (np.array([[[-1, 300]]]), np.int32),
    ],
)
def test_label_files_keep_their_values(tmp_path: Path, data: np.ndarray, kept: type) -> None:
    path = tmp_path / "a.nii.gz"
    write_volume(path, Volume(data, AFFINES["anisotropic"]))
    found = read_volume(path, labels=True)
    assert np.array_equal(found.data, data.astype(int))
    assert read_array(path)[0].dtype == kept


@pytest.mark.parametrize("ending", [".nii", ".nii.gz"])
def test_image_files_round_trip_with_equal_bytes(tmp_path: Path, ending: str) -> None:
    image = random_image(affine=AFFINES["oblique-flipped"])
    paths = [tmp_path / f"{name}{ending}" for name in "ab"]
    for path in paths:
        write_volume(path, image)
    found = read_volume(paths[0])
    assert found.data.dtype == np.float32
    assert np.array_equal(found.data, image.data)
    assert np.allclose(found.affine, image.affine, atol=1e-5)
    assert paths[0].read_bytes() == paths[1].read_bytes()
    assert sorted(p.name for p in tmp_path.iterdir()) == [f"a{ending}", f"b{ending}"]


def test_a_trailing_axis_of_one_is_dropped(tmp_path: Path) -> None:
    _save(tmp_path / "a.nii", np.ones((*SHAPE, 1), np.float32))
    assert read_volume(tmp_path / "a.nii").shape == SHAPE


@pytest.mark.parametrize(
    ("data", "labels", "words"),
    [
        (np.ones((4, 5), np.float32), False, ["three axes", "(4, 5)"]),
        (np.ones((4, 5, 6, 3), np.float32), False, ["three axes", "(4, 5, 6, 3)"]),
        (np.array([[[1, np.nan, np.inf]]], np.float32), False, ["not finite", "found 2"]),
        (np.array([[[1, 1.5]]], np.float32), True, ["whole numbers"]),
        (np.ones((4, 5, 6), np.complex64), False, ["real numbers"]),
        (np.zeros((2, 2, 2), [("R", "u1"), ("G", "u1"), ("B", "u1")]), False, ["real numbers"]),
    ],
)
def test_unfit_voxels_are_refused(
    tmp_path: Path, data: np.ndarray, labels: bool, words: list[str]
) -> None:
    path = tmp_path / "a.nii.gz"
    _save(path, data)
    with pytest.raises(BadInput) as error:
        read_volume(path, labels=labels)
    one_line(error.value, path, *words)


DAMAGES = {
    "empty": lambda raw: b"",
    "text": lambda raw: b"no image",
    "half a header": lambda raw: raw[:100],
    "half the voxels": lambda raw: raw[:400],
    "unknown type": lambda raw: _patch(raw, 70, np.int16(4096)),
    "unsupported type": lambda raw: _patch(raw, 70, np.int16(1)),
    "voxels inside the header": lambda raw: _patch(raw, 108, np.float32(100)),
    "voxels far away": lambda raw: _patch(raw, 108, np.float32(1e30)),
    "huge axis": lambda raw: _patch(raw, 42, np.int16(32000)),
    "empty axis": lambda raw: _patch(raw, 42, np.int16(0)),
    "negative axis": lambda raw: _patch(raw, 42, np.int16(-4)),
    "affine with nan": lambda raw: _patch(raw, 280, np.float32(np.nan)),
    "singular affine": lambda raw: _patch(raw, 280, np.zeros(4, np.float32)),
}


@pytest.mark.parametrize("damage", DAMAGES)
@pytest.mark.parametrize("ending", [".nii", ".nii.gz"])
def test_damaged_files_are_one_line_errors(tmp_path: Path, damage: str, ending: str) -> None:
    raw = nibabel.Nifti1Image(np.ones((4, 5, 6), np.float32), np.diag([1, 2, 3, 1])).to_bytes()
    content = DAMAGES[damage](raw)
    path = tmp_path / f"a{ending}"
    path.write_bytes(gzip.compress(content) if ending == ".nii.gz" else content)
    with pytest.raises(BadInput) as error:
        read_volume(path)
    one_line(error.value, path)


@pytest.mark.parametrize("keep", [0.1, 0.5, 0.9])
def test_a_truncated_gzip_is_a_one_line_error(tmp_path: Path, keep: float) -> None:
    path = tmp_path / "a.nii.gz"
    write_volume(path, random_image())
    path.write_bytes(path.read_bytes()[: int(keep * path.stat().st_size)])
    with pytest.raises(BadInput) as error:
        read_volume(path)
    one_line(error.value, path)


@pytest.mark.parametrize("place", [0, 11, 15, 40, 1000, -6, -2])
def test_a_changed_byte_of_a_gzip_is_a_one_line_error(tmp_path: Path, place: int) -> None:
    """Near the beginning another reader finds it: nibabel reads the header with Python's own."""
    path = tmp_path / "a.nii.gz"
    write_volume(path, random_image())
    content = bytearray(path.read_bytes())
    content[place] ^= 255
    path.write_bytes(content)
    with pytest.raises(BadInput) as error:
        read_volume(path)
    one_line(error.value, path)


@pytest.mark.parametrize("lacking", [["isal"], []])
def test_an_environment_without_isal_reads_and_writes_the_same(
    tmp_path: Path, lacking: list[str]
) -> None:
    whole, cut = tmp_path / "whole.nii.gz", tmp_path / "cut.nii.gz"
    volume = random_image(0)
    code = (
        f"import sys; sys.modules.update(dict.fromkeys({lacking}))\n"
        "import numpy as np; from pathlib import Path\n"
        "from regbench.base.errors import BadInput\n"
        "from regbench.spatial import nifti\n"
        "whole, cut = map(Path, sys.argv[1:])\n"
        "volume = nifti.read_volume(whole)\n"
        "nifti.write_volume(whole, volume)\n"
        "content = bytearray(whole.read_bytes()); content[len(content) // 2] ^= 255\n"
        "cut.write_bytes(content)\n"
        "try: nifti.read_volume(cut)\n"
        "except BadInput as error: print(nifti.gzip.__name__, error)\n"
    )
    write_volume(whole, volume)
    run = [sys.executable, "-c", code, str(whole), str(cut)]
    said = subprocess.run(run, capture_output=True, text=True, check=True).stdout
    assert said.startswith("gzip" if lacking else "isal.igzip")
    assert "cut.nii.gz: is truncated or damaged" in said
    assert np.array_equal(read_volume(whole).data, volume.data)


def test_a_missing_file_is_named(tmp_path: Path) -> None:
    with pytest.raises(BadInput) as error:
        read_volume(tmp_path / "none.nii.gz")
    one_line(error.value, tmp_path / "none.nii.gz", "no such file")


def test_a_folder_in_the_place_of_a_file_is_told_as_one(tmp_path: Path) -> None:
    with pytest.raises(BadInput) as error:
        read_volume(tmp_path)
    one_line(error.value, tmp_path, "is a folder", "a NIfTI file")
    os.mkfifo(tmp_path / "pipe.nii.gz")
    with pytest.raises(BadInput) as error:
        read_volume(tmp_path / "pipe.nii.gz")
    one_line(error.value, "pipe.nii.gz", "is no ordinary file")


@pytest.mark.parametrize(
    "affine", [np.eye(3), np.zeros((4, 4)), np.full((4, 4), np.nan), np.diag([1, 1, 0, 1])]
)
def test_an_affine_that_maps_no_grid_is_refused(affine: np.ndarray) -> None:
    with pytest.raises(BadInput):
        Volume(np.zeros(SHAPE, np.float32), affine)


def test_data_must_fit_the_grid() -> None:
    with pytest.raises(BadInput) as error:
        random_image().with_data(np.zeros((9, 12, 14), np.float32))
    one_line(error.value, SHAPE, (9, 12, 14))
    with pytest.raises(BadInput):
        Volume(np.zeros((2, 2)), np.eye(4))


def _within(points: np.ndarray, shape: tuple[int, ...]) -> np.ndarray:
    return np.asarray(((points >= 0) & (points <= np.array(shape) - 1)).all(axis=-1))


def _save(path: Path, data: np.ndarray) -> None:
    nibabel.save(nibabel.Nifti1Image(data, np.eye(4)), path)


def _patch(raw: bytes, offset: int, value: np.ndarray | np.generic) -> bytes:
    new = value.tobytes()
    return raw[:offset] + new + raw[offset + len(new) :]


@settings(max_examples=150, deadline=None)
@given(
    size=st.integers(1, 3000),
    kind=st.sampled_from(["smooth", "double", "whole", "background", "saturated", "sorted"]),
    percentiles=st.tuples(*[st.one_of(st.sampled_from([0, 0.5, 50, 99.5, 100]), SHARES)] * 2),
    seed=st.integers(0, 10**6),
)
def test_percentiles_are_numpy_s_to_the_last_bit(
    size: int, kind: str, percentiles: tuple[float, float], seed: int
) -> None:
    values = np.random.default_rng(seed).normal(0, 100, (size, 1, 2)).astype(np.float32)
    values = {
        "smooth": values,
        "double": values.astype(np.float64) / 3,
        "whole": values.astype(np.int16),
        "background": np.maximum(values, 20),
        "saturated": np.minimum(values, -20).astype(np.int16),
        "sorted": np.sort(values, axis=0),
    }[kind]
    assert np.array_equal(
        percentile_window(values, percentiles), np.percentile(values, percentiles)
    )


def test_percentiles_where_the_sample_misleads() -> None:
    """The sample takes every 61st voxel: here those alone are bright."""
    values = np.zeros((61, 100), np.float32)
    values[:] = np.random.default_rng(0).random(values.shape)
    values.reshape(-1)[::61] += 10
    assert np.array_equal(percentile_window(values), np.percentile(values, (0.5, 99.5)))
    assert np.array_equal(percentile_window(-values), np.percentile(-values, (0.5, 99.5)))


def test_networks_see_the_window_of_the_percentiles_as_0_to_1() -> None:
    data = np.linspace(-50, 150, 2001).reshape(-1, 3, 1).astype(np.float32)
    found = scaled(data)
    # Of -50 to 150, 0.5 % are 1 at either end.
    expected = np.clip((data.astype(float) + 49) / 198, 0, 1)
    assert found.dtype == np.float32 and np.abs(found - expected).max() < 1e-6
    assert found.min() == 0 and found.max() == 1
    assert not scaled(np.full((3, 3, 3), 7, np.float32)).any()
