"""Methods that misbehave: what they leave, where they write, what they return."""

import json
import shutil
import stat
import subprocess
import sys
from pathlib import Path

import numpy as np
import pandas as pd
import psutil
import pytest
from helpers import SHAPE, linear_field, one_line, shift_field, smooth_field
from plugin_files import method_folder
from test_launcher import register
from toy_project import ToyProject, make_project

from regbench.base.errors import BadInput
from regbench.base.files import write_text
from regbench.base.paths import layout_file
from regbench.cli.main import main
from regbench.execution.method_log import last_words
from regbench.execution.prepare import prepare
from regbench.execution.program import ending
from regbench.execution.sandbox import landlock_version
from regbench.measure.evaluate import measure_run
from regbench.plan.config import resolve
from regbench.plan.jobs import Job
from regbench.plan.resources import Shard
from regbench.reports.notes import MAX_REASONS, _trouble
from regbench.spatial.field import check_plausible

FIRST = Shard(1, 3)
confined = pytest.mark.skipif(landlock_version() == 0, reason="this kernel has no Landlock")


@pytest.fixture(scope="module")
def project(tmp_path_factory: pytest.TempPathFactory) -> ToyProject:
    made = make_project(tmp_path_factory.mktemp("bad-methods"))
    config = resolve(made.config, made.root)
    prepare(config.datasets["toy"], made.root / layout_file("toy", "toy"))
    return made


def running(*words: str) -> bool:
    """Whether there is a process whose command line begins so."""
    found = [p.info["cmdline"] or [] for p in psutil.process_iter(["cmdline"])]
    return any(line[: len(words)] == list(words) for line in found)


