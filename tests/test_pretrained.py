"""Networks that were trained elsewhere: their weights, their size, and fine-tuning on a pair."""

import shutil
from pathlib import Path
from typing import Any

import pytest
import torch
import yaml
from helpers import one_line
from tiny_training import tiny_project
from toy_project import ToyProject

from regbench import api
from regbench.base.errors import BadInput
from regbench.base.files import sha256
from regbench.base.paths import layout_file
from regbench.base.records import FIELD_NAME, Status
from regbench.cli.main import main
from regbench.data.layout import read_layout
from regbench.execution.launcher import launch
from regbench.learning.checkpoint import save
from regbench.learning.method import LearnedMethod
from regbench.plan import keys
from regbench.plan.config import resolve
from regbench.plan.jobs import Job
from regbench.plan.resources import Shard
from regbench.plugins.catalog import discover
from regbench.plugins.kinds import read_methods

FETCHED = Path("data", "downloads", "published", "net.pt")
URL = "https://example.org/net.pt"
#: Of two convolutions with 2, 4 and 3 channels.
PARAMETERS = (2 * 27 + 1) * 4 + (4 * 27 + 1) * 3


def write_plugin(folder: Path, checksum: str, **more: Any) -> None:
    """The smallest learned method as one whose weights somebody published."""
    shutil.copytree(Path(__file__).parent / "plugins/methods/tiny", folder)
    content = yaml.safe_load((folder / "method.yaml").read_text())
    content |= {"title": "Published", "kind": "pretrained"}
    content |= {"weights": {"url": URL, "checksum": checksum}, **more}
    content["settings"] |= {"instance_steps": 0, "instance_rate": 0.01}
    (folder / "method.yaml").write_text(yaml.safe_dump(content))


def write_weights(file: Path, method: str = "Tiny", **more: Any) -> Path:
    torch.manual_seed(1)
    network = torch.nn.Sequential(
        torch.nn.Conv3d(2, 4, 3, padding=1),
        torch.nn.LeakyReLU(0.2),
        torch.nn.Conv3d(4, 3, 3, padding=1),
    )
    identity = {"method": method, "network": {"channels": 4}}
    save(file, {"identity": identity, "network": network.state_dict(), **more})
    return file


@pytest.fixture(scope="module")
def project(tmp_path_factory: pytest.TempPathFactory) -> ToyProject:
    made = tiny_project(tmp_path_factory.mktemp("pretrained"))
    file = write_weights(made.root / FETCHED)
    write_plugin(made.root / "methods" / "published", f"sha256:{sha256(file)}")
    file.unlink()
    return made


