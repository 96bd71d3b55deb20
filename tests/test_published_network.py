"""docs/published-networks.md is true: its network is trained, registers, and does what it says."""

import re
from dataclasses import replace
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest
import torch
from test_docs import BLOCK, put, walk
from tiny_training import tiny_project
from toy_project import REPO, ToyProject

from regbench.base.errors import BadInput
from regbench.base.files import write_json
from regbench.base.paths import layout_file, run_folder
from regbench.learning.checkpoint import load
from regbench.learning.method import LearnedMethod
from regbench.learning.network import to_input
from regbench.learning.pairs import Draw, TrainingPairs
from regbench.learning.train import make_trainer, train, training_of
from regbench.plan.config import resolve
from regbench.plan.jobs import Job
from regbench.plugins.interface import Context
from regbench.plugins.loading import load_entry
from regbench.reports.notes import _training as training_notes
from regbench.reports.results import Results
from regbench.reports.results import _run_facts as run_facts
from regbench.spatial.nifti import read_volume

PAGE = "published-networks.md"
TEXT = (REPO / "docs" / PAGE).read_text()


def project_of(root: Path, version: int) -> ToyProject:
    """A project with prepared toy data and the page's method as it first is, or as it then is."""
    project = tiny_project(root)
    seen: dict[str, int] = {}
    for block in BLOCK.finditer(TEXT):
        name = block["file"] or ""
        seen[name] = seen.get(name, 0) + 1
        if name.startswith("methods/") and seen[name] <= version:
            put(project.root / name, block["text"], change=bool(block["change"]))
    return project


@pytest.fixture(scope="module")
def first(tmp_path_factory: pytest.TempPathFactory) -> ToyProject:
    return project_of(tmp_path_factory.mktemp("first"), 1)


@pytest.fixture(scope="module")
def second(tmp_path_factory: pytest.TempPathFactory) -> ToyProject:
    return project_of(tmp_path_factory.mktemp("second"), 2)


def job_of(project: ToyProject, folder: Path, method: str = "theirs", **settings: Any) -> Job:
    short = {"steps": 6, "validate_every": 3, "precision": "fp32", **settings}
    config = {**project.config, "methods": [{"method": method, "settings": short}]}
    resolved = resolve(config, project.root)
    return Job(resolved, resolved.runs[0], 0, folder, project.root / layout_file("toy", "toy"))


def class_of(job: Job) -> type[LearnedMethod]:
    entry: type[LearnedMethod] = load_entry(job.run.method.folder, str(job.run.method.entry))
    return entry


def ready(job: Job, checkpoint: Path) -> LearnedMethod:
    context = Context(1, 0, "cpu", False, checkpoint.parent, checkpoint)
    return class_of(job)(job.run.settings, context)


def test_the_adapter_is_ten_lines_and_its_metadata_four() -> None:
    blocks = [b for b in BLOCK.finditer(TEXT) if b["file"]]
    sizes: dict[str, int] = {}
    for block in blocks:
        lines = [line for line in block["text"].splitlines() if line.strip()]
        sizes.setdefault(Path(block["file"]).name, len(lines))
    assert (sizes["method.py"], sizes["method.yaml"]) == (10, 4)
    (network,) = (b["text"] for b in blocks if b["file"].endswith("network.py"))
    assert "import regbench" not in network and "from regbench" not in network


