"""A page in headless Chromium: a copy of it with a script that drives it, and what that answers."""

import json
import re
import shutil
import subprocess
from html import unescape
from pathlib import Path
from typing import Any

import pytest

CHROMIUM = shutil.which("chromium") or shutil.which("chromium-browser")
FLAGS = (
    *("--headless", "--no-sandbox", "--disable-gpu", "--hide-scrollbars", "--mute-audio"),
    # WebGL 2 without a graphics card.
    *("--use-angle=swiftshader", "--use-gl=angle", "--enable-unsafe-swiftshader"),
    # The page must do without a network: every name is unknown.
    "--host-resolver-rules=MAP * ~NOTFOUND",
)
#: Runs after the page's own scripts: `steps` is the test's, `answer` what it hands back.
_DRIVER = """
<script type="module">
const pause = (ms) => new Promise((done) => setTimeout(done, ms));
const until = async (ready) => {
  for (let i = 0; i < 600; i++) {
    const found = ready();
    if (found) return found;
    await pause(25);
  }
  throw new Error("waited too long for " + ready);
};
const $ = (name) => document.getElementById(name);
// Do something, and wait until the viewer has shown it.
const turn = () => $("viewer").dataset.turn;
const after = async (act) => {
  const before = turn();
  await act();
  await until(() => turn() !== before);
  return JSON.parse($("viewer").dataset.state);
};
const pick = (name, value) => after(() => {
  $(name).value = value;
  $(name).dispatchEvent(new Event("change"));
});
const key = (name, target = $("viewer-canvas")) => {
  const event = new KeyboardEvent("keydown", { key: name, bubbles: true, cancelable: true });
  target.dispatchEvent(event);
};
const answer = document.createElement("script");
answer.type = "application/json";
answer.id = "answer";
let found;
try {
  found = { answer: await (async () => { STEPS })() };
} catch (problem) {
  found = { problem: String(problem) };
}
found.errors = regbench.errors;
answer.textContent = JSON.stringify(found).replaceAll("<", "\\\\u003c");
document.body.append(answer);
</script>
"""


def drive(page: str, steps: str, folder: Path, *, size: str = "1000,800", hash: str = "") -> Any:
    """What `steps` (JavaScript, with `return`) answer on a page; no error may have come up.

    Args:
        page: HTML.
        steps: the body of an async function.
        folder: an empty folder.
        size: of the window.
        hash: what follows the page's address.
    """
    if CHROMIUM is None:
        pytest.skip("Chromium is not installed")
    file = folder / "driven.html"
    head, _, tail = page.rpartition("</body>")
    file.write_text(head + _DRIVER.replace("STEPS", steps) + "</body>" + tail)
    done = subprocess.run(
        [
            *(CHROMIUM, *FLAGS, f"--user-data-dir={folder / 'profile'}", f"--window-size={size}"),
            *("--timeout=30000", "--virtual-time-budget=60000", "--dump-dom"),
            f"{file.as_uri()}{hash}",
        ],
        capture_output=True,
        text=True,
        timeout=240,
    )
    match = re.search(r'<script type="application/json" id="answer">(.*?)</script>', done.stdout)
    assert match, f"no answer\n{done.stderr[-2000:]}"
    found = json.loads(unescape(match[1]))
    assert "problem" not in found, found
    assert found["errors"] == []
    return found["answer"]
