"""Generating a data set: its layout, and what is made again."""

import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path

import numpy as np
import psutil
import pytest
from helpers import (
    one_line,
)

from regbench.base.errors import BadInput
from regbench.base.files import write_text
from regbench.data.landmarks import read_landmarks
from regbench.data.layout import read_layout
from regbench.execution.prepare import generate
from regbench.execution.process import made_ahead
from regbench.plan.config import DatasetConfig
from regbench.plugins.catalog import discover
from regbench.spatial.field import read_field
from regbench.spatial.nifti import read_volume

MAKER = '''"""A toy."""
import numpy as np
from regbench.data.pair import Pair, Side
from regbench.spatial.field import Field
from regbench.spatial.volume import Volume

def make_pair(seed, size):
    with open(LOG, "a") as log:
        log.write(f"{seed} ")
    data = np.random.default_rng(seed).random((size, size + 1, size + 2)).astype(np.float32)
    sides = [Side(Volume(data + k, np.eye(4)), Volume((data > 0.5).astype(int), np.eye(4)),
                  None, np.array([[1.0, 2, 3 + k]])) for k in (0, 1)]
    fields = [Field(np.full((*data.shape, 3), seed + k, np.float32), np.eye(4)) for k in (0, 1)]
    return Pair(tuple(sides), tuple(fields), {"seed": float(seed)})
'''
SPLITS = {"training": {"count": 2, "seed": 10}, "test": {"count": 1, "seed": 50}}


def _generate(
    folder: Path,
    target: Path,
    splits: dict[str, dict[str, int]],
    size: int = 4,
    processes: int = 1,
    maker: str = MAKER,
) -> str:
    """Prepare the toy; the seeds that were made."""
    log = folder / "made.txt"
    log.write_text("")
    write_text(folder / "toy" / "dataset.py", f"LOG = {str(log)!r}\n" + maker)
    text = "title: T\nversion: 1\ngenerate: dataset:make_pair\ndirection: {fixed: 1, moving: 0}\n"
    write_text(folder / "toy" / "dataset.yaml", text + "labels: {'1': organ}\n")
    plugin = discover(folder, {"datasets": ["toy"]}).datasets["toy"]
    generate(DatasetConfig("toy", plugin, {"size": size}, splits), target, processes)
    return log.read_text().strip()


def test_a_generated_data_set_is_a_layout(tmp_path: Path) -> None:
    file = tmp_path / "out" / "T_dataset.json"
    assert _generate(tmp_path, file, SPLITS) == "10 11 50"
    layout = read_layout(file)
    assert {k: len(v) for k, v in layout.cases.items()} == {
        "training": 2,
        "validation": 0,
        "test": 1,
    }
    assert layout.labels == {1: "organ"}
    (case,) = layout.cases["test"]
    assert (case.fixed.stem, case.moving.stem) == ("Toy_0003_0001", "Toy_0003_0000")
    assert np.allclose(
        read_volume(case.fixed.image).data - read_volume(case.moving.image).data, 1, atol=1e-6
    )
    assert case.true_field is not None
    assert read_field(case.true_field).displacement[0, 0, 0, 0] == 51
    assert case.fixed.landmarks is not None
    assert read_landmarks(case.fixed.landmarks).tolist() == [[1, 2, 4]]
    assert json.loads(file.read_text())["regbench"]["notes"][case.id] == {"seed": 50}


def test_finished_pairs_are_not_made_again(tmp_path: Path) -> None:
    file = tmp_path / "out" / "T_dataset.json"
    _generate(tmp_path, file, SPLITS)
    before = {p: p.read_bytes() for p in file.parent.rglob("*") if p.is_file()}
    assert _generate(tmp_path, file, SPLITS) == ""
    assert {p: p.read_bytes() for p in file.parent.rglob("*") if p.is_file()} == before
    more = {**SPLITS, "test": {"count": 2, "seed": 50}}
    assert _generate(tmp_path, file, more) == "51"
    moved = {**more, "training": {"count": 2, "seed": 20}}
    assert _generate(tmp_path, file, moved) == "20 21"
    assert _generate(tmp_path, file, more) == "10 11"
    assert _generate(tmp_path, file, more, size=5) == "10 11 50 51"
    assert read_volume(read_layout(file).cases["test"][0].fixed.image).shape == (5, 6, 7)


def test_a_written_pair_is_read_back_and_its_problem_is_the_cases(tmp_path: Path) -> None:
    odd = "    sides[0] = Side(sides[0].image, Volume(np.ones((2, 2, 2), int), np.eye(4)))\n"
    at = MAKER.index("    fields")
    maker = f"{MAKER[:at]}    if seed == 11:\n    {odd}{MAKER[at:]}"
    file = tmp_path / "out" / "T_dataset.json"
    for made in ("10 11 50", ""):
        # The second preparation makes nothing, and knows the problem from the record.
        assert _generate(tmp_path, file, SPLITS, maker=maker) == made
        sound, bad = read_layout(file).cases["training"]
        assert sound.problem is None
        assert bad.problem is not None
        one_line(bad.problem, "labelsTr/Toy_0002_0000", "(2, 2, 2)", "(4, 5, 6)")


