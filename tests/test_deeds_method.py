"""Deeds as a method: on a phantom pair, with an affine part, and on grids of its own."""

import importlib
import subprocess
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from helpers import REPOSITORY, make_affine, one_line
from numpy.typing import NDArray
from scipy.ndimage import gaussian_filter

from regbench.base.errors import BadInput
from regbench.plan.keys import named_files
from regbench.plugins.catalog import discover
from regbench.plugins.interface import Context
from regbench.plugins.loading import load_entry
from regbench.spatial.operations import jacobian_determinant
from regbench.spatial.volume import Volume
from regbench.spatial.warp import warp_labels

SMALL = {"spacings": [4, 3], "radii": [3, 2], "steps": [2, 1]}


def method(folder: Path, **settings: Any) -> Any:
    plugin = discover(REPOSITORY).methods["deeds"]
    entry = load_entry(plugin.folder, str(plugin.entry))
    return entry({**plugin.settings, **settings}, Context(1, 0, "cpu", True, folder))


def part(deeds: Any, name: str) -> Any:
    """A module of the plugin."""
    return importlib.import_module(f"{type(deeds).__module__.rpartition('.')[0]}.{name}")


def texture(shape: tuple[int, int, int], seed: int) -> NDArray[np.float32]:
    noise = gaussian_filter(np.random.default_rng(seed).normal(size=shape), 2)
    return (noise / noise.std()).astype(np.float32)


@pytest.mark.verify
def test_it_registers_a_cross_modal_phantom_pair(tmp_path: Path) -> None:
    make_pair = load_entry(REPOSITORY / "datasets" / "abdomen_phantom", "dataset:make_pair")
    pair = make_pair(9001, shape=[40, 40, 40])
    fixed, moving = pair.sides
    found = method(tmp_path, spacing_mm=2).register(fixed.image, moving.image)
    assert found.shape == (40, 40, 40)
    assert (jacobian_determinant(found.displacement) > 0).all()

    def dice(labels: NDArray) -> float:
        mine, other = fixed.labels.data == 1, labels == 1
        return float(2 * (mine & other).sum() / (mine.sum() + other.sum()))

    assert dice(moving.labels.data) < 0.85
    assert dice(warp_labels(moving.labels, found).data) > 0.9
    true, inside = pair.fields[0].displacement, fixed.labels.data > 0
    error = np.linalg.norm(found.displacement - true, axis=-1)[inside].mean()
    assert error < 0.6 * np.linalg.norm(true, axis=-1)[inside].mean()


def test_the_affine_part_reaches_what_the_search_does_not(tmp_path: Path) -> None:
    image, affine = texture((40, 36, 38), 1), make_affine((2.0, 2.0, 2.0))
    shift = (12, -9, 10)
    fixed = Volume(image, affine)
    moving = Volume(np.roll(image, shift, axis=(0, 1, 2)), affine)
    file = tmp_path / "affine.txt"
    np.savetxt(file, np.array([[1, 0, 0, 0], [0, 1, 0, 0], [0, 0, 1, 0], [*shift, 1]]))
    inner = (slice(14, -14),) * 3
    helped = method(tmp_path, **SMALL, affine=str(file)).register(fixed, moving).displacement
    assert np.abs(helped[inner] - shift).max() < 0.5
    alone = method(tmp_path, **SMALL).register(fixed, moving).displacement
    assert np.abs(alone[inner] - shift).mean() > 3


def test_an_affine_turns_the_way_its_file_says(tmp_path: Path) -> None:
    deeds = method(tmp_path)
    rows = np.array([[1.1, 0.2, 0, 0], [0, 0.9, 0, 0], [0, 0, 1, 0], [1, 2, 3, 1]])
    file = tmp_path / "affine.txt"
    np.savetxt(file, rows)
    module = part(deeds, "affine")
    still = module.Field(np.zeros((4, 5, 6, 3), np.float32), np.eye(4))
    found = module.with_affine(still, module.read_affine(file)).displacement
    # The authors' convention: [i j k 1] times the matrix.
    assert np.allclose(found[3, 4, 5] + (3, 4, 5), (np.array([3, 4, 5, 1]) @ rows)[:3])


