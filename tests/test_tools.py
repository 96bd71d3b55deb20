"""Today's tools as methods: a known shift through the worker where they are, skipped where not."""

from pathlib import Path

import numpy as np
import pytest
from helpers import REPOSITORY, make_affine, write_dataset, write_side
from scipy import ndimage

from regbench.base.errors import BadInput
from regbench.base.records import FIELD_NAME, Status
from regbench.execution.launcher import launch
from regbench.plan.config import resolve
from regbench.plan.jobs import Job
from regbench.plan.resources import Shard
from regbench.plugins.kinds import read_methods
from regbench.spatial.convert import check_own_warp
from regbench.spatial.field import Field, read_field
from regbench.spatial.volume import Volume
from regbench.spatial.warp import warp_image

#: Another one along each axis, by sign and size.
SHIFT = (1.0, -2.0, 3.0)
#: Voxels that the mean field may be off by (a swapped or turned axis costs 2), and what a quick run
#: takes. elastix samples at random, on control points that are few in so small an image.
QUICK = {
    "convexadam": (0.25, {}),
    "demons": (0.1, {}),
    "elastix": (0.6, {"iterations": 50, "resolutions": 2, "stages": ["affine", "bspline"]}),
    "greedy": (0.1, {"iterations": [50, 20]}),
    "greedy-nmi": (0.4, {"iterations": [50, 20]}),
}
MISSING = {
    plugin.id: plugin.missing()
    for folder in (REPOSITORY / "methods").iterdir()
    for plugin in read_methods(folder)
    if plugin.id in QUICK
}


@pytest.fixture(scope="module")
def pairs(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Blobs that lie SHIFT voxels further on; anisotropic, flipped, oblique; unequal sizes.

    In the second pair the moving image's header says another place, unknown to the voxels.
    """
    root = tmp_path_factory.mktemp("pairs")
    image = ndimage.gaussian_filter(np.random.default_rng(4).standard_normal((40, 36, 32)), 3.0)
    window = np.zeros(image.shape)
    window[8:-8, 8:-8, 8:-8] = 1
    image = 100 * image / image.std() * ndimage.gaussian_filter(window, 2.0)
    moved = ndimage.shift(image, SHIFT, order=3)
    affine = make_affine((2.0, 3.0, 2.5), (0, 0, 17), (-1, 1, 1), (40, -25, 10))
    turned = make_affine((2.5, 2.0, 3.0), (10, -20, 30), (1, -1, -1), (5, 50, -90))
    elsewhere = turned + 2.0 * np.eye(4, k=3) * (np.arange(4) < 3)[:, None]
    names, entries = [], []
    for number, (one, other) in enumerate(((affine, affine), (turned, elsewhere))):
        stems = (f"Toy_{number:04d}_0000", f"Toy_{number:04d}_0001")
        for stem, data, grid in zip(stems, (image, moved), (one, other), strict=True):
            entries.append(write_side(root, stem, Volume(data.astype(np.float32), grid)))
        names.append(stems)
    return write_dataset(root, entries, names, labels={})


def register(file: Path, method: str, folder: Path, **task: bool) -> list[Status]:
    raw = {
        "name": "toy",
        "datasets": {"toy": {"plugin": "learn2reg", "settings": {"path": str(file)}}},
        "tasks": {"toy": {"dataset": "toy", **task}},
        "methods": [{"method": method, "settings": QUICK[method][1]}],
    }
    config = resolve(raw, REPOSITORY)
    return launch(Job(config, config.runs[0], 0, folder, file), Shard(), folder / "log.txt")


@pytest.mark.parametrize("method", QUICK)
def test_a_known_shift_by_the_real_worker(
    pairs: Path, tmp_path: Path, method: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    if MISSING[method]:
        pytest.skip(f"{MISSING[method][0]} is not installed: make tools")
    here = tmp_path / "here"
    here.mkdir()
    monkeypatch.chdir(here)
    # Those with an affine part compose it with the field; the others take the pairs as they are.
    statuses = register(pairs, method, tmp_path, prealigned=method == "greedy-nmi")
    assert [s.reason for s in statuses] == ["", ""]
    assert not list(here.iterdir()), "written where the worker happens to be"
    for status in statuses:
        field = read_field(tmp_path / status.case / FIELD_NAME)
        inner = field.displacement[12:-12, 12:-12, 10:-10].reshape(-1, 3)
        assert np.abs(inner.mean(axis=0) - SHIFT).max() < QUICK[method][0], inner.mean(axis=0)


@pytest.mark.parametrize("method", QUICK)
def test_without_its_package_a_tool_is_skipped_with_the_command(
    pairs: Path, tmp_path: Path, method: str
) -> None:
    if not MISSING[method]:
        pytest.skip(f"{method} is installed")
    statuses = register(pairs, method, tmp_path, prealigned=True)
    assert [s.outcome for s in statuses] == ["skipped", "skipped"]
    assert "is not installed: make tools" in statuses[0].reason


def test_a_field_that_warps_otherwise_than_its_tool_is_refused() -> None:
    rng = np.random.default_rng(0)
    moving = Volume(
        ndimage.gaussian_filter(rng.random((9, 12, 15)), 1).astype(np.float32), np.eye(4)
    )
    shift = np.zeros((9, 12, 15, 3), np.float32) + np.float32([1, 0, 0])
    field = Field(shift, np.eye(4))
    check_own_warp("The tool", warp_image(moving, field).data, moving, field)
    turned = Field(np.ascontiguousarray(shift[..., ::-1]), np.eye(4))
    with pytest.raises(BadInput, match="differs from the dense field's"):
        check_own_warp("The tool", warp_image(moving, field).data, moving, turned)
