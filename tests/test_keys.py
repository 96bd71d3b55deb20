"""An edit of the engine changes the keys of the stages whose results it can change, and no others.

The keys are those that Snakemake compares and that lie on disk; `test_reruns.py` plans whole
workflows.
"""

import json
import shutil
from collections.abc import Callable
from pathlib import Path

import pytest
from helpers import REPOSITORY
from toy_project import ToyProject, make_project

from regbench.base.files import write_text
from regbench.base.records import Status, read_status
from regbench.plan import code as code_module
from regbench.plan import keys
from regbench.plan.code import PLUMBING, Code
from regbench.plan.config import Config, resolve

METRICS = ["dice", "folds", "l2r_dice"]
MEASURE = {f"measure {name}" for name in METRICS}
REGISTER = {f"register {name}" for name in ("identity", "shift", "tiny")}


@pytest.fixture(scope="module")
def project(tmp_path_factory: pytest.TempPathFactory) -> ToyProject:
    made = make_project(tmp_path_factory.mktemp("keys"), engine=True)
    made.config |= {"methods": ["identity", "shift", "tiny"], "metrics": METRICS}
    return made


@pytest.fixture(scope="module")
def config(project: ToyProject) -> Config:
    return resolve(project.config, project.root)


def all_keys(config: Config, engine: Path) -> dict[str, str]:
    """Every key of a config, with the code of an engine."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(keys, "_CODE", Code(engine))
        task = config.tasks["toy"]
        metrics = [config.catalog.metrics[name] for name in config.metrics]
        return {
            "prepare": keys.prepare(config.datasets["toy"].plugin),
            "train": keys.train(config.run("toy", "tiny"), 0),
            **{f"register {run.id}": keys.register(run, 0) for run in config.runs},
            **{f"measure {metric.id}": keys.measure(task, metric) for metric in metrics},
            "evaluate": keys.evaluate(config, task),
            "collect": keys.collect(config),
            "render": keys.render(config.catalog.report_kinds.values()),
        }


def changed(project: ToyProject, config: Config, file: str, old: str, new: str) -> set[str]:
    """The keys that differ while `file` has `new` in the place of `old`."""
    engine = project.root / "regbench"
    before = all_keys(config, engine)
    path = project.root / file
    text = path.read_text()
    assert text.count(old) >= 1, f"{file} has no {old!r}"
    path.write_text(text.replace(old, new, 1))
    try:
        after = all_keys(config, engine)
    finally:
        path.write_text(text)
    assert before.keys() == after.keys()
    return {name for name in before if before[name] != after[name]}


@pytest.mark.parametrize(
    ("file", "old", "new", "expected"),
    [
        pytest.param("spatial/operations.py", "step * 0.7", "step * 0.6", set(), id="invert"),
        pytest.param(
            "spatial/warp.py",
            "sample_moved(moving.data, field.displacement)",
            "moving.data",
            {"train", "evaluate", "render", *MEASURE},
            id="warp",
        ),
        pytest.param(
            "learning/loss_values.py",
            "LEAST = 1e-12",
            "LEAST = 1e-9",
            # Fine-tuning on a pair needs the loss, and a report counts a method's parameters.
            {"train", "register tiny", "render"},
            id="mind",
        ),
        pytest.param(
            "measure/learn2reg.py", "RIM = 2", "RIM = 3", {"evaluate", *MEASURE}, id="rim"
        ),
        pytest.param("execution/method_log.py", "4 * 2**20", "5 * 2**20", set(), id="log limit"),
        pytest.param(
            "measure/evaluate.py",
            "status.key != expected.get(case.id)",
            "case.id not in expected",
            {"evaluate"},
            id="merging of shards",
        ),
        pytest.param(
            "data/pair.py",
            "check_shape(case.moving.image, fixed.image.shape",
            "check_shape(case.fixed.image, moving.image.shape",
            # A preparation reads its pairs back. Training checks them, too.
            {"prepare", "train", *REGISTER},
            id="check of a pair",
        ),
        pytest.param(
            "execution/launcher.py",
            '"true_field" in self.method.needs and case',
            "case",
            REGISTER,
            id="launcher",
        ),
        pytest.param(
            "execution/prepare.py",
            'splits[split]["seed"] + i)',
            'splits[split]["seed"] + 2 * i)',
            {"prepare"},
            id="prepare",
        ),
        pytest.param(
            "reports/cells.py",
            'return number(value, f".{precision}f")',
            'return "" + number(value, f".{precision}f")',
            {"render"},
            id="rounding of the table",
        ),
        pytest.param(
            "reports/results.py", "seeds=list(", "seeds=sorted(", {"collect"}, id="collect"
        ),
        pytest.param(
            "spatial/warp.py", '"""Warp a label map', '"""Take a label map', set(), id="docstring"
        ),
        pytest.param("spatial/warp.py", "import numpy", "# x\n\nimport numpy", set(), id="comment"),
    ],
)
def test_an_edit_of_the_engine(
    project: ToyProject, config: Config, file: str, old: str, new: str, expected: set[str]
) -> None:
    assert changed(project, config, f"regbench/{file}", old, new) == expected


@pytest.mark.parametrize(
    ("file", "old", "expected"),
    [
        ("metrics/l2r_dice.py", '"""', {"measure l2r_dice", "evaluate"}),
        ("methods/shift/method.py", '"""', {"register shift"}),
        ("methods/tiny/method.py", '"""', {"register tiny", "train"}),
        ("datasets/toy/dataset.py", '"""', {"prepare"}),
        ("reports/kinds/table.py", '"""', {"render"}),
    ],
)
def test_an_edit_of_a_plugin(
    project: ToyProject, config: Config, file: str, old: str, expected: set[str]
) -> None:
    # Plugins' files are compared as they are: a docstring counts.
    assert changed(project, config, file, old, f"{old}New: ") == expected