@pytest.mark.parametrize(
    ("text", "words"),
    [
        (None, ["no affine matrix", "4 rows of 4 numbers"]),
        ("1 0 0\n0 1 0\n", ["no affine matrix", "found (2, 3)"]),
        ("one two\n", ["no affine matrix"]),
        ("1 0 0 5\n0 1 0 0\n0 0 1 0\n0 0 0 1\n", ["another place than the last row"]),
        ("-1 0 0 0\n0 1 0 0\n0 0 1 0\n0 0 0 1\n", ["mirrored or singular"]),
        ("nan 0 0 0\n0 1 0 0\n0 0 1 0\n0 0 0 1\n", ["no affine matrix"]),
    ],
)
def test_a_bad_affine_is_refused(tmp_path: Path, text: str | None, words: list[str]) -> None:
    file = tmp_path / "affine.txt"
    if text is not None:
        file.write_text(text)
    with pytest.raises(BadInput) as error:
        method(tmp_path, affine=str(file))
    one_line(error.value, *words)


def test_the_content_of_a_file_that_a_setting_names_counts(tmp_path: Path) -> None:
    file = tmp_path / "affine.txt"
    file.write_text("1")
    settings = {"affine": str(file), "backend": "embedded", "weight": 1.6, "long": "x" * 5000}
    before = named_files(settings)
    assert list(before) == ["affine"]
    file.write_text("2")
    assert named_files(settings) != before


def double(values: NDArray, factor: int) -> None:
    for i in range(len(values)):
        values[i] *= factor


def test_compiled_code_is_loaded_from_its_file_and_made_anew_where_that_is_damaged(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    compiled = part(method(tmp_path), "compiled")
    monkeypatch.setenv("NUMBA_CACHE_DIR", str(tmp_path))
    made = []
    original = compiled.Compiled._compile
    monkeypatch.setattr(
        compiled.Compiled, "_compile", lambda *given: made.append(1) or original(*given)
    )

    def run(kind: type) -> int:
        values = np.arange(3, dtype=kind)
        compiled.Compiled(double)(values, 2)
        assert values.tolist() == [0, 2, 4]
        return len(made)

    assert [run(np.float32), run(np.float32)] == [1, 1]
    (file,) = tmp_path.glob("*.o")
    file.write_bytes(file.read_bytes()[:-1])
    assert [run(np.float32), run(np.float32), run(np.int64)] == [2, 2, 3]
    with pytest.raises(ValueError, match="contiguous"):
        compiled.Compiled(double)(np.zeros(6)[::2], 2)


def test_where_all_code_is_compiled_numba_is_not_imported(tmp_path: Path) -> None:
    pair = [Volume(texture((12, 12, 12), seed), np.eye(4)) for seed in (1, 2)]
    field = method(tmp_path, **SMALL).register(*pair)
    for name, volume in zip(("fixed", "moving"), pair, strict=True):
        np.save(tmp_path / name, volume.data)
    code = f"""
import sys
from pathlib import Path
import numpy as np
from regbench.plugins.interface import Context
from regbench.plugins.loading import load_entry
from regbench.spatial.volume import Volume
folder = Path({str(tmp_path)!r})
settings = dict(backend="embedded", affine="", spacing_mm=0, weight=1.6, **{SMALL})
deeds = load_entry(Path({str(REPOSITORY / "methods" / "deeds")!r}), "method:Deeds")
method = deeds(settings, Context(1, 0, "cpu", True, folder))
pair = [Volume(np.load(folder / f"{{name}}.npy"), np.eye(4)) for name in ("fixed", "moving")]
np.save(folder / "field.npy", method.register(*pair).displacement)
print("numba" in sys.modules, "numba" in method.versions())
"""
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.split() == ["False", "True"]
    assert np.load(tmp_path / "field.npy").tobytes() == field.displacement.tobytes()


def test_without_a_folder_for_compiled_code_one_line_says_so(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    compiled = part(method(tmp_path), "compiled")
    blocked = tmp_path / "file"
    blocked.write_text("")
    monkeypatch.delenv("NUMBA_CACHE_DIR", raising=False)
    monkeypatch.setenv("XDG_CACHE_HOME", str(blocked))
    values = np.ones(2)
    with pytest.warns(UserWarning, match="compiles anew in each process") as warned:
        compiled.Compiled(double)(values, 3)
    assert len(warned) == 1
    assert values.tolist() == [3, 3]