@pytest.fixture
def here(project: ToyProject, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The project's folder, with the right weights in it."""
    monkeypatch.chdir(project.root)
    write_weights(project.root / FETCHED)
    return project.root


def job(project: ToyProject, folder: Path, **settings: Any) -> Job:
    methods = [{"method": "published", "settings": settings}]
    config = resolve({**project.config, "methods": methods, "device": "cpu"}, project.root)
    return Job(config, config.runs[0], 0, folder, project.root / layout_file("toy", "toy"))


def register(project: ToyProject, folder: Path, **settings: Any) -> list[Status]:
    return launch(job(project, folder, **settings), Shard(), folder / "log.txt")


@pytest.mark.verify
def test_its_cases_are_registered_and_its_parameters_counted(
    project: ToyProject, here: Path, tmp_path: Path
) -> None:
    for status in register(project, tmp_path):
        assert status.outcome == "ok", status.reason
        assert status.facts["parameters"] == PARAMETERS
    tuned = register(project, tmp_path / "tuned", instance_steps=2)
    assert [status.outcome for status in tuned] == ["ok"] * 3
    fields = [folder / tuned[0].case / FIELD_NAME for folder in (tmp_path, tmp_path / "tuned")]
    assert sha256(fields[0]) != sha256(fields[1]), "fine-tuning changed nothing"


def test_without_weights_the_cases_are_skipped_with_the_command(
    project: ToyProject, here: Path, tmp_path: Path
) -> None:
    before = keys.register(job(project, tmp_path).run, 0)
    FETCHED.unlink()
    for status in register(project, tmp_path):
        assert status.outcome == "skipped"
        assert f"no weights at {FETCHED}: regbench download published" in status.reason
    # Once they are there, the job is planned again.
    assert keys.register(job(project, tmp_path).run, 0) != before


def test_other_weights_than_the_published_ones_fail(
    project: ToyProject, here: Path, tmp_path: Path
) -> None:
    expected = f"sha256:{sha256(FETCHED)}"
    write_weights(FETCHED, more=1)
    for status in register(project, tmp_path):
        assert status.outcome == "failed"
        words = f"{FETCHED}: has another checksum; expected {expected}; found sha256:"
        assert status.reason.startswith(words)


def test_weights_of_another_method_and_objects_fail(
    project: ToyProject, here: Path, tmp_path: Path
) -> None:
    other = write_weights(tmp_path / "other.pt", method="Huge")
    (status, *_) = register(project, tmp_path / "a", checkpoint=str(other))
    assert (status.outcome, "is of another method or variant" in status.reason) == ("failed", True)
    torch.save({"network": Path("x")}, tmp_path / "objects.pt")
    (status, *_) = register(project, tmp_path / "b", checkpoint=str(tmp_path / "objects.pt"))
    assert (status.outcome, "holds objects and is refused" in status.reason) == ("failed", True)


@pytest.mark.skipif(
    not hasattr(LearnedMethod, "load"), reason="a plugin cannot read a format of its own yet"
)
def test_a_format_of_its_own(project: ToyProject, here: Path, tmp_path: Path) -> None:
    folder = tmp_path / "methods" / "foreign"
    write_plugin(folder, "sha256:" + 64 * "0")
    code = (folder / "method.py").read_text() + (
        "\n    @classmethod\n    def load(cls, settings, file):\n"
        "        import torch\n\n        return torch.load(file, weights_only=True)['model']\n"
    )
    (folder / "method.py").write_text(code)
    weights = torch.load(write_weights(tmp_path / "own.pt"), weights_only=True)["network"]
    torch.save({"model": weights}, folder / "foreign.pt")
    methods = [{"method": "foreign", "settings": {"checkpoint": "foreign.pt"}}]
    raw = {**project.config, "methods": methods, "plugins": {"methods": [str(folder)]}}
    config = resolve({**raw, "device": "cpu"}, project.root)
    layout = project.root / layout_file("toy", "toy")
    made = launch(Job(config, config.runs[0], 0, tmp_path, layout), Shard(), tmp_path / "log.txt")
    assert [status.outcome for status in made] == ["ok"] * 3, made[0].reason


def test_a_pair_alone(project: ToyProject, here: Path, tmp_path: Path) -> None:
    catalog = discover(project.root)
    case = read_layout(project.root / layout_file("toy", "toy")).cases["test"][0]
    images = case.fixed.image, case.moving.image
    made = api.register("published", *images, device="cpu", catalog=catalog)
    assert made.field.displacement.any()
    FETCHED.unlink()
    with pytest.raises(BadInput, match="regbench download published") as caught:
        api.register("published", *images, catalog=catalog)
    one_line(caught.value, FETCHED)


def test_the_command_that_fetches_knows_it(here: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["--root", str(here), "download", "identity"]) == 2
    assert "identity names nothing to fetch; expected one of published" in capsys.readouterr().err


@pytest.mark.parametrize(
    ("more", "words"),
    [
        ({"weights": {"url": URL, "checksum": "md5:" + 32 * "0"}}, "checksum"),
        ({"weights": {"url": URL}}, "checksum"),
        ({"kind": "optimisation"}, "weights goes with kind: pretrained; found optimisation"),
        ({"parameters": 0}, "parameters"),
        ({"settings": {"instance_steps": "two"}}, "instance_steps"),
        ({"environment": "method.py"}, "environment does not go with it"),
    ],
)
def test_bad_metadata_is_one_line(tmp_path: Path, more: dict[str, Any], words: str) -> None:
    write_plugin(tmp_path / "bad", "sha256:" + 64 * "0")
    file = tmp_path / "bad" / "method.yaml"
    file.write_text(yaml.safe_dump(yaml.safe_load(file.read_text()) | more))
    with pytest.raises(BadInput) as caught:
        read_methods(tmp_path / "bad")
    one_line(caught.value, words, file)