def test_what_a_plugin_uses_of_the_engine_counts_for_it(tmp_path: Path) -> None:
    shutil.copytree(REPOSITORY / "regbench", tmp_path / "regbench")
    module = tmp_path / "regbench" / "spatial" / "operations.py"
    plugins = {
        "by name": "from regbench.spatial.operations import invert\n",
        "by module": "from regbench.spatial import operations\n\nx = operations.invert\n",
        "inside": "def f():\n    from regbench.spatial.operations import invert\n    invert()\n",
        "not at all": "from regbench.spatial.operations import compose\n\ncompose()\n",
    }
    files = {name: tmp_path / f"{i}.py" for i, name in enumerate(plugins)}
    for name, text in plugins.items():
        files[name].write_text(text + "\ninvert and compose\n" * (name == "by name"))
    roots = keys.ROOTS["register"]
    before = {name: Code(tmp_path / "regbench").key(roots, [f]) for name, f in files.items()}
    module.write_text(module.read_text().replace("step * 0.7", "step * 0.6"))
    after = {name: Code(tmp_path / "regbench").key(roots, [f]) for name, f in files.items()}
    same = {name for name in files if before[name] == after[name]}
    assert same == {"not at all"}


def test_a_kind_of_report_depends_on_itself_and_on_what_it_uses(
    project: ToyProject, config: Config, monkeypatch: pytest.MonkeyPatch
) -> None:
    def render_keys() -> dict[str, str]:
        monkeypatch.setattr(keys, "_CODE", Code(project.root / "regbench"))
        kinds = config.catalog.report_kinds
        return {name: keys.render([kind]) for name, kind in kinds.items()}

    before = render_keys()
    for file, old, new, expected in [
        ("reports/kinds/forest.py", "BCa", "bca", {"forest"}),
        ("reports/kinds/page/page.css", "{", "{ ", {"page"}),
        ("reports/kinds/page/records.py", "Cases, of", "Cases of", {"page"}),
        ("regbench/reports/planes.py", '"RLAP"', '"LRAP"', {"overview", "page", "worst"}),
        ("regbench/reports/reference.py", "f3rnet-mrb", "vm-2", {"forest", "statistics"}),
        ("regbench/reports/comparison.py", "two data sets", "2 data sets", {"compare", "gain"}),
        ("regbench/reports/brief.py", "MOST_METRICS = 5", "MOST_METRICS = 6", set()),
        ("regbench/reports/formats.py", '" | ".join', '"  |  ".join', set(before)),
    ]:
        path = project.root / file
        text = path.read_text()
        assert old in text
        path.write_text(text.replace(old, new))
        after = render_keys()
        path.write_text(text)
        assert {name for name in before if before[name] != after[name]} == expected, file