def test_a_checkpoint_is_loaded_in_plain_torch_by_the_five_lines(
    first: ToyProject, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    job = job_of(first, tmp_path)
    assert train(training_of(job))["outcome"] == "ok"
    (lines,) = (b["text"] for b in BLOCK.finditer(TEXT) if b["kind"] == "python" and not b["file"])
    assert len(list(filter(None, lines.splitlines()))) == 5 and "regbench" not in lines
    monkeypatch.chdir(tmp_path)
    monkeypatch.syspath_prepend(str(job.run.method.folder))
    names: dict[str, Any] = {}
    exec(lines, names)  # noqa: S102
    case = job.cases[0]
    fixed, moving = (read_volume(entry.image) for entry in (case.fixed, case.moving))
    with torch.no_grad():
        _, flow = names["network"](to_input(moving), to_input(fixed))
    x, y, z = fixed.shape
    found = ready(job, tmp_path / "checkpoint.pt").register(fixed, moving).displacement
    inner = (slice(1, x - 2), slice(1, y - 2), slice(1, z - 2))
    # Away from the rim: the method pads the images at their far ends.
    expected = np.moveaxis(flow[0].numpy(), 0, -1)
    assert np.abs(expected[inner]).max() > 1e-3
    assert np.allclose(found[inner], expected[inner], atol=1e-4)


def test_a_network_that_returns_no_field_is_told(first: ToyProject, tmp_path: Path) -> None:
    job = job_of(first, tmp_path)
    trainer = make_trainer(training_of(job), class_of(job), "cpu")
    trainer.network.flow = torch.nn.Conv3d(8, 2, 3, padding=1)
    with pytest.raises(BadInput, match=r"returns no field; expected \(1, 3, .*found .*\[1, 2, "):
        trainer.one_step()


def test_the_loss_is_the_plugin_s_in_training_and_validation(
    second: ToyProject, tmp_path: Path
) -> None:
    job = job_of(second, tmp_path, "theirs-labels")
    trainer = make_trainer(training_of(job), class_of(job), "cpu")
    pair = trainer.pairs.draw(torch.Generator().manual_seed(0))
    assert pair.fixed_labels is not None and pair.moving_labels is not None
    blind = Draw(pair.moving, pair.fixed, pair.fixed_features)
    with torch.no_grad():
        (_, seen), (_, plain) = (
            trainer.recipe.field_and_loss(trainer.network, x) for x in (pair, blind)
        )
    # A fresh network's field is small: the overlap is that of the pair as it is.
    one, two = ((x == 1).float() for x in (pair.fixed_labels, pair.moving_labels))
    dice = float(2 * (one * two).sum() / (one.sum() + two.sum()))
    assert float(seen - plain) == pytest.approx(1 - dice, abs=0.1)
    with_labels = trainer.validation.measure(trainer.network).loss
    held = trainer.validation.cases[0]
    assert held.loss_labels[0] is not None
    twin = job_of(second, tmp_path, "theirs")
    assert make_trainer(training_of(twin), class_of(twin), "cpu").validation.cases[
        0
    ].loss_labels == (None, None)
    assert with_labels > float(plain)


def test_labels_turn_and_halve_with_their_images(second: ToyProject, tmp_path: Path) -> None:
    cases = list(job_of(second, tmp_path).layout.cases["training"])
    pairs = TrainingPairs(cases, swap_roles=True, flip=True, labels=True)
    # As if the labels were the images: then both must stay equal in every augmentation.
    pairs.images = [(one.float(), two.float()) for one, two in pairs.labels]  # type: ignore[union-attr]
    generator = torch.Generator().manual_seed(1)
    for _ in range(12):
        pair = pairs.draw(generator)
        assert torch.equal(pair.fixed, pair.fixed_labels.float())  # type: ignore[union-attr]
        assert torch.equal(pair.moving, pair.moving_labels.float())  # type: ignore[union-attr]
    coarse = pairs.halved().draw(generator)
    assert coarse.fixed_labels is not None and coarse.fixed_labels.shape == coarse.fixed.shape
    without = TrainingPairs(cases, swap_roles=True, flip=True).draw(generator)
    assert without.fixed_labels is None and without.moving_labels is None


def test_without_labels_the_training_is_skipped_and_their_content_makes_another_key(
    second: ToyProject, tmp_path: Path
) -> None:
    job = job_of(second, tmp_path, "theirs-labels")
    training = training_of(job)
    bare = [
        replace(c, fixed=replace(c.fixed, labels=None), moving=replace(c.moving, labels=None))
        for c in training.cases
    ]
    record = train(replace(training, cases=bare))
    assert record["outcome"] == "skipped" and "no training pair has labels" in record["reason"]
    method = class_of(job)
    keys = {
        make_trainer(replace(training, cases=x), method, "cpu").key for x in (training.cases, bare)
    }
    assert len(keys) == 2


def test_the_step_is_the_plugin_s(second: ToyProject, tmp_path: Path) -> None:
    """Both directions in one step: an own trainer that takes one direction ends elsewhere."""
    job = job_of(second, tmp_path)
    method = class_of(job)

    class OneWay(method):  # type: ignore[misc, valid-type]
        training_step = LearnedMethod.training_step

    assert method.own() == ["call", "loss", "training_step", "save", "load"]
    losses, ends = [], []
    for kind in (method, OneWay):
        trainer = make_trainer(training_of(job), kind, "cpu")
        losses.append(float(trainer.one_step()))
        ends.append(trainer.network.flow.weight.detach().clone())
    assert losses[0] == pytest.approx(losses[1])
    assert not torch.equal(*ends)


def test_its_own_checkpoint_is_written_read_and_copied(second: ToyProject, tmp_path: Path) -> None:
    job = job_of(second, tmp_path)
    record = train(training_of(job))
    assert record["own"] == ["loss", "training_step"]
    file = Path(record["checkpoint"])
    assert list(torch.load(file, weights_only=True)) == ["state_dict"]
    with pytest.raises(BadInput, match="not a checkpoint of this project"):
        load(file)
    network = ready(job, file).network
    assert torch.equal(network.flow.bias, torch.load(file)["state_dict"]["flow.bias"])
    # As given weights, too.
    given = train(training_of(job_of(second, tmp_path / "given", checkpoint=str(file))))
    assert (given["outcome"], given["origin"]) == ("ok", {})


class Evil:
    """Makes a file where it is unpickled."""

    def __init__(self, marker: Path) -> None:
        self.marker = marker

    def __reduce__(self) -> Any:
        return Path.touch, (self.marker,)


def test_a_plugin_s_own_load_runs_no_pickle_and_tells_what_does_not_fit(
    second: ToyProject, tmp_path: Path
) -> None:
    job = job_of(second, tmp_path)

    class Careless(class_of(job)):  # type: ignore[misc]
        @classmethod
        def load(cls, settings: Any, file: Path) -> Any:
            return torch.load(file, weights_only=False)["state_dict"]

    marker = tmp_path / "marker"
    contents = {
        "holds objects": {"state_dict": Evil(marker)},
        "does not fit the network": {"state_dict": {"x": torch.zeros(1)}},
        "is truncated or no checkpoint": {"weights": {}},
    }
    for words, content in contents.items():
        torch.save(content, tmp_path / "w.pt")
        context = Context(1, 0, "cpu", False, tmp_path, tmp_path / "w.pt")
        with pytest.raises(BadInput, match=words) as error:
            Careless(job.run.settings, context)
        assert "\n" not in str(error.value) and "w.pt" in str(error.value)
    assert not marker.exists()


def test_what_differs_from_the_others_is_in_the_title_and_in_the_notes(
    second: ToyProject, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    job = job_of(second, tmp_path, "theirs-labels")
    given = {"outcome": "ok", "own": ["loss", "training_step"]}
    write_json(run_folder("toy", "toy", job.run.id, 0) / "training.json", given)
    facts = run_facts(job.config, job.run)
    assert facts.title.startswith("Theirs") and facts.title.endswith(" (labels)")
    task: Any = SimpleNamespace(trained_on="")
    rest: Any = {"frame": None, "config": "toy", "seeds": [0], "timing": "", "hardware": ""}
    results = Results(runs=[facts], tasks={"toy": task}, **rest)
    notes = list(training_notes(results, ["toy"]))
    assert f"{facts.title} is trained by its own loss and training step" in notes[1]
    assert notes[-1].startswith(f"labels: the training of {facts.title} uses label maps")
    plain = replace(facts, own=[], uses_labels=False)
    results = replace(results, runs=[plain])
    assert len(list(training_notes(results, ["toy"]))) == len(notes) - 2


@pytest.mark.verify
def test_the_network_is_in_table_2_marked_where_it_saw_labels(tmp_path: Path) -> None:
    page = walk(PAGE, tmp_path)
    first, second = page.tables()
    assert list(first) == ["Moving", "Theirs"]
    assert list(second) == ["Moving", "Theirs", "Theirs (labels)"]
    for row in (row for table in (first, second) for row in table.values()):
        assert (row["Cases"], row["Cases total"]) == ("2", "2")
    notes = (page.root / "reports" / "table2.notes.json").read_text()
    assert re.search(r"training of Theirs \(labels\) uses label maps", notes)
    assert "Theirs is trained by its own loss and training step" in notes
    trained = [output for line, output, _ in page.steps if " train " in line]
    (line,) = trained[0].splitlines()
    assert (page.root / line.split(":")[0]).is_file() and "30 steps" in line
    (about,) = (output for line, output, _ in page.steps if " methods " in line)
    assert "dice_weight: 1.0\n    weight of the organ's soft Dice in the loss" in about
    assert "steps: 40\n    steps of Adam" in about