def test_generated_splits_are_disjoint(tmp_path: Path) -> None:
    splits = {"training": {"count": 5, "seed": 10}, "test": {"count": 2, "seed": 14}}
    with pytest.raises(BadInput) as error:
        _generate(tmp_path, tmp_path / "out" / "T_dataset.json", splits)
    one_line(error.value, "training", "test", "seed 14")


def test_processes_share_the_pairs_and_every_byte_is_that_of_one(tmp_path: Path) -> None:
    splits = {"training": {"count": 5, "seed": 10}, "test": {"count": 2, "seed": 50}}
    maker = "import os\n" + MAKER.replace('{seed} ")', '{seed}:{os.getpid()} ")')
    _generate(tmp_path, tmp_path / "one" / "T_dataset.json", splits, 4, 1, maker)
    file = tmp_path / "three" / "T_dataset.json"
    made = [word.split(":") for word in _generate(tmp_path, file, splits, 4, 3, maker).split()]
    assert sorted(int(seed) for seed, _ in made) == [10, 11, 12, 13, 14, 50, 51]
    assert len({pid for _, pid in made} - {str(os.getpid())}) == 3
    one, three = (
        {p.relative_to(folder): p.read_bytes() for p in folder.rglob("*") if p.is_file()}
        for folder in (tmp_path / "one", tmp_path / "three")
    )
    assert one == three


def _fail() -> None:
    raise BadInput("no such thing")


def _killed() -> None:
    os.kill(os.getpid(), signal.SIGKILL)


@pytest.mark.parametrize("end", [_fail, _killed, sys.exit])
def test_what_a_child_did_not_finish_is_handed_out_all_the_same(
    tmp_path: Path, end: Callable[[], None], capfd: pytest.CaptureFixture[str]
) -> None:
    parent = os.getpid()
    others = psutil.Process().children()

    def work(item: int) -> None:
        if item == 3 and os.getpid() != parent:
            end()
        (tmp_path / str(item)).touch()

    with made_ahead(range(8), work, 2) as ready:
        seen = [(item, (tmp_path / str(item)).is_file()) for item in ready]
    # The second child's items from the third one on are left to the parent.
    assert seen == [(item, item in (0, 1, 2, 4, 6)) for item in range(8)]
    assert psutil.Process().children() == others
    assert capfd.readouterr() == ("", "")


def test_a_second_signal_meets_a_function_that_says_nothing(tmp_path: Path) -> None:
    """Were it SIG_IGN, Python would tell of a signal that came just before."""

    def work(item: int) -> None:
        try:
            signal.raise_signal(signal.SIGINT)
        except KeyboardInterrupt:
            second = signal.getsignal(signal.SIGTERM)
            (tmp_path / str(item)).write_text(str(callable(second) and second(15, None)))

    with made_ahead(range(2), work, 2) as ready:
        assert [(tmp_path / str(item)).read_text() for item in ready] == ["None"] * 2


def test_an_error_in_a_pair_is_told_as_by_one_process(tmp_path: Path) -> None:
    told = []
    others = psutil.Process().children()
    for processes in (1, 3):
        maker = MAKER.replace("    data =", "    assert seed != 11, 'odd'\n    data =", 1)
        with pytest.raises(BadInput) as error:
            _generate(
                tmp_path, tmp_path / f"{processes}" / "T_dataset.json", SPLITS, 4, processes, maker
            )
        told.append(one_line(error.value, "toy cannot make the pair of seed 11", "odd"))
        assert psutil.Process().children() == others
    assert told[0] == told[1]


#: Two children that would work for a minute.
SLOW = """
import signal, time
from regbench.execution.process import made_ahead
# A shell may have started the tests with interrupts ignored.
signal.signal(signal.SIGINT, signal.default_int_handler)
with made_ahead([1, 2], lambda _: time.sleep(60), 2) as ready:
    print("started", flush=True)
    list(ready)
"""


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM, signal.SIGKILL])
def test_no_child_outlives_its_parent(number: signal.Signals) -> None:
    words = [sys.executable, "-c", SLOW]
    with subprocess.Popen(words, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL) as parent:
        assert parent.stdout is not None and parent.stdout.readline() == b"started\n"
        children = psutil.Process(parent.pid).children()
        assert len(children) == 2
        started = time.monotonic()
        parent.send_signal(number)
        assert parent.wait(20) != 0
    assert not psutil.wait_procs(children, timeout=20)[1]
    assert time.monotonic() - started < 50
