"""The index page in a browser: no errors, tables sort, pickers and keys change the picture."""

import contextlib
import os
import re
from pathlib import Path
from typing import Any
from urllib.parse import parse_qs

import pytest
from browser import CHROMIUM, drive
from helpers import REPOSITORY, kind_module
from test_page import TITLE, build, finished
from toy_project import ToyProject

__all__ = ["finished"]

bundle_file = kind_module("page", "parts").bundle_file

pytestmark = pytest.mark.skipif(CHROMIUM is None, reason="Chromium is not installed")


@pytest.fixture(scope="module")
def page(finished: ToyProject) -> str:
    with contextlib.chdir(finished.root):
        return build(finished)


@pytest.fixture(scope="module")
def viewed(page: str, tmp_path_factory: pytest.TempPathFactory) -> dict[str, Any]:
    """One visit to the viewer: the state after each thing done."""
    if bundle_file() is None:
        pytest.skip("ipyniivue is not installed")
    return drive(page, VISIT, tmp_path_factory.mktemp("browser"), hash=ADDRESS)


ADDRESS = "#task=toy&method=shift%40by%3D2.0&image=warped"
VISIT = """
const seen = {};
seen.first = await until(() => $("viewer").dataset.state && JSON.parse($("viewer").dataset.state));
seen.fixed = await after(() => key("f"));
seen.warped = await after(() => key("f"));
seen.moving = await after(() => key("2"));
seen.jacobian = await after(() => document.querySelector("input[value=jacobian]").click());
seen.displacement = await after(() => document.querySelector("input[value=displacement]").click());
seen.none = await after(() => document.querySelector("input[value=none]").click());
await pick("pick-method", "shift@bend=2.0");
seen.bent = await after(() => document.querySelector("input[value=jacobian]").click());
seen.clear = await after(() => document.querySelector("input[value=none]").click());
await after(() => key("3"));
seen.method = await pick("pick-method", "identity");
seen.other = await pick("pick-case", $("pick-case").options[1].value);
seen.title = [...$("pick-method").options].map((o) => o.textContent);
// Contours lie on a canvas of their own.
const ink = () => {
  const canvas = $("viewer-contours");
  const { data } = canvas.getContext("2d").getImageData(0, 0, canvas.width, canvas.height);
  return data.reduce((sum, value, i) => sum + (i % 4 === 3 && value > 0), 0);
};
seen.ink = ink();
await after(() => key("l"));
seen.noInk = ink();
key("ArrowRight");
await pause(400);
seen.place = $("viewer-place").textContent;
seen.hash = location.hash;
seen.values = $("viewer-values").textContent;
// Outside the viewer a letter is a letter.
const before = turn();
key("f", document.body);
await pause(200);
seen.deaf = turn() === before;
// The wheel is the page's: nobody in the viewer keeps it from scrolling.
const wheel = new WheelEvent("wheel", { deltaY: 100, bubbles: true, cancelable: true });
seen.scrolls = $("viewer-canvas").dispatchEvent(wheel) && !wheel.defaultPrevented;
await after(() => document.querySelector("input[value=displacement]").click());
seen.over = $("viewer-place").textContent;
await after(() => document.querySelector("input[value=none]").click());
seen.bare = $("viewer-place").textContent;
// A second method beside the first one, with the same crosshair.
await pick("pick-beside", "shift@bend=2.0");
key("ArrowUp");
await pause(100);
const places = regbench.panes.map((pane) => pane.place);
seen.linked = places.length === 2 && places[0].every((x, k) => Math.abs(x - places[1][k]) < 0.01);
seen.beside = [$("beside-stage").hidden, $("viewer-values").querySelectorAll("table").length];
await pick("pick-beside", "");
location.hash = "#task=toy&case=nobody&method=identity&image=warped";
await until(() => $("viewer-message").textContent.includes("nobody"));
seen.unknown = $("viewer-message").textContent;
$("flicker").click();
const states = new Set();
for (let i = 0; i < 60 && states.size < 2; i++) {
  states.add(JSON.parse($("viewer").dataset.state).image);
  await pause(50);
}
$("flicker").click();
seen.flickered = [...states].sort();
return seen;
"""


