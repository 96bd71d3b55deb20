"""The command line: good input, and bad input as one line, exit code 2 and nothing written."""

import json
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from helpers import (
    AFFINES,
    REPOSITORY,
    SHAPE,
    box,
    random_image,
    shift_field,
)
from shell import Shell

from regbench.cli.main import GROUPS, main
from regbench.plugins.catalog import discover
from regbench.plugins.kinds import MethodPlugin
from regbench.spatial.field import read_field, write_field
from regbench.spatial.nifti import read_volume, write_volume
from regbench.spatial.volume import Volume


def test_register_writes_a_field_of_the_fixed_grid(shell: Shell) -> None:
    code, out, err = shell(*shell.pair("register", "shift"), "--set", "shift=[1, -2, 0.5]")
    assert (code, err) == (0, [])
    assert str(shell.output) in out
    found = read_field(shell.output, SHAPE)
    assert np.array_equal(found.displacement[3, 4, 5], [1, -2, 0.5])
    assert np.allclose(found.affine, AFFINES["oblique"], atol=1e-5)
    assert [path.name for path in shell.output.parent.iterdir()] == ["o.nii.gz"]


def _damaged(shell: Shell) -> list[object]:
    shell.moving.write_bytes(shell.moving.read_bytes()[:300])
    return shell.pair("register", "shift")


def _bad_header(shell: Shell) -> list[object]:
    path = shell.root / "in" / "bad.nii"
    write_volume(path, random_image())
    raw = bytearray(path.read_bytes())
    raw[70:72] = np.int16(4096).tobytes()
    path.write_bytes(bytes(raw))
    return shell.pair("register", "shift", moving=path)


def _other_shape(shell: Shell) -> list[object]:
    write_volume(shell.moving, random_image(shape=(4, 5, 6)))
    return shell.pair("register", "shift")


def _constant(shell: Shell) -> list[object]:
    write_volume(shell.fixed, Volume(np.ones(SHAPE), np.eye(4)))
    return shell.pair("register", "shift")


BAD_REGISTER: dict[str, tuple[Callable[[Shell], list[object]], tuple[object, ...]]] = {
    "method": (lambda s: s.pair("register", "shfit"), ("'shfit'", "did you mean 'shift'")),
    "missing": (lambda s: s.pair("register", "shift", fixed="no.nii.gz"), ("no.nii.gz",)),
    "damaged": (_damaged, ("m.nii.gz", "is not a readable NIfTI file")),
    "header": (_bad_header, ("bad.nii",)),
    "shapes": (_other_shape, (SHAPE, (4, 5, 6))),
    "constant": (_constant, ("f.nii.gz", "constant")),
    "setting": (lambda s: [*s.pair("register", "shift"), "--set", "x=1"], ("x=1", "shift")),
    "no value": (lambda s: [*s.pair("register", "shift"), "--set", "shift"], ("shift",)),
    "no yaml": (lambda s: [*s.pair("register", "shift"), "--set", "shift=[1"], ("shift=[1",)),
    "ending": (lambda s: s.pair("register", "shift", output=s.root / "o.mha"), ("o.mha", ".nii")),
    "checkpoint": (
        lambda s: [*s.pair("register", "shift"), "--checkpoint", "c.pt"],
        ("checkpoint", "c.pt"),
    ),
    "control": (lambda s: s.pair("register", "oracle"), ("oracle", "true_field")),
    "package": (lambda s: s.pair("register", "needy"), ("no_such_package", "buy it")),
    "crash": (lambda s: s.pair("register", "broken"), ("broken", "RuntimeError: two lines")),
    "field": (lambda s: s.pair("register", "short"), ("short", (*SHAPE, 3), (2, 2, 2, 3))),
}


@pytest.mark.parametrize("name", BAD_REGISTER)
def test_register_refuses(shell: Shell, name: str) -> None:
    words, naming = BAD_REGISTER[name]
    shell.refuses(*words(shell), naming=naming)


def _with_field(shell: Shell, shape: Any = SHAPE) -> Path:
    path = shell.root / "in" / "disp.nii.gz"
    write_field(path, shift_field([1, 2, -1], shape))
    return path


def test_warp_moves_an_image_onto_the_fixed_grid(shell: Shell) -> None:
    code, _, err = shell(*shell.pair("warp", displacement=_with_field(shell)))
    assert (code, err) == (0, [])
    warped, moving = read_volume(shell.output), read_volume(shell.moving)
    assert np.allclose(warped.data[:-1, :-2, 1:], moving.data[1:, 2:, :-1], atol=1e-6)
    assert np.allclose(warped.affine, AFFINES["oblique"], atol=1e-5)


def test_warp_keeps_labels_whole_with_0_outside(shell: Shell) -> None:
    labels = box(SHAPE, (0, 0, 0), SHAPE).astype(int) * 7
    write_volume(shell.moving, Volume(labels, np.eye(4)))
    assert shell(*shell.pair("warp", displacement=_with_field(shell)), "--labels")[0] == 0
    warped = read_volume(shell.output, labels=True).data
    assert (warped[:-1, :-2, 1:] == 7).all()
    assert warped.sum() == 7 * (SHAPE[0] - 1) * (SHAPE[1] - 2) * (SHAPE[2] - 1)