def test_a_relative_path_leads_to_the_working_folder(
    project: ToyProject, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(project.root)
    statuses = register(project, "trouble", tmp_path, how="write inside")
    assert {s.outcome for s in statuses} == {"ok"}
    assert not (project.root / "stray.txt").exists()


def test_inputs_that_change_meanwhile_fail_the_case(project: ToyProject, tmp_path: Path) -> None:
    """Where the kernel does not refuse it, or a method has asked to be left alone."""
    yaml = project.root / "methods" / "trouble" / "method.yaml"
    image = project.root / "data" / "toy" / "toy" / "imagesTr" / "Toy_0005_0001.nii.gz"
    kept = image.read_bytes()
    text = yaml.read_text()
    yaml.write_text(text + "confined: false\n")
    try:
        statuses = register(project, "trouble", tmp_path, how="write outside", place=str(image))
    finally:
        yaml.write_text(text)
        image.write_bytes(kept)
    assert [s.outcome for s in statuses] == ["ok", "failed", "ok"]
    assert "Toy_0005_0001.nii.gz: changed while the method ran" in statuses[1].reason


def test_a_package_that_is_missing_at_the_start(project: ToyProject, tmp_path: Path) -> None:
    folder = project.root / "methods" / "needy"
    head = "title: A\nkind: external\nentry: method:register\n"
    method_folder(folder, head + "install: buy it\n", "import no_such_package_at_all.part\n")
    try:
        first = register(project, "needy", tmp_path)
        assert {s.reason for s in first} == {"no_such_package_at_all is not installed: buy it"}
        assert {s.outcome for s in first} == {"skipped"}
        # Now it is there, and no other thing has changed.
        for status in first:
            file = tmp_path / status.case / "status.json"
            file.write_text(file.read_text().replace("no_such_package_at_all", "json"))
        assert {s.outcome for s in register(project, "needy", tmp_path)} == {"skipped"}
        again = (tmp_path / first[0].case / "status.json").read_text()
        assert '"missing": "no_such_package_at_all"' in again
    finally:
        shutil.rmtree(folder)


@pytest.mark.parametrize(
    ("code", "outcome", "reason"),
    [
        ("os.kill(os.getpid(), 9)", "out-of-memory", "killed by the system"),
        ("import no_such_package_at_all", "skipped", "no_such_package_at_all is not installed"),
    ],
)
def test_a_training_that_crashes_is_a_record(
    project: ToyProject,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    code: str,
    outcome: str,
    reason: str,
) -> None:
    head = "title: A\nkind: learned\nentry: method:Net\ninstall: buy\n"
    method_folder(tmp_path / "crasher", head, f"import os, sys\n{code}\n")
    plugins = {"methods": [str(tmp_path / "crasher")]}
    config = {**project.config, "methods": ["crasher"], "plugins": plugins}
    write_text(tmp_path / "config.json", json.dumps(config))
    monkeypatch.chdir(project.root)
    words = ["stage", "train", "--config", str(tmp_path / "config.json")]
    words += ["--task", "toy", "--run", "crasher", "--seed", "0"]
    assert main(["--root", str(project.root), *words]) == 0
    record = json.loads((project.folder("crasher") / "training.json").read_text())
    assert record["outcome"] == outcome
    assert record["reason"].startswith(reason)


# -- commands in other languages ----------------------------------------------------------------

C_PROGRAM = r"""
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>
#include <dirent.h>
/* Copies a ready-made field; or fails in the way that its first word says. */
int main(int argc, char **argv) {
    int seen = 0;
    DIR *here = opendir(".");
    for (struct dirent *e; (e = readdir(here));) seen += e->d_name[0] != '.';
    if (seen) { fprintf(stderr, "the working folder is not empty\n"); return 9; }
    fclose(fopen("left-over", "w"));
    if (!strcmp(argv[1], "code")) {
        for (int i = 0; i < 100000; i++) puts("so much talk");
        fprintf(stderr, "\033[31mcannot\033[0m converge\n");
        return 3;
    }
    if (!strcmp(argv[1], "signal")) abort();
    if (!strcmp(argv[1], "hang")) { fprintf(stderr, "level 2\n"); sleep(600); }
    if (!strcmp(argv[1], "memory"))
        for (;;) { char *p = malloc(1 << 24); memset(p, 1, 1 << 24); }
    if (!strcmp(argv[1], "left") && fork() == 0) { sleep(600); }
    FILE *in = fopen(argv[2], "rb"), *out = fopen(argv[3], "wb");
    for (int c; (c = getc(in)) != EOF;) putc(c, out);
    return fclose(out);
}
"""


@pytest.fixture(scope="module")
def compiled(project: ToyProject) -> ToyProject:
    """The toy project with a method that is a C program."""
    compiler = shutil.which("cc") or shutil.which("gcc")
    if compiler is None:
        pytest.skip("no C compiler")
    folder = project.root / "methods" / "c_program"
    write_text(folder / "main.c", C_PROGRAM)
    subprocess.run([compiler, "-o", str(folder / "program"), str(folder / "main.c")], check=True)
    truth = next((project.root / "data" / "toy" / "toy").rglob("disp_*.nii.gz"))
    shutil.copy(truth, folder / "field.nii.gz")
    write_text(
        folder / "method.yaml",
        'title: C\nkind: external\ncommand: [program, "{how}", field.nii.gz, "{output}"]\n'
        "warmup: none\nfiles: [program, main.c, field.nii.gz]\nsettings: {how: copy}\n",
    )
    return project


@pytest.mark.parametrize(
    ("how", "limits", "outcome", "words"),
    [
        ("copy", {}, "ok", ""),
        ("left", {}, "ok", ""),
        ("code", {}, "failed", "RuntimeError: the command ended with code 3: cannot converge"),
        ("signal", {}, "failed", "crashed with signal 6 (SIGABRT): it printed nothing"),
        ("hang", {"time_s": 2}, "timeout", "not done within 2 s; it printed: level 2"),
        ("memory", {"memory_gb": 0.5}, "out-of-memory", "the limit is 0.5"),
    ],
)
def test_a_c_program_is_a_method(
    compiled: ToyProject,
    tmp_path: Path,
    how: str,
    limits: dict[str, float],
    outcome: str,
    words: str,
) -> None:
    (status,) = register(compiled, "c-program", tmp_path, FIRST, how=how, limits=limits)
    assert status.outcome == outcome, status.reason
    assert words in status.reason
    assert not running(str(compiled.root / "methods" / "c_program" / "program"))
    if how == "hang":
        written = json.loads((tmp_path / status.case / "status.json").read_text())
        assert written["facts"]["printed"] == "level 2"


def test_a_program_that_cannot_be_started_is_named(compiled: ToyProject, tmp_path: Path) -> None:
    program = compiled.root / "methods" / "c_program" / "program"
    mode = stat.S_IMODE(program.stat().st_mode)
    program.chmod(0o600)
    try:
        reason = register(compiled, "c-program", tmp_path, FIRST)[0].reason
    finally:
        program.chmod(mode)
    assert reason == f"{program}: the command cannot be started; found Permission denied"


# -- what the others see of it -------------------------------------------------------------------


def test_a_field_that_something_else_has_written_has_no_numbers(
    project: ToyProject, tmp_path: Path
) -> None:
    statuses = register(project, "shift", tmp_path)
    shutil.copy(
        tmp_path / statuses[1].case / "displacement.nii.gz",
        tmp_path / statuses[0].case / "displacement.nii.gz",
    )
    (tmp_path / statuses[2].case / "displacement.nii.gz").write_bytes(b"torn")
    config = resolve({**project.config, "methods": ["shift"], "metrics": ["folds"]}, project.root)
    layout = project.root / layout_file("toy", "toy")
    rows = measure_run(Job(config, config.runs[0], 0, tmp_path, layout), statuses)
    told = {row.case: row.status for row in rows if row.metric == "folds"}
    # Equal bytes are an equal field.
    assert told[statuses[0].case] == told[statuses[1].case] == "ok"
    assert "is not the field that was registered" in told[statuses[2].case]


def test_the_notes_tell_a_few_of_very_many_reasons() -> None:
    frame = pd.DataFrame(
        {
            "task": "t",
            "run": "r",
            "case": [f"c{n}" for n in range(500)],
            "metric": "register_s",
            "status": [f"failed: iteration {n}" for n in range(500)],
        }
    )
    lines = list(_trouble(frame))
    assert len(lines) == MAX_REASONS + 1
    assert f"{500 - MAX_REASONS} more reasons" in lines[-1]


# -- pure parts -----------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("code", "words"),
    [
        (-11, "crashed with signal 11 (SIGSEGV)"),
        (5, "ended with code 5"),
        (127, "ended with code 127 (of a shell: a program was not found)"),
        (139, "ended with code 139 (of a shell: signal 11, SIGSEGV)"),
    ],
)
def test_codes_and_signals_are_named(code: int, words: str) -> None:
    assert ending(code) == words