def test_the_viewer_draws_what_the_address_asks_for(viewed: dict[str, Any]) -> None:
    first = viewed["first"]
    assert first["method"] == "shift@by=2.0" and first["image"] == "warped"
    # Grey values, not one colour.
    assert first["colours"] > 20 and first["width"] > 300


def test_images_and_overlays_change_the_picture(viewed: dict[str, Any]) -> None:
    assert viewed["fixed"]["image"] == "fixed" and viewed["warped"]["image"] == "warped"
    names = ("fixed", "warped", "moving", "displacement")
    pictures = {name: viewed[name]["picture"] for name in names}
    assert len(set(pictures.values())) == len(names), pictures
    # The same again is the same picture.
    assert viewed["warped"]["picture"] == viewed["first"]["picture"]
    assert viewed["none"]["picture"] == viewed["moving"]["picture"]
    # A shift has J = 1 everywhere, where that overlay is clear.
    assert viewed["jacobian"]["overlay"] == "jacobian"
    assert viewed["jacobian"]["picture"] == viewed["moving"]["picture"]
    assert viewed["bent"]["picture"] != viewed["clear"]["picture"]
    assert viewed["clear"]["picture"] == viewed["moving"]["picture"]


def test_pickers_change_the_picture(viewed: dict[str, Any]) -> None:
    assert viewed["method"]["method"] == "identity"
    assert viewed["method"]["picture"] != viewed["warped"]["picture"]
    # The identity leaves the moving image as it is.
    assert viewed["method"]["picture"] == viewed["moving"]["picture"]
    assert viewed["other"]["case"] != viewed["method"]["case"]
    assert viewed["other"]["picture"] != viewed["method"]["picture"]
    assert "method=identity" in viewed["hash"]


def test_contours_can_be_hidden(viewed: dict[str, Any]) -> None:
    assert viewed["ink"] > 100 and viewed["noInk"] == 0


def test_the_crosshair_moves_and_the_flicker_swaps(viewed: dict[str, Any]) -> None:
    assert viewed["place"].startswith("voxel ")
    assert viewed["flickered"] == ["fixed", "warped"]


def test_the_address_has_the_whole_state_and_says_what_is_not_there(viewed: dict[str, Any]) -> None:
    asked = parse_qs(viewed["hash"].removeprefix("#"), keep_blank_values=True)
    assert asked["contours"] == [""] and len(asked["at"][0].split(",")) == 3
    assert {"task", "case", "method", "beside", "image", "overlay"} <= set(asked)
    assert "no case nobody" in viewed["unknown"]


def test_keys_and_wheel_are_the_page_s_outside_the_viewer(viewed: dict[str, Any]) -> None:
    assert viewed["deaf"] is True and viewed["scrolls"] is True


def test_the_readout_follows_the_overlay_and_values_the_case(viewed: dict[str, Any]) -> None:
    assert "displacement" in viewed["over"] and "displacement" not in viewed["bare"]
    assert "dice" in viewed["values"] and "box" in viewed["values"]


def test_two_methods_stand_side_by_side_with_one_crosshair(viewed: dict[str, Any]) -> None:
    assert viewed["linked"] is True and viewed["beside"] == [False, 2]


PRINTED = """
const wide = document.querySelector("#report-leaderboard .scroll");
for (let k = 0; k < 30; k++) {
  for (const row of [...wide.querySelectorAll("tr")].slice(1)) {
    row.append(Object.assign(document.createElement(row.closest("thead") ? "th" : "td"), {
      textContent: `column ${k}`,
    }));
  }
}
dispatchEvent(new Event("beforeprint"));
const parts = [...document.querySelectorAll("#report-leaderboard .parts table")];
const found = parts.map((table) => [...table.tBodies[0].rows[0].cells].map((c) => c.textContent));
const columns = wide.querySelector("tbody tr").cells.length;
dispatchEvent(new Event("afterprint"));
document.querySelector(".enlarge")?.click();
return { found, columns, left: document.querySelectorAll(".parts").length };
"""


