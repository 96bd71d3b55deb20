"""Orientation: figures and viewer show one volume alike, the patient's right at the left."""

from itertools import pairwise
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest
from browser import CHROMIUM, drive
from helpers import AFFINES, centred, kind_module
from nibabel.orientations import io_orientation
from numpy.typing import NDArray

from regbench.reports.case_figure import CaseFigure, Panel
from regbench.reports.planes import AXES, LETTERS, Region
from regbench.reports.results import RunFacts
from regbench.spatial.volume import Volume, to_ras

TEMPLATES = kind_module("page").TEMPLATES
parts = kind_module("page", "parts")
volumes = kind_module("page", "volumes")
sheet = kind_module("overview", "sheet")
SHAPE = (24, 26, 28)
HEADERS = ("anisotropic", "flipped", "oblique", "oblique-flipped")
#: Places along each side at which pictures are compared.
N = 12
RUN: dict[str, Any] = {"kind": "learned", "seeds": [0], "settings": {}, "threads": 1}


def _volume(header: str) -> tuple[Volume, NDArray[np.bool_]]:
    """An image that is brighter towards right, front and head, each by another amount, and the
    corner where it is brightest. By nibabel's reading of the header, not by the code under test."""
    affine = centred(AFFINES[header], SHAPE)
    towards = [np.zeros(SHAPE)] * 3
    index = np.indices(SHAPE)
    for axis, (world, sign) in enumerate(io_orientation(affine)):
        towards[int(world)] = sign * (2 * index[axis] / (SHAPE[axis] - 1) - 1)
    sides = [t > 0.25 for t in towards]
    image = 0.3 + sum(w * side for w, side in zip((0.35, 0.2, 0.15), sides, strict=True))
    return Volume(image.astype(np.float32), affine), np.logical_and.reduce(sides)


def _coarse(picture: NDArray) -> NDArray[np.float64]:
    """N by N means."""
    rows, columns = (np.linspace(0, n, N + 1).astype(int) for n in picture.shape)
    return np.array(
        [[picture[a:b, c:d].mean() for c, d in pairwise(columns)] for a, b in pairwise(rows)]
    )


def _figure(header: str) -> dict[str, NDArray]:
    """The whole pictures of the fixed image in a figure, as rendered, by view."""
    volume, _ = _volume(header)
    turned = to_ras(volume)
    run = RunFacts(title="A", run="a", task="t", method="a", **RUN)
    panel = Panel(run, 0, "", turned.data, None, None)
    # The planes that the viewer's crosshair lies in, too.
    regions = tuple(
        Region(view, int(0.8 * turned.shape[AXES[view][0]]), 2, 2, 4, 4) for view in AXES
    )
    drawn = CaseFigure("c", "named", turned, panel, ("MR", "CT"), (), None, (panel,), regions, ())
    figure: Any = sheet.draw(drawn, ["", ""])
    figure.canvas.draw()
    pixels = np.asarray(figure.canvas.buffer_rgba())[..., 0].astype(float)
    found = {}
    # Of each view the whole picture, then the enlarged part.
    for view, axes in zip(AXES, figure.axes[::2], strict=False):
        box = axes.get_window_extent()
        top, bottom = (int(len(pixels) - y) for y in (box.y1, box.y0))
        letters = {text.get_text() for text in axes.texts if len(text.get_text()) == 1}
        assert letters == set(LETTERS[view])
        found[view] = _coarse(pixels[top:bottom, int(box.x0) : int(box.x1)])
    return found


def _check_sides(pictures: dict[str, NDArray]) -> None:
    """R or A at the left and A or S on top are the brighter sides."""
    for view, picture in pictures.items():
        half = N // 2
        assert picture[:, :half].mean() > picture[:, half:].mean() + 5, view
        assert picture[:half].mean() > picture[half:].mean() + 5, view


@pytest.mark.parametrize("header", HEADERS)
def test_a_figure_shows_the_right_at_the_left_and_front_and_head_on_top(header: str) -> None:
    _check_sides(_figure(header))