def test_last_words_are_one_plain_line() -> None:
    text = "first\n\x1b[1;31mred\x1b[0m\x07\n 10%\r 20%\r 30%\nend\r\n"
    assert last_words(text) == "first red 30% end"
    assert last_words("x" * 400 + "y", 10) == "..." + "x" * 9 + "y"


def test_poor_fields_are_plausible_and_positions_are_not() -> None:
    for field in (
        smooth_field(1, size=4.0),
        shift_field((5, -8, 14)),
        # A mirror along one axis; half the size along all.
        linear_field([[-2, 0, 0], [0, 0, 0], [0, 0, 0]], (8, 0, 0)),
        linear_field([[-0.5, 0, 0], [0, -0.5, 0], [0, 0, -0.5]], (1, 2, 3)),
    ):
        check_plausible(field.displacement)
    positions = linear_field([[1, 0.1, 0], [0, 1, 0], [0, 0, 1]], (0.5, 1, -2))
    flipped = linear_field([[-3, 0, 0], [0, -1, 0], [0, 0, 0.9]], (0, 0, 0))
    far = shift_field((0, 0, SHAPE[2] + 1))
    for field in (positions, flipped, far):
        with pytest.raises(BadInput):
            check_plausible(field.displacement)


def test_a_large_field_is_looked_at_in_steps_and_told_in_voxels() -> None:
    positions = np.stack(np.indices((100, 70, 40)), -1).astype(np.float32)
    for field, found in (
        (positions, "1.00, 1.00, 1.00"),
        (np.full((100, 70, 40, 3), 80, np.float32), "100%"),
    ):
        with pytest.raises(BadInput) as error:
            check_plausible(field)
        one_line(error.value, f"found {found}")
    check_plausible(np.float32(0.7) * positions)


def test_the_kernel_refuses_for_root_too() -> None:
    """Were it not so, the tests above would prove nothing where they run as root."""
    if landlock_version() == 0:
        pytest.skip("this kernel has no Landlock")
    code = (
        "import os, pathlib, tempfile\n"
        "from regbench.execution.sandbox import confine\n"
        "a, b = (pathlib.Path(tempfile.mkdtemp()) for _ in range(2))\n"
        "(b / 'old').write_text('x')\n"
        "assert confine([a, a / 'missing'])\n"
        "(a / 'new').write_text('x'); (a / 'new').rename(a / 'newer')\n"
        "for act in (lambda: (b / 'new').write_text('x'), lambda: (b / 'old').unlink(),\n"
        "            lambda: os.truncate(b / 'old', 0), lambda: (b / 'd').mkdir()):\n"
        "    try: act()\n"
        "    except PermissionError: continue\n"
        "    raise SystemExit(1)\n"
        "assert (b / 'old').read_text() == 'x'\n"
    )
    assert subprocess.run([sys.executable, "-c", code]).returncode == 0


def test_parameters_that_are_no_count_are_one_line(project: ToyProject, tmp_path: Path) -> None:
    file = project.root / "methods" / "shift" / "method.py"
    text = file.read_text()
    odd = """

class Odd(Method):
    def parameters(self):
        return [1, 2]

    def register(self, fixed, moving):
        raise NotImplementedError


register = Odd
"""
    file.write_text("from regbench.plugins.interface import Method\n" + text + odd)
    try:
        statuses = register(project, "shift", tmp_path)
    finally:
        file.write_text(text)
    assert {s.outcome for s in statuses} == {"failed"}
    assert "parameters(); expected a whole number or None; found list" in statuses[0].reason