def test_a_wide_table_prints_in_parts_that_have_all_its_columns(page: str, tmp_path: Path) -> None:
    answer = drive(page, PRINTED, tmp_path)
    assert len(answer["found"]) > 1 and answer["left"] == 0
    names = {row[0] for row in answer["found"]}
    assert len(names) == 1
    assert sum(len(row) - 1 for row in answer["found"]) == answer["columns"] - 1


#: axe-core's axe.min.js: not part of the project; `make tools` fetches it.
AXE = Path(os.environ.get("REGBENCH_AXE", REPOSITORY / "build" / "axe" / "axe.min.js"))
CHECKED = """
await until(() => !$("viewer") || $("viewer").dataset.state);
const found = await axe.run();
return found.violations.map((v) => [v.id, v.impact, v.nodes.length, v.nodes[0].html.slice(0, 200)]);
"""


@pytest.mark.skipif(not AXE.is_file(), reason=f"no {AXE}: make tools fetches it")
@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_axe_finds_nothing_serious(page: str, tmp_path: Path, scheme: str) -> None:
    # Chromium has no switch for the scheme: the page itself is told.
    told = page.replace("color-scheme: light dark", f"color-scheme: {scheme}")
    told = told.replace("(prefers-color-scheme: dark)", "all" if scheme == "dark" else "not all")
    axe = AXE.read_text(encoding="utf-8")
    head, _, tail = told.rpartition("</body>")
    found = drive(f"{head}<script>{axe}</script></body>{tail}", CHECKED, tmp_path)
    assert [item for item in found if item[1] in ("serious", "critical")] == []


def test_names_stay_text(viewed: dict[str, Any]) -> None:
    assert any(TITLE in title for title in viewed["title"])


SORTED = """
const table = document.querySelector("#report-leaderboard table");
const cells = () => [...table.tBodies[0].rows].map((row) => row.cells[column].textContent);
const heads = [...table.tHead.querySelectorAll("button")];
const button = heads.find((b) => b.textContent === "box");
const at = button.closest("th");
// The lower header row has a cell for each column.
const column = at.cellIndex;
const before = cells();
button.click();
const up = cells();
const said = at.getAttribute("aria-sort");
button.click();
const all = document.querySelectorAll("#cases-list details").length;
const groups = [...table.tBodies[0].rows].map(
  (row) => `${row.cells[1].textContent} ${row.classList.contains("ranked")}`,
);
return { before, up, down: cells(), said, all, groups };
"""


def test_tables_sort_and_cases_open(page: str, tmp_path: Path) -> None:
    found = drive(page, SORTED, tmp_path)
    assert found["said"] == "ascending" and found["all"] == 12
    assert sorted(found["before"]) == sorted(found["up"])
    # Tasks stay apart, and in each of them controls below what is ranked.
    assert found["groups"] == sorted(found["groups"], key=found["groups"].index)
    for way, turned in (("up", 1), ("down", -1)):
        for group in set(found["groups"]):
            texts = [x for x, of in zip(found[way], found["groups"], strict=True) if of == group]
            numbers = [turned * float(re.split("[± ]", x)[0]) for x in texts if x != "-"]
            assert numbers == sorted(numbers)
    assert found["up"] != found["down"]


CASES = """
const pick = $("cases-outcome");
pick.value = "failed";
pick.dispatchEvent(new Event("change"));
const details = document.querySelectorAll("#cases-list details");
details[0].open = true;
await until(() => details[0].childElementCount > 1);
return { count: details.length, text: details[0].textContent };
"""


def test_a_failed_case_tells_its_reason(page: str, tmp_path: Path) -> None:
    found = drive(page, CASES, tmp_path)
    assert found["count"] == 1
    assert "no such luck" in found["text"] and "regbench register trouble" in found["text"]


def test_a_small_screen_has_no_sideways_scroll(page: str, tmp_path: Path) -> None:
    steps = "return [document.documentElement.scrollWidth, innerWidth];"
    width, window = drive(page, steps, tmp_path, size="500,800")
    assert width <= window