def _page() -> str:
    """A page whose tasks are the headers, with one case and one method each."""
    tasks, blobs = [], {}
    for header in HEADERS:
        volume, corner = _volume(header)
        levels = np.rint(255 * volume.data).astype(np.uint8)
        blobs[header] = volumes.encode(levels, volume.affine, (0.0, 255.0))
        blobs[f"{header}-l"] = volumes.encode(corner.astype(np.uint8), volume.affine, (0.0, 255.0))
        names = {"fixed": header, "moving": header, "labels": f"{header}-l"}
        run = {"run": "r", "title": "R", "seed": 0, "kind": "learned", "largest": 1.0}
        run["volumes"] = {"warped": header, "labels": f"{header}-l"}
        case = {"case": "c", "volumes": names, "runs": [run], "scale": 1.0, "why": ""}
        case["affine"] = np.eye(4).tolist()
        texts = {"task": header, "title": header, "fixed": "MR", "moving": "CT"}
        tasks.append({**texts, "labels": ["liver"], "colours": ["#f0e442"], "cases": [case]})
    bundle = parts.read_bundle(parts.bundle_file())
    assert isinstance(bundle, parts.Bundle)
    about = SimpleNamespace(tasks={}, config="c", description="", seeds=[0], hardware="h")
    return TEMPLATES.get_template("page.html").render(
        page=SimpleNamespace(title="T", caption=""),
        results=about,
        reports=[],
        sections=[],
        records=[],
        bundle=bundle,
        style=parts.STYLE.read_text(encoding="utf-8"),
        scripts=[script.read_text(encoding="utf-8") for script in parts.SCRIPTS],
        missing=[],
        manifest={"tasks": tasks, "orientation": volumes.viewer_options()},
        volumes=blobs,
    )


TILES = """
await until(() => $("viewer").dataset.state);
const found = {};
for (const task of [...$("pick-task").options].map((option) => option.value)) {
  await pick("pick-task", task);
  const [pane] = regbench.panes;
  const { viewer } = pane;
  viewer.opts.crosshairWidth = 0;
  viewer.opts.isOrientationTextVisible = false;
  viewer.scene.crosshairPos = [0.82, 0.82, 0.82];
  viewer.drawScene();
  const [width, height] = [viewer.gl.drawingBufferWidth, viewer.gl.drawingBufferHeight];
  const pixels = new Uint8Array(4 * width * height);
  viewer.gl.readPixels(0, 0, width, height, viewer.gl.RGBA, viewer.gl.UNSIGNED_BYTE, pixels);
  const ink = pane.above.getContext("2d").getImageData(0, 0, width, height).data;
  found[task] = {};
  for (const tile of viewer.screenSlices) {
    if (tile.axCorSag > 2) continue;
    let [left, top, across, down] = tile.leftTopWidthHeight;
    [left, across] = [Math.min(left, left + across), Math.abs(across)];
    const grid = [];
    let [drawn, x, y] = [0, 0, 0];
    for (let row = 0; row < N; row++) {
      grid.push([]);
      for (let column = 0; column < N; column++) {
        const u = Math.floor(left + (column + 0.5) * across / N);
        const v = Math.floor(top + (row + 0.5) * down / N);
        grid[row].push(pixels[4 * ((height - 1 - v) * width + u)]);
      }
    }
    for (let v = Math.ceil(top); v < Math.floor(top + down); v++) {
      for (let u = Math.ceil(left); u < Math.floor(left + across); u++) {
        if (ink[4 * (v * width + u) + 3] < 128) continue;
        drawn += 1;
        x += (u - left) / across;
        y += (v - top) / down;
      }
    }
    found[task][["axial", "coronal", "sagittal"][tile.axCorSag]] =
      { grid, drawn, x: x / drawn, y: y / drawn };
  }
}
const { opts } = regbench.panes[0].viewer;
return { found, all: opts.showAllOrientationMarkers };
""".replace("N;", f"{N};").replace("/ N)", f"/ {N})")


@pytest.mark.verify
@pytest.mark.skipif(CHROMIUM is None, reason="Chromium is not installed")
def test_the_viewer_shows_what_the_figures_show(tmp_path: Path) -> None:
    if parts.bundle_file() is None:
        pytest.skip("ipyniivue is not installed")
    answer = drive(_page(), TILES, tmp_path, size="720,480")
    assert answer["all"] is True
    for header in HEADERS:
        tiles = answer["found"][header]
        pictures = {view: np.array(tiles[view]["grid"], float) for view in AXES}
        _check_sides(pictures)
        for view, figure in _figure(header).items():
            shown = pictures[view]
            same = np.corrcoef(shown.ravel(), figure.ravel())[0, 1]
            mirrored = np.corrcoef(shown[:, ::-1].ravel(), figure.ravel())[0, 1]
            assert same > 0.9 > mirrored, (header, view, same, mirrored)
            # The contour of the brightest corner lies on it: top left in every view.
            assert tiles[view]["drawn"] > 20
            assert tiles[view]["x"] < 0.5 and tiles[view]["y"] < 0.5, (header, view)