@pytest.mark.parametrize(
    ("prepare", "labels", "naming"),
    [
        (lambda s: {"displacement": "none.nii.gz"}, False, ("none.nii.gz",)),
        (lambda s: {"displacement": s.fixed}, False, ("f.nii.gz", SHAPE)),
        (lambda s: {"displacement": _with_field(s, (4, 5, 6))}, False, ((*SHAPE, 3), (4, 5, 6, 3))),
        (lambda s: {"displacement": _with_field(s)}, True, ("m.nii.gz", "whole numbers")),
        (
            lambda s: {"displacement": _with_field(s), "output": s.root / "w.png"},
            False,
            ("w.png", ".nii"),
        ),
        (
            lambda s: {"displacement": _with_field(s), "output": s.fixed / "w.nii.gz"},
            False,
            ("f.nii.gz",),
        ),
    ],
    ids=["missing", "an image", "shape", "fractions", "ending", "no folder"],
)
def test_warp_refuses(
    shell: Shell,
    prepare: Callable[[Shell], dict[str, object]],
    labels: bool,
    naming: tuple[object, ...],
) -> None:
    words = shell.pair("warp", **prepare(shell))
    shell.refuses(*words, *(["--labels"] if labels else []), naming=naming)


@pytest.mark.parametrize("kind", ["methods", "datasets", "metrics"])
def test_listings_are_json_with_the_promised_keys(
    kind: str, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["--root", str(REPOSITORY), kind, "--json"]) == 0
    found = json.loads(capsys.readouterr().out)
    keys = {"name", "title", "kind", "plugin", "available", "parameters"}
    assert found
    assert all(keys <= set(item) for item in found)
    assert [item["name"] for item in found] == sorted(item["name"] for item in found)
    assert main(["--root", str(REPOSITORY), kind]) == 0
    text = capsys.readouterr().out
    assert all(item["name"] in text for item in found)


def test_what_lacks_a_package_is_listed_as_not_available(shell: Shell) -> None:
    _, out, _ = shell("methods", "--json")
    state = {item["name"]: item["available"] for item in json.loads(out)}
    assert state == {"shift": True, "broken": True, "short": True, "needy": False, "oracle": True}
    assert "no_such_package not installed" in shell("methods")[1]


@pytest.mark.parametrize(
    ("text", "word"),
    [
        (None, "my.yaml"),
        ("a: [", "YAML"),
        ("- a\n", "my.yaml"),
        ("words\n", "my.yaml"),
        ("plugins: [a]\n", "plugins"),
        ("plugins: {methods: 3}\n", "plugins.methods"),
        ("plugins: {methods: [3]}\n", "plugins.methods"),
        ("plugins: {methods: [nowhere]}\n", "nowhere"),
    ],
)
def test_listings_refuse_a_bad_config(shell: Shell, text: str | None, word: str) -> None:
    file = shell.root / "my.yaml"
    if text is not None:
        file.write_text(text)
    shell.refuses("metrics", "--config", file, naming=(word,))


