"""`regbench check` of methods: each thing that can be wrong is found, and a good one passes."""

import json
from contextlib import closing
from functools import cache
from itertools import takewhile
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from odd_methods import odd_method
from plugin_files import method_folder
from shell import Shell

from regbench.check import Finding, convention, training
from regbench.check.bench import SHIFT, ToyPair, bent, shifted
from regbench.check.method import check_method, metadata_findings
from regbench.cli.main import main
from regbench.plugins.kinds import MethodPlugin, read_methods
from regbench.plugins.loading import load_entry
from regbench.spatial.field import check_plausible
from regbench.spatial.warp import warp_image


@pytest.fixture
def odd(tmp_path: Path) -> MethodPlugin:
    return odd_method(tmp_path / "odd")


def look(plugin: MethodPlugin, check: str, **more: Any) -> Finding:
    """The first finding of a check; what comes after it is not run."""
    with closing(check_method(plugin, **more)) as findings:  # type: ignore[type-var]
        return next(finding for finding in findings if finding.check == check)


def test_the_toy_pairs_fit_their_true_fields() -> None:
    for pair in (bent(), bent(seed=3, shape=(16, 16, 32)), *shifts()):
        before = np.abs(pair.moving.data - pair.fixed.data).mean()
        after = np.abs(warp_image(pair.moving, pair.field).data - pair.fixed.data).mean()
        assert after < 0.1 * before
        assert pair.inside.mean() > 0.02


@cache
def shifts() -> list[ToyPair]:
    return [shifted(axis) for axis in range(3)]


@pytest.mark.parametrize(
    ("how", "outcome", "words"),
    [
        ("same", "ok", "finds 1.00, 1.00, 1.00"),
        ("half", "ok", "finds 0.60"),
        ("weak", "warning", "finds 0.20"),
        ("transposed", "FAIL", "transposed: components in the order (reversed)"),
        ("swapped", "FAIL", "transposed: components in the order (1, 0, 2)"),
        ("negated", "FAIL", "looks like the wrong sign (push-forward"),
        ("mm", "FAIL", "looks like millimetres instead of voxels"),
        ("ras", "FAIL", "world millimetres (RAS)"),
        ("lps", "FAIL", "world millimetres (LPS"),
        ("transposed mm", "FAIL", "millimetres instead of voxels, and transposed"),
        ("flipped", "FAIL", "flipped axes (world directions, RAS)"),
        ("normalised", "FAIL", "grid_sample's units"),
        ("zero", "note", "cannot tell: it did not follow"),
        ("constant", "note", "cannot tell"),
    ],
)
def test_a_mistake_in_the_convention_has_a_name(
    odd: MethodPlugin, how: str, outcome: str, words: str
) -> None:
    register = load_entry(odd.folder, "method:register")
    pairs = shifts()
    fields = [register(pair.fixed, pair.moving, how=how) for pair in pairs]
    for field in fields:
        check_plausible(field.displacement)
    found = convention.response(fields, [pair.inside for pair in pairs], SHIFT)
    finding = convention.judge(found, pairs[0].fixed.affine, pairs[0].fixed.shape)
    assert (finding.outcome, words in finding.text) == (outcome, True), finding
    assert bool(finding.fix) == (outcome in ("FAIL", "warning"))


@pytest.mark.parametrize(
    ("how", "check", "words"),
    [
        ("transposed", "convention", "the field looks like transposed"),
        ("positions", "run", "the field looks like positions"),
        ("float64", "run", "expected float32; found float64"),
        ("crash", "run", "crashed with signal 11"),
        ("hang", "run", "timeout: not done within 1 s"),
        ("memory", "run", "out-of-memory: used"),
    ],
)
def test_trouble_is_a_line_with_its_fix(
    odd: MethodPlugin, how: str, check: str, words: str
) -> None:
    limit = 1.0 if how == "hang" else None
    finding = look(odd, check, settings={"how": how}, time_limit_s=limit)
    assert finding.outcome == "FAIL" and words in finding.text and finding.fix
    assert "\n" not in finding.text
    assert ("subtract the voxel indices" in finding.fix) == (how == "positions")


