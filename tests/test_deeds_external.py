"""The adapter of the authors' program, against a fake that fails in each way the real one does."""

import hashlib
import stat
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from helpers import REPOSITORY, make_affine, one_line, read_report
from toy_project import make_project

from regbench.base.errors import BadInput
from regbench.plugins.interface import Context
from regbench.plugins.loading import load_entry
from regbench.spatial.volume import Volume

DEEDS = REPOSITORY / "methods" / "deeds"
SHAPE = (16, 18, 20)
SETTINGS = {"spacings": [4, 3], "radii": [3, 2], "steps": [2, 1], "weight": 1.6}

FAKE = '''#!{python}
"""Behaves as deedsBCV is known to: it ends with 0 on most faults."""
import struct, sys, time
import nibabel, numpy as np

behaviour = {behaviour!r}
options = dict(zip(sys.argv[1::2], sys.argv[2::2]))
images = [nibabel.load(options[flag]) for flag in ("-F", "-M")]
for image in images:
    assert image.header.get_data_dtype() == np.float32 and image.header["vox_offset"] in (0, 352)
    assert not image.header.extensions
lists = [[int(n) for n in options[flag].split("x")] for flag in ("-G", "-L", "-Q")]
assert {{len(found) for found in lists}} == {{int(options["-l"])}}
grid = [n // lists[0][-1] for n in images[0].shape]
# Components along axes 1, 0, 2; axis 0 fastest.
field = np.empty((3, *grid[::-1]), "<f4")
field[0], field[1], field[2] = -3, 2, 1
if behaviour == "crash":
    sys.exit("segmentation fault, nearly")
if behaviour == "hang":
    time.sleep(600)
if behaviour == "nan":
    field[1, 0, 0, 0] = np.nan
if behaviour == "far":
    field[0, 0, 0, 0] = 1000
name = "other" if behaviour == "name" else options["-O"]
content = field.tobytes()
open(name + "_displacements.dat", "wb").write(content[:-8] if behaviour == "short" else content)
'''


def fake(folder: Path, behaviour: str) -> Path:
    program = folder / "deedsBCV"
    program.write_text(FAKE.format(python=sys.executable, behaviour=behaviour))
    program.chmod(program.stat().st_mode | stat.S_IXUSR)
    return program


def method(folder: Path, binary: str, **settings: Any) -> Any:
    own = {**SETTINGS, "backend": "external", "binary": binary, "spacing_mm": 0, "affine": ""}
    own |= settings
    work = folder / "work"
    work.mkdir()
    return load_entry(DEEDS, "method:Deeds")(own, Context(1, 0, "cpu", True, work))


def volume(seed: int) -> Volume:
    data = np.random.default_rng(seed).normal(size=SHAPE).astype(np.float32)
    return Volume(data, make_affine((2.0, 2.0, 2.0)))


def test_its_field_is_decoded_in_our_convention(tmp_path: Path) -> None:
    registered = method(tmp_path, str(fake(tmp_path, "good"))).register(volume(0), volume(1))
    assert registered.displacement.shape == (*SHAPE, 3)
    assert np.allclose(registered.displacement, (2, -3, 1))
    # Nothing is left behind.
    assert list((tmp_path / "work").iterdir()) == []


@pytest.mark.parametrize(
    ("behaviour", "words"),
    [
        ("short", ["not a displacement file", "expected 2160 bytes", "found 2152"]),
        ("nan", ["not finite"]),
        ("far", ["beyond the search", "expected <= 8 voxels", "found 1000"]),
        ("name", ["wrote no displacements"]),
    ],
)
def test_a_wrong_output_with_code_0_is_caught(
    tmp_path: Path, behaviour: str, words: list[str]
) -> None:
    with pytest.raises(BadInput) as error:
        method(tmp_path, str(fake(tmp_path, behaviour))).register(volume(0), volume(1))
    one_line(error.value, *words)


def test_it_has_no_version_but_a_hash(tmp_path: Path) -> None:
    program = fake(tmp_path, "good")
    expected = hashlib.sha256(program.read_bytes()).hexdigest()
    assert method(tmp_path, str(program)).versions() == {"deedsBCV": f"sha256 {expected}"}


def test_a_crash_is_told_with_its_last_words(tmp_path: Path) -> None:
    with pytest.raises(RuntimeError, match="ended with code 1: segmentation fault, nearly"):
        method(tmp_path, str(fake(tmp_path, "crash"))).register(volume(0), volume(1))


@pytest.mark.parametrize("name", ["missing", "not executable"])
def test_a_program_that_cannot_run(tmp_path: Path, name: str) -> None:
    program = tmp_path / "deedsBCV"
    if name == "not executable":
        program.write_text("")
    with pytest.raises(BadInput) as error:
        method(tmp_path, str(program)).register(volume(0), volume(1))
    one_line(error.value, "no executable program", "deedsBCV")


def test_images_it_would_get_wrong_never_reach_it(tmp_path: Path) -> None:
    flat = Volume(np.ones(SHAPE, np.float32), make_affine((2.0, 2.0, 2.0)))
    with pytest.raises(BadInput, match="constant"):
        method(tmp_path, str(fake(tmp_path, "good"))).register(volume(0), flat)


def test_anisotropic_images_are_resampled_and_the_field_comes_back(tmp_path: Path) -> None:
    affine = make_affine((1.0, 1.0, 2.0), angles=(10, 20, 30), flips=(1, -1, 1))
    fixed, moving = (Volume(volume(seed).data, affine) for seed in (0, 1))
    found = method(tmp_path, str(fake(tmp_path, "good"))).register(fixed, moving)
    # One isotropic voxel along axis 2 is half a voxel of 2 mm.
    assert np.allclose(found.displacement, (2, -3, 0.5), atol=1e-3)


@pytest.mark.verify
def test_a_hang_is_a_timeout_and_the_run_goes_on(tmp_path: Path) -> None:
    project = make_project(tmp_path)
    link = project.root / "methods" / "deeds"
    link.symlink_to(DEEDS)
    settings = {**SETTINGS, "binary": str(fake(tmp_path, "hang"))}
    entry = {"method": "deeds-original", "settings": settings}
    project.config |= {"methods": ["identity", entry], "limits": {"time_s": 3}}
    done = project.snakemake("reports/table.csv", check=False)
    assert done.returncode == 3
    notes, rows = read_report(project.root, "table")
    assert any(row["Method"] == "Moving" and row["Cases"] == "3" for row in rows)
    assert any("timeout" in note for note in notes if note.startswith("warning"))