def test_a_named_folder_without_a_project_is_refused_and_elsewhere_the_box_serves(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    assert main(["--root", str(tmp_path), "methods"]) == 2
    (line,) = capsys.readouterr().err.splitlines()
    assert "is not a project" in line and str(tmp_path) in line
    monkeypatch.chdir(tmp_path)
    assert main(["methods"]) == 0
    assert "f3rnet-mrb" in capsys.readouterr().out


def test_the_program_exits_with_the_code_and_debug_shows_the_trace(shell: Shell) -> None:
    words = [sys.executable, "-m", "regbench.cli.main", "--root", str(shell.project)]
    tail = [str(word) for word in shell.pair("register", "none")]
    plain = subprocess.run([*words, *tail], capture_output=True, text=True, check=False)
    assert (plain.returncode, plain.stdout) == (2, "")
    assert len(plain.stderr.splitlines()) == 1
    debug = subprocess.run([*words, "--debug", *tail], capture_output=True, text=True, check=False)
    assert "Traceback" in debug.stderr
    assert debug.returncode not in (0, 2)


def test_an_interrupt_while_a_command_is_imported_is_one_line(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    def interrupted(module: str) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr("regbench.cli.main.import_module", interrupted)
    assert main(["methods"]) == 130
    assert capsys.readouterr().err == "regbench: interrupted; finished cases are kept\n"


def test_the_shell_completes_commands_and_options(shell: Shell) -> None:
    code, script, err = shell("completion", "bash")
    assert (code, err) == (0, [])
    (shell.root / "completion.bash").write_text(script)
    line = (
        "source completion.bash; "
        'complete() { COMP_WORDS=("$@"); COMP_CWORD=$(($# - 1)); COMPREPLY=(); '
        '_shtab_regbench "" "${COMP_WORDS[COMP_CWORD]}" ""; echo "${COMPREPLY[@]}"; }; '
        "complete regbench basel; complete regbench baseline update --rea"
    )
    command = ["bash", "-c", line]
    done = subprocess.run(command, cwd=shell.root, capture_output=True, text=True, check=True)
    assert done.stdout.split() == ["baseline", "--reason"]
    code, script, err = shell("completion", "zsh")
    assert (code, err) == (0, []) and script.startswith("#compdef regbench")


@pytest.mark.parametrize(
    ("words", "nearest"),
    [(["registr"], "register"), (["baseline", "chekc"], "check"), (["completion", "bsh"], "bash")],
)
def test_a_mistyped_word_gets_the_nearest_one(
    shell: Shell, capsys: pytest.CaptureFixture[str], words: list[str], nearest: str
) -> None:
    with pytest.raises(SystemExit) as ended:
        shell(*words)
    assert ended.value.code == 2
    assert f"(did you mean {nearest!r}?)" in capsys.readouterr().err


@pytest.mark.parametrize(
    ("words", "line"),
    [
        ("train tiny --seed -1", "from 0 to 2147483648; found -1"),
        ("register shift --seed 1e9", "whole number"),
        ("run --cores 0", "expected all, or whole number from 1"),
        ("retry --cores many", "found many"),
        ("evaluate --cores -2", "found -2"),
        ("study --minutes nan", "expected number from 0"),
    ],
)
def test_a_number_out_of_bounds_is_refused(
    shell: Shell, capsys: pytest.CaptureFixture[str], words: str, line: str
) -> None:
    with pytest.raises(SystemExit) as ended:
        shell(*words.split())
    assert ended.value.code == 2
    assert line in capsys.readouterr().err.splitlines()[-1]


def test_an_error_of_the_system_names_its_file_first(shell: Shell) -> None:
    line = f"regbench: {shell.fixed / 'x'}: cannot be read or written; found Not a directory"
    shell.refuses("init", shell.fixed / "x", naming=(line,))


@pytest.mark.parametrize("value", ["[" * 10**5, "2021-02-30", "9" * 5000, "[*a]"])
def test_a_setting_that_is_no_value_is_one_line(shell: Shell, value: str) -> None:
    words = [*shell.pair("register", "shift"), "--set", f"shift={value}"]
    shell.refuses(*words, naming=("not a value",))


def test_names_that_are_nearly_right_get_the_nearest_one(shell: Shell) -> None:
    pair = shell.pair("register", "shift")
    shell.refuses(*pair, "--set", "shfit=1", naming=("did you mean 'shift'",))
    shell.refuses("methods", "brokn", naming=("'brokn' (did you mean 'broken'?)",))
    (shell.root / "own.yaml").write_text("name: own\n")
    shell.refuses(
        "verdict", "--config", shell.root / "onw.yaml", naming=("did you mean 'own.yaml'",)
    )
    (shell.root / "own.yaml").write_text("name: own\nmethods: [a\ntasks: 1\n")
    shell.refuses(
        "verdict", "--config", shell.root / "own.yaml", naming=("own.yaml", "YAML in line 3")
    )


def test_a_method_is_shown_with_its_settings_and_their_meaning(
    shell: Shell, capsys: pytest.CaptureFixture[str]
) -> None:
    _, text, _ = shell("methods", "shift")
    assert text.startswith("shift ") and "\n  shift: 1\n" in text and "broken" not in text
    assert main(["--root", str(REPOSITORY), "methods", "vm-1", "--json"]) == 0
    (found,) = json.loads(capsys.readouterr().out)
    assert found["settings"]["steps"] == {"default": 1600, "meaning": "steps of Adam"}
    # A plugin's own meaning comes before that of all learned methods.
    assert "VoxelMorph-1" in found["settings"]["network"]["meaning"]
    file = shell.project / "methods" / "shift" / "method.yaml"
    file.write_text(file.read_text() + "meanings: {shft: voxels}\n")
    *_, err = shell("register", *shell.pair("shift"))
    assert "shift has no setting 'shft' (did you mean 'shift'?)" in err[0]


@pytest.mark.parametrize("plugin", discover(REPOSITORY).methods.values(), ids=lambda p: p.id)
def test_every_setting_has_a_meaning(plugin: MethodPlugin) -> None:
    assert [name for name in plugin.settings if not plugin.meanings.get(name)] == []


def test_the_help_has_every_command_below_the_title_of_its_group(
    capsys: pytest.CaptureFixture[str],
) -> None:
    with pytest.raises(SystemExit) as ended:
        main(["--help"])
    assert ended.value.code == 0
    text = capsys.readouterr().out
    for title, commands in GROUPS.items():
        section = text.partition(f"\n  {title}:\n")[2].partition("\n\n")[0]
        assert [line.split()[0] for line in section.splitlines()] == list(commands)


def test_a_command_imports_its_own_module_only() -> None:
    code = (
        "import sys\n"
        "from regbench.cli.main import main\n"
        "try: main(['stage', 'register', '--help'])\n"
        "except SystemExit: print(sorted(m for m in sys.modules if m.startswith('regbench.cli.')))"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    modules = done.stdout.splitlines()[-1]
    assert modules == "['regbench.cli.main', 'regbench.cli.options', 'regbench.cli.stage']"