def test_a_messy_method_is_found_out_to_the_end(odd: MethodPlugin, tmp_path: Path) -> None:
    log = tmp_path / "printed.txt"
    found = list(check_method(odd, settings={"how": "messy"}, time_limit_s=2.0, log=log))
    lines = [(f.check, f.outcome, f.text) for f in found]

    def has(check: str, outcome: str, words: str) -> bool:
        return any(c == check and o == outcome and words in t for c, o, t in lines)

    assert has("run", "ok", "finite"), lines
    assert has("folds", "warning", "voxels have a Jacobian")
    assert has("determinism", "FAIL", "another field")
    assert has("bad input", "FAIL", "a constant image: failed: the process ended with code 9")
    assert has("bad input", "FAIL", "2 voxels thick: timeout")
    assert has("bad input", "ok", "a NaN voxel: an error: has voxels that are not finite")
    # It writes beside its own source; what lies in its working folder goes with that.
    assert has("files", "FAIL", "cache.bin")
    assert has("output", "warning", "MiB")
    assert has("inputs", "ok", "left")
    assert log.stat().st_size > 2**20
    assert all(f.fix for f in found if f.outcome in ("FAIL", "warning"))


COMMAND = 'title: C\nkind: external\ncommand: [sh, run.sh, "{fixed}", "{outptu}"]\n'
RANDOM = """
import torch
from torch import nn
from regbench.learning.method import LearnedMethod

class Noisy(nn.Conv3d):
    def __init__(self):
        super().__init__(2, 3, 3, padding=1)
        self.spare = nn.Linear(1, 1)

    def forward(self, pair):
        return super().forward(pair + 0.1 * torch.rand_like(pair))

class Network(LearnedMethod):
    multiple = 4

    @classmethod
    def build(cls, settings):
        return Noisy()
"""


def test_metadata_are_looked_at(tmp_path: Path) -> None:
    folder = method_folder(tmp_path / "c", COMMAND)
    (folder / "run.sh").write_text("")
    found = list(metadata_findings(read_methods(folder)[0]))
    text = " | ".join(f"{f.outcome} {f.text}" for f in found)
    assert "FAIL {outptu} of the command is neither" in text
    assert "FAIL the command has no {output}" in text
    assert "warning a change of run.sh would not run" in text
    assert "warning no description" in text


@pytest.mark.verify
def test_what_training_forgets_is_found(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    for name, value in {"STEPS": 6, "VALIDATE_EVERY": 2, "SAVE_EVERY": 2, "KILL_AT": 3}.items():
        monkeypatch.setattr(training, name, value)
    text = "title: N\nkind: learned\nentry: method:Network\nsettings: {precision: fp32}\n"
    plugin = read_methods(method_folder(tmp_path / "n", text, RANDOM))[0]
    with closing(check_method(plugin)) as findings:  # type: ignore[type-var]
        found = {f.check: f for f in takewhile(lambda f: f.check != "run", findings)}
    assert found["training"].outcome == "warning"
    assert "2 of its tensors did not change, spare.weight first" in found["training"].text
    assert found["resume"].outcome == "FAIL"
    assert "killed at step 3 of 6 and resumed: other weights" in found["resume"].text


def test_the_command_prints_lines_or_json(shell: Shell) -> None:
    code, out, err = shell("check", "needy")
    assert (code, err) == (1, [])
    assert "FAIL     install          no_such_package not installed\n" in out
    assert "-> buy it" in out
    code, out, _ = shell("check", "needy", "--json")
    found = json.loads(out)
    assert code == 1 and not found["ok"]
    assert (found["name"], found["kind"]) == ("needy", "method")
    assert found["checks"][-1]["fix"] == "buy it"


def test_a_wrong_call_is_one_line(shell: Shell) -> None:
    shell.refuses("check", "shfit", naming=("'shfit'", "did you mean 'shift'"))
    shell.refuses("check", "shift", "--set", "x=1", naming=("x=1", "shift"))
    shell.refuses("check", "shift", "--dataset", naming=("data set",))
    shell.refuses("check", "shift", "--time-limit", "0", naming=("--time-limit", "> 0"))


def test_metadata_that_cannot_be_read_are_a_finding(
    shell: Shell, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    method_folder(shell.project / "methods" / "bad_one", "title: A\nkind: fast\n")
    code, out, err = shell("check", "bad-one")
    assert (code, err) == (1, [])
    assert out.startswith("FAIL     metadata") and "method.yaml" in out
    # By its path, from outside of any project.
    assert main(["check", str(shell.project / "methods" / "bad_one")]) == 1


def test_a_checkpoint_that_is_not_there_is_named(tmp_path: Path) -> None:
    text = "title: N\nkind: learned\nentry: method:Network\nsettings: {checkpoint: no.pt}\n"
    finding = look(read_methods(method_folder(tmp_path / "n", text))[0], "training")
    assert finding.outcome == "FAIL" and "no.pt: no such checkpoint" in finding.text
