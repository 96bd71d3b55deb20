"""Simulated motion: pairs of known fields made of a folder of images, and what is refused."""

import json
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from helpers import REPOSITORY, box, make_affine, one_line
from numpy.typing import NDArray
from scipy import ndimage

from regbench.base.errors import BadInput
from regbench.data.layout import Layout, read_layout
from regbench.plan.config import resolve
from regbench.plugins.catalog import discover
from regbench.plugins.loading import load_entry
from regbench.spatial.field import Field, read_field
from regbench.spatial.nifti import read_volume, write_array, write_volume
from regbench.spatial.operations import inverse_residual, jacobian_determinant
from regbench.spatial.resample import sample_linear
from regbench.spatial.volume import Volume, percentile_window, rescale, to_ras, within
from regbench.spatial.warp import positions, warp_image, warp_labels

PLUGIN = discover(REPOSITORY).datasets["simulated_motion"]
SHAPE = (28, 24, 26)
#: Stored from right to left, and not isotropic.
AFFINE = make_affine((2.0, 2.0, 2.5), flips=(-1, 1, 1), origin=(30, -20, 5))
#: The field of view is 48 mm at its shortest.
SETTINGS = {**PLUGIN.settings, "labels": "{image}_label", "amplitude_mm": 2.0, "scale_mm": 10.0}
ORGAN = box(SHAPE, (9, 8, 9), (10, 9, 9)).astype(np.uint8)


def folder(root: Path, *names: str) -> Path:
    """Images with a bright body in air, in the units of a CT, and a label map each."""
    for number, name in enumerate(names):
        waves = ndimage.gaussian_filter(np.random.default_rng(number).random(SHAPE), 1.5)
        texture = np.clip(0.5 + 0.2 * (waves - waves.mean()) / waves.std(), 0, 1)
        inside = box(SHAPE, (3, 3, 3), (22, 18, 20))
        data = np.where(inside, 1500 * texture - 900, -1000).astype(np.float32)
        write_volume(root / f"{name}.nii.gz", Volume(data, AFFINE))
        write_volume(root / f"{name}_label.nii.gz", Volume(ORGAN * 3, AFFINE))
    return root


def listed(root: Path, **changes: Any) -> Layout:
    own = {**SETTINGS, "path": str(root), **changes}
    layout = load_entry(PLUGIN.folder, str(PLUGIN.pairs))(own)
    assert isinstance(layout, Layout)
    return layout


def prepared(root: Path, target: Path, **changes: Any) -> Layout:
    file = target / "moved_dataset.json"
    own = {**SETTINGS, "path": str(root), **changes}
    load_entry(PLUGIN.folder, str(PLUGIN.importer))(own, file)
    return read_layout(file)


def parts(layout: Layout, number: int = 0) -> tuple[Volume, Volume, Field, Field]:
    """Fixed and moving image of a test pair, and the true fields of both directions."""
    case, turned = (layout.directed("test", way)[number] for way in ((0, 1), (1, 0)))
    assert case.true_field is not None and turned.true_field is not None
    return (
        read_volume(case.fixed.image),
        read_volume(case.moving.image),
        read_field(case.true_field),
        read_field(turned.true_field),
    )