def test_code_is_followed_to_every_way_of_naming_it(tmp_path: Path) -> None:
    engine = tmp_path / "regbench"
    engine.mkdir()
    (engine / "a.py").write_text(
        "import math\n"
        "from regbench import b\n"
        "from regbench.b import given as renamed\n"
        "TABLE = {}\n"
        "for n in range(3):\n    TABLE[n] = n\n"
        "def start(x: b.Kind):\n"
        "    from regbench.c import late\n"
        "    return renamed(math.pi) + late() + b.by_module() + TABLE[0]\n"
        "def idle():\n    return b.idle()\n"
        "if __name__ == '__main__':\n    idle()\n"
    )
    (engine / "b.py").write_text(
        "from regbench.c import handed_on\n"
        "FACTOR = 2\n"
        "class Kind:\n    size: int = 1\n"
        "def given(x):\n    return FACTOR * handed_on(x)\n"
        "def by_module():\n    return 3\n"
        "def idle():\n    return 4\n"
    )
    (engine / "c.py").write_text("def late():\n    return 5\ndef handed_on(x):\n    return x\n")
    root = ["regbench.a:start"]
    before = Code(engine).key(root)
    for file, old, new, counts in [
        ("a.py", "math.pi", "math.e", True),
        ("a.py", "import math", "import cmath as math", True),
        ("a.py", "range(3)", "range(4)", True),
        ("a.py", "    idle()", "    idle(), 1", False),
        ("a.py", "return b.idle()", "return 1", False),
        ("b.py", "FACTOR = 2", "FACTOR = 3", True),
        ("b.py", "size: int = 1", "size: int = 2", True),
        ("b.py", "return 3", "return 33", True),
        ("b.py", "return 4", "return 44", False),
        ("c.py", "return 5", "return 55", True),
        ("c.py", "return x", "return -x", True),
        ("c.py", "return x", "'''Text.'''\n    return x  # x", False),
    ]:
        path = engine / file
        text = path.read_text()
        assert old in text
        path.write_text(text.replace(old, new))
        assert (Code(engine).key(root) != before) == counts, (file, old)
        path.write_text(text)
    with pytest.raises(LookupError, match=r"regbench\.a:nothing"):
        Code(engine).key(["regbench.a:nothing"])


def test_what_is_known_of_an_engine_holds_for_that_engine_only(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    at_exit: list[Callable[[], None]] = []
    monkeypatch.setattr(code_module.atexit, "register", at_exit.append)
    monkeypatch.chdir(tmp_path)
    module = tmp_path / "regbench" / "a.py"
    write_text(module, "def start():\n    return 1\n")
    plugin = tmp_path / "plugin.py"
    write_text(plugin, "from regbench.a import start\n\nstart()\n")

    def key() -> str:
        found = Code(module.parent, code_module.known_answers).key(["regbench.a:start"], [plugin])
        at_exit.pop()()
        return found

    first = key()
    # Snakemake has not run here.
    assert not code_module.FILE.exists()
    code_module.FILE.parent.mkdir()
    key()
    kept = code_module.FILE.read_text()
    write_text(code_module.FILE, kept.replace(first, "0" * 16))
    assert key() == "0" * 16
    for damage in ("", "{", "[]", '{"engine": 1}', kept[: len(kept) // 2]):
        code_module.FILE.write_text(damage)
        assert key() == first
    write_text(code_module.FILE, kept.replace(first, "0" * 16))
    write_text(plugin, plugin.read_text() + "# x\n")
    assert key() == first
    write_text(module, "def start():\n    return 2\n")
    assert key() not in (first, "0" * 16)
    kept = code_module.FILE.read_text()
    code = Code(module.parent, code_module.known_answers)
    code.key(["regbench.a:start"])
    # Edited while its process runs: nobody knows which text the answer is about.
    write_text(module, "def start():\n    return 3\n")
    code.key(["regbench.a:start"], [plugin])
    at_exit.pop()()
    assert code_module.FILE.read_text() == kept


def test_plumbing_is_there_and_has_a_reason() -> None:
    for name, reason in PLUMBING.items():
        base = REPOSITORY.joinpath(*name.rstrip(".").split("."))
        assert base.is_dir() if name.endswith(".") else base.with_suffix(".py").is_file(), name
        assert len(reason) > 10


def test_a_status_of_an_earlier_engine_is_no_finished_case(tmp_path: Path) -> None:
    status = Status(case="a", outcome="ok", key="k")
    status.write(tmp_path)
    assert read_status(tmp_path) == status
    content = json.loads((tmp_path / "status.json").read_text())
    content["fingerprint"] = content.pop("key")
    (tmp_path / "status.json").write_text(json.dumps(content))
    assert read_status(tmp_path) is None