@pytest.fixture(scope="module")
def root(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return folder(tmp_path_factory.mktemp("raw"), "a", "b")


@pytest.fixture(scope="module")
def plain(root: Path, tmp_path_factory: pytest.TempPathFactory) -> Layout:
    """Two pairs of one image, of motion alone: no noise, the same grey levels."""
    how = {"images": "a*", "pairs_per_image": 2, "noise": 0.0, "contrast": 0.0}
    return prepared(root, tmp_path_factory.mktemp("plain"), **how)


def region(layout: Layout) -> NDArray[np.bool_]:
    labels = layout.cases["test"][0].fixed.labels
    assert labels is not None
    return read_volume(labels, labels=True).data > 0


def test_the_fields_are_what_the_settings_say(plain: Layout) -> None:
    for number in range(2):
        _, _, there, back = parts(plain, number)
        assert there.length_mm[region(plain)].mean() == pytest.approx(2.0, rel=0.02)
        for field, inverse in ((there, back), (back, there)):
            assert jacobian_determinant(field.displacement).min() > 0.1
            assert np.percentile(inverse_residual(field, inverse), 99) < 0.1
            # Nothing enters or leaves the image.
            assert within(positions(field), field.shape).all()


def test_the_scale_is_that_of_the_correlation() -> None:
    """Gaussians of a standard deviation s make a correlation of exp(-1/4) at a distance of s."""
    draw = load_entry(PLUGIN.folder, "motion:draw_motion")
    body = Volume(np.ones((40, 40, 40), np.uint8), np.diag([2.0, 2.0, 2.0, 1.0]))
    found = []
    for seed in range(4):
        motion = draw(np.random.default_rng(seed), body, 8.0)
        middle = motion.velocity(body.grid).displacement[6:-6, 6:-6, 6:-6]
        for step in (4, 8):
            one, two = middle[:-step], middle[step:]
            found.append((one * two).sum() / np.sqrt((one**2).sum() * (two**2).sum()))
    assert np.mean(found[::2]) == pytest.approx(np.exp(-0.25), abs=0.06)
    assert np.mean(found[1::2]) == pytest.approx(np.exp(-1), abs=0.12)


def test_the_moving_image_is_the_native_one_sampled_once(plain: Layout, root: Path) -> None:
    fixed, moving, there, back = parts(plain)
    native = to_ras(read_volume(root / "a.nii.gz"))
    bounds = percentile_window(native.data)
    assert np.array_equal(fixed.data, rescale(native.data, *bounds))
    expected = rescale(sample_linear(native.data, positions(back)), *bounds)
    # The field on disk is rounded to 2^-10 voxel.
    assert np.abs(moving.data - expected).max() < 0.02
    # So the true field brings it back, but for a second interpolation.
    inside = region(plain)
    before, after = (np.abs(image.data - fixed.data)[inside].mean()
                     for image in (moving, warp_image(moving, there)))  # fmt: skip
    assert after < 0.35 * before


def test_labels_move_with_the_image(plain: Layout) -> None:
    case = plain.cases["test"][0]
    assert case.fixed.labels is not None and case.moving.labels is not None
    one, two = (read_volume(p, labels=True) for p in (case.fixed.labels, case.moving.labels))
    assert np.array_equal(one.data, ORGAN[::-1] * 3)
    _, _, there, _ = parts(plain)
    back = warp_labels(two, there)
    overlap = (
        2
        * ((one.data > 0) & (back.data > 0)).sum()
        / ((one.data > 0).sum() + (back.data > 0).sum())
    )
    raw = (
        2 * ((one.data > 0) & (two.data > 0)).sum() / ((one.data > 0).sum() + (two.data > 0).sum())
    )
    assert overlap > 0.97 > raw
    assert plain.labels == {3: "label 3"}


def test_the_grey_levels_rise_or_fall(root: Path, tmp_path: Path) -> None:
    """The moved image is the plain one through one curve; the motion does not depend on it."""
    changes = ({"contrast": 0.0}, {"contrast": 0.6}, {"contrast": 0.6, "invert": True})
    images = []
    for number, change in enumerate(changes):
        layout = prepared(root, tmp_path / str(number), images="a*", noise=0.0, **change)
        images.append(parts(layout)[1].data.ravel())
    order = np.argsort(images[0], kind="stable")
    plain, other, negative = (image[order] for image in images)
    assert np.diff(other).min() >= 0 and np.abs(other - plain).max() > 0.03
    assert np.allclose(negative, 1 - other, atol=1e-5)
    assert (other.min(), other.max()) == (0, 1)


def test_noise_comes_after_and_to_both(plain: Layout, root: Path, tmp_path: Path) -> None:
    how = {"images": "a*", "contrast": 0.0, "noise": 0.05}
    noisy = parts(prepared(root, tmp_path, **how))
    clean = parts(plain)[:2]
    # Where nothing is clipped.
    grey = np.all([(image.data > 0.2) & (image.data < 0.8) for image in clean], axis=0)
    grains = [(b.data - a.data)[grey] for a, b in zip(clean, noisy, strict=False)]
    assert [grain.std() for grain in grains] == pytest.approx([0.05, 0.05], rel=0.1)
    assert abs(np.corrcoef(grains)[0, 1]) < 0.1


def test_pairs_depend_on_seed_name_and_number_alone(
    plain: Layout, root: Path, tmp_path: Path
) -> None:
    how = {"pairs_per_image": 2, "noise": 0.0, "contrast": 0.0}
    both = prepared(root, tmp_path / "both", **how)
    # A second image in the folder changes no pair of the first.
    for number in range(2):
        for one, two in zip(parts(plain, number), parts(both, number), strict=True):
            same = [v.data if isinstance(v, Volume) else v.displacement for v in (one, two)]
            assert np.array_equal(*same)
    fields = [parts(both, number)[2].displacement for number in range(4)]
    fields.append(parts(prepared(root, tmp_path / "seed", seed=1, images="a*"))[2].displacement)
    assert len({field.tobytes() for field in fields}) == 5


def test_the_motion_is_the_same_at_another_spacing(
    plain: Layout, root: Path, tmp_path: Path
) -> None:
    """And a resampled moving image is still sampled once, from the native one."""
    fine = prepared(root, tmp_path, images="a*", spacing=1.6, noise=0.0, contrast=0.0)
    coarse_field, fine_field = parts(plain)[2], parts(fine)[2]
    where = np.array([14.0, 12.0, 13.0])
    world = coarse_field.affine[:3, :3] @ where + coarse_field.affine[:3, 3]
    other = np.linalg.inv(fine_field.affine[:3, :3]) @ (world - fine_field.affine[:3, 3])
    moved = []
    for field, place in ((coarse_field, where), (fine_field, other)):
        voxels = [
            float(sample_linear(field.displacement[..., k], place[None])[0]) for k in range(3)
        ]
        moved.append(field.affine[:3, :3] @ voxels)
    # The field of view grows by a part of a voxel.
    assert np.linalg.norm(moved[0] - moved[1]) < 0.25 < np.linalg.norm(moved[0])
    note = next(iter(fine.extra["notes"].values()))
    assert note["displacement_mm"]["mean"] == pytest.approx(2.0, rel=0.02)


def test_without_labels_the_body_is_one(root: Path, tmp_path: Path) -> None:
    layout = prepared(root, tmp_path, images="[ab].nii.gz", labels="", amplitude_mm=1.5)
    assert layout.labels == {1: "body"}
    inside = region(layout)
    assert inside.mean() == pytest.approx(22 * 18 * 20 / np.prod(SHAPE), rel=0.05)
    _, _, there, _ = parts(layout)
    assert there.length_mm[inside].mean() == pytest.approx(1.5, rel=0.02)


def test_splits_share_no_image(root: Path) -> None:
    layout = listed(root, training=1, pairs_per_image=3)
    assert {k: len(v) for k, v in layout.cases.items()} == {
        "training": 3, "validation": 0, "test": 3,
    }  # fmt: skip
    assert {case.fixed.image.name for case in layout.cases["test"]} == {"b.nii.gz"}
    assert layout.evaluation_split() == "test" and not layout.unmeasured("test")
    assert len(layout.directed("test", (1, 0))) == 3


@pytest.mark.parametrize("where", ["maps", "maps/{image}", "maps/{image}.nii.gz"])
def test_labels_in_a_folder_of_their_own(root: Path, tmp_path: Path, where: str) -> None:
    for name in ("a", "b"):
        write_array(tmp_path / f"p/{name}.nii.gz", np.zeros((2, 2, 2), np.uint8), AFFINE)
    write_array(tmp_path / "maps/p/a.nii.gz", np.zeros((2, 2, 2), np.uint8), AFFINE)
    layout = listed(tmp_path, images="p/*", labels=where)
    assert [c.fixed.labels for c in layout.cases["test"]] == [tmp_path / "maps/p/a.nii.gz", None]
    assert "1 of 2 images have no label map" in layout.extra["remarks"]


@pytest.mark.parametrize(
    ("changes", "words"),
    [
        ({"path": ""}, ["settings.path"]),
        ({"images": "*.mha"}, ["holds no images", "*.mha"]),
        ({"images": "../*"}, ["setting images"]),
        ({"labels": "{image}_seg"}, ["no image has a label map", "{image}_seg"]),
        ({"training": 2}, ["too few images", "more than 2", "found 2"]),
        ({"amplitude_mm": -1.0}, ["setting amplitude_mm", "> 0"]),
        ({"noise": "much"}, ["setting noise"]),
        ({"intensity": {"window": [1]}}, ["setting intensity"]),
        ({"label_names": {"liver": "1"}}, ["setting label_names"]),
    ],
)
def test_a_bad_setting_or_folder_is_one_line(
    root: Path, changes: dict[str, Any], words: list[str]
) -> None:
    with pytest.raises(BadInput) as error:
        listed(root, **changes)
    one_line(error.value, *words)


def test_an_empty_folder(tmp_path: Path) -> None:
    with pytest.raises(BadInput) as error:
        listed(tmp_path)
    one_line(error.value, tmp_path, "holds no images")


def test_settings_are_checked_when_the_workflow_is_planned(root: Path) -> None:
    own = {"plugin": "simulated_motion", "settings": {"path": str(root), "scale_mm": "wide"}}
    tasks = {"own": {"dataset": "own"}}
    data = {"name": "own", "datasets": {"own": own}, "tasks": tasks, "methods": ["identity"]}
    with pytest.raises(BadInput) as error:
        resolve(data, REPOSITORY).datasets["own"].counts()
    one_line(error.value, "setting scale_mm")


def _broken(data: NDArray) -> NDArray:
    data = data.copy()
    data[3, 3, 3] = np.nan
    return data


@pytest.mark.parametrize(
    ("change", "labels", "words"),
    [
        (_broken, None, ["not finite", "found 1"]),
        (lambda data: np.stack([data, data], -1), None, ["three axes"]),
        (np.ones_like, None, ["constant"]),
        (None, Volume(ORGAN[:-1], AFFINE), ["b_label.nii.gz", "do not fit the image"]),
        (None, Volume(ORGAN, np.eye(4)), ["b_label.nii.gz", "elsewhere"]),
        (None, Volume(0 * ORGAN, AFFINE), ["b.nii.gz", "region", "empty"]),
        (lambda data: data[:, :, :10], None, ["b.nii.gz", "too small", "at least 40 mm", "25 mm"]),
    ],
)
def test_a_bad_image_breaks_its_own_pairs(
    tmp_path: Path, change: Any, labels: Volume | None, words: list[str]
) -> None:
    folder(tmp_path, "a", "b")
    file = tmp_path / "b.nii.gz"
    if change is not None:
        write_array(file, change(read_volume(file).data), AFFINE)
        if "too small" in words:
            write_volume(tmp_path / "b_label.nii.gz", Volume(ORGAN[:, :, :10], AFFINE))
    if labels is not None:
        write_volume(tmp_path / "b_label.nii.gz", labels)
    good, bad = prepared(tmp_path, tmp_path / "ready").cases["test"]
    assert good.problem is None and bad.problem is not None and "\n" not in bad.problem
    for word in words:
        assert word in bad.problem


def test_an_amplitude_that_folds_says_how_much_does_not(root: Path, tmp_path: Path) -> None:
    how = {"images": "a*", "spacing": 2.5}
    with pytest.raises(BadInput) as error:
        prepared(root, tmp_path / "much", amplitude_mm=40.0, **how)
    one_line(error.value, "no pair can be made", "a.nii.gz", "40 mm", "would fold", "at most")
    assert not (tmp_path / "much" / "moved_dataset.json").exists()
    most = float(str(error.value).split("at most ")[1].split(",")[0])
    assert 3 < most < 40
    # The amplitude that the line names is true.
    layout = prepared(root, tmp_path / "less", amplitude_mm=most, **how)
    assert min(jacobian_determinant(f.displacement).min() for f in parts(layout)[2:]) > 0


def test_a_scale_finer_than_the_voxels(root: Path, tmp_path: Path) -> None:
    with pytest.raises(BadInput) as error:
        prepared(root, tmp_path, images="a*", scale_mm=4.0)
    one_line(error.value, "too fine", "at least 5", "found 4")


def test_only_what_changed_is_made_again(tmp_path: Path) -> None:
    raw = folder(tmp_path / "raw", "a", "b")
    first = prepared(raw, tmp_path / "ready")
    stamps = {p: p.stat().st_mtime_ns for p in (tmp_path / "ready" / "stamps").iterdir()}
    text = (tmp_path / "ready" / "moved_dataset.json").read_bytes()
    prepared(raw, tmp_path / "ready")
    assert stamps == {p: p.stat().st_mtime_ns for p in stamps}
    assert (tmp_path / "ready" / "moved_dataset.json").read_bytes() == text
    write_volume(raw / "b_label.nii.gz", Volume(np.roll(ORGAN, 1, 0), AFFINE))
    prepared(raw, tmp_path / "ready")
    changed = [p.name for p in sorted(stamps) if stamps[p] != p.stat().st_mtime_ns]
    assert changed == ["0002.json"]
    assert json.loads(text)["regbench"]["notes"].keys() == first.extra["notes"].keys()


@pytest.mark.verify
def test_real_anatomy(real_data: Path, tmp_path: Path) -> None:
    raw = real_data / "AbdomenCTMR_raw"
    if not raw.is_dir():
        pytest.skip("no AbdomenCTMR_raw in REGBENCH_TEST_DATA")
    how = {"images": "ct_full*", "spacing": 5.0, "amplitude_mm": 6.0, "scale_mm": 20.0}
    layout = prepared(raw, tmp_path, **how, noise=0.0, contrast=0.0)
    fixed, moving, there, back = parts(layout)
    inside = region(layout)
    assert there.length_mm[inside].mean() == pytest.approx(6.0, rel=0.02)
    assert min(jacobian_determinant(f.displacement).min() for f in (there, back)) > 0.1
    # Interpolation twice blurs a real image, so the difference is not 0; but no other length of the
    # field comes nearer.
    lengths = (0.0, 0.5, 0.8, 1.0, 1.2, 1.5)
    fields = [replace(there, displacement=np.float32(k) * there.displacement) for k in lengths]
    left = [np.abs(warp_image(moving, f).data - fixed.data)[inside].mean() for f in fields]
    assert lengths[int(np.argmin(left))] == 1.0
