"""Given weights: which file a name stands for, half precision, records, keys, and registration."""

import shutil
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from helpers import one_line, random_image, read_report
from scripts import script
from tiny_training import equal, job_of, run, tiny_project
from toy_project import ToyProject, make_project

from regbench.api import register
from regbench.base.errors import BadInput
from regbench.base.files import write_json
from regbench.cli.main import main
from regbench.learning.checkpoint import fill, load, load_record, read_weights, save
from regbench.learning.train import train, training_of
from regbench.plan import keys
from regbench.plan.config import RunConfig, resolve
from regbench.plugins.catalog import discover
from regbench.plugins.weights import reference_weights, weights_file
from regbench.spatial.nifti import write_volume

RECORD = {"task": "toy", "steps": 12, "lambda": 0.6, "seed": 0, "commit": "abc"}


PACKING = script("pack_weights")


@pytest.fixture(scope="module")
def project(tmp_path_factory: pytest.TempPathFactory) -> ToyProject:
    """A project with a trained checkpoint, and reference weights of it for the tasks a and toy."""
    project = tiny_project(tmp_path_factory.mktemp("weights"))
    assert run(project, project.root / "trained")["outcome"] == "ok"
    for task in ("a", "toy"):
        PACKING.pack(project.root / "trained/checkpoint.pt", reference(project, task), RECORD)
    return project


def reference(project: ToyProject, task: str = "toy") -> Path:
    return project.root / "reference" / "weights" / task / "tiny.pt"


def run_of(project: ToyProject, checkpoint: str, **changes: Any) -> RunConfig:
    methods = [{"method": "tiny", "settings": {"checkpoint": checkpoint}}]
    return resolve({**project.config, "methods": methods, **changes}, project.root).runs[0]


def test_rounding_twice_is_rounding_once() -> None:
    weight = torch.randn(1000, generator=torch.Generator().manual_seed(0)) * 10
    once = PACKING.halved("w", weight)
    assert once.dtype == torch.float16
    assert torch.equal(PACKING.halved("w", once.float()), once)
    # Half precision has 11 significant bits.
    assert ((once.float() - weight).abs() <= weight.abs() * 2**-11 + 2**-25).all()
    counter = torch.tensor(70000)
    assert PACKING.halved("n", counter) is counter
    with pytest.raises(BadInput) as error:
        PACKING.halved("layer.weight", torch.tensor([1.0, 7e4]))
    one_line(error.value, "layer.weight", "65504")


def test_packing_twice_gives_the_same_bytes(project: ToyProject, tmp_path: Path) -> None:
    packed = reference(project)
    PACKING.pack(project.root / "trained/checkpoint.pt", tmp_path / "b.pt", RECORD)
    assert (tmp_path / "b.pt").read_bytes() == packed.read_bytes()
    # And packing what is packed changes no weight.
    PACKING.pack(packed, tmp_path / "c.pt", RECORD)
    assert equal(load(tmp_path / "c.pt"), load(packed))
    assert load_record(packed) == RECORD
    assert load_record(project.root / "trained/checkpoint.pt") == {}


def test_a_packed_network_computes_in_full_precision(project: ToyProject) -> None:
    content = load(project.root / "trained/checkpoint.pt")
    network = torch.nn.Sequential(
        torch.nn.Conv3d(2, 4, 3, padding=1), torch.nn.LeakyReLU(0.2), torch.nn.Conv3d(4, 3, 3)
    )
    fill(network, reference(project), lambda file: read_weights(file, content["identity"]))
    loaded = network.state_dict()
    assert {weight.dtype for weight in loaded.values()} == {torch.float32}
    for name, weight in content["network"].items():
        assert torch.equal(loaded[name], weight.half().float())


@pytest.mark.parametrize("record", [["x"], {1: "x"}, {"x": [1]}, {"x": "long" * 100}])
def test_a_record_is_short_texts_and_numbers(tmp_path: Path, record: Any) -> None:
    save(tmp_path / "w.pt", {"identity": {}, "network": {}, "record": record})
    with pytest.raises(BadInput) as error:
        load_record(tmp_path / "w.pt")
    one_line(error.value, "w.pt", "bad record")


def test_the_file_that_a_name_stands_for(
    project: ToyProject, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    method, root = discover(project.root).methods["tiny"], project.root
    here = root / "reference/weights"

    def found(name: str) -> Path:
        return weights_file(name, method, "ct-mri", 3, root)

    monkeypatch.chdir(tmp_path)
    assert found("reference") == here / "ct-mri" / "tiny.pt"
    assert found("reference:toy") == here / "toy" / "tiny.pt"
    assert found("w/{task}/{method}/{seed}{other}.pt") == root / "w/ct-mri/tiny/3{other}.pt"
    assert found("/w/{seed}.pt") == Path("/w/3.pt")
    # A file of the folder where the workflow runs, which the project does not have.
    (tmp_path / "own.pt").touch()
    assert found("own.pt") == Path("own.pt")
    (root / "own.pt").touch()
    assert found("own.pt") == root / "own.pt"
    # In the project's own folder the name does not depend on where the project lies.
    monkeypatch.chdir(root)
    assert found("no/{seed}.pt") == Path("no/3.pt")


def test_the_task_is_the_one_that_the_weights_are_for(project: ToyProject) -> None:
    task = project.config["tasks"]["toy"]
    tasks = {"back": {**task, "trained_on": "toy"}, "toy": task}
    methods = [{"method": "tiny", "settings": {"checkpoint": "reference"}, "tasks": ["back"]}]
    # Given weights: the run need not be trained on the other task.
    config = resolve({**project.config, "tasks": tasks, "methods": methods}, project.root)
    (back,) = config.runs
    assert Path(back.settings_of(0)["checkpoint"]).samefile(reference(project))
    assert back.settings["checkpoint"] == "reference" and back.title == "Tiny"
    assert replace(back, settings={**back.settings, "checkpoint": ""}).settings_of(5) == {
        **back.settings,
        "checkpoint": "",
    }


@pytest.mark.parametrize(("name", "seeds"), [("reference", (4,)), ("w{seed}.pt", (4, 5))])
def test_one_file_is_one_seed(project: ToyProject, name: str, seeds: tuple[int, ...]) -> None:
    methods = [{"method": "tiny", "settings": {"checkpoint": name}}]
    config = resolve({**project.config, "methods": methods, "seeds": [4, 5]}, project.root)
    assert config.seeds_of(config.runs[0]) == seeds


def test_reference_weights_of_several_seeds(project: ToyProject, tmp_path: Path) -> None:
    """Each of the config's seeds that has a file is run; without any, the first with METHOD.pt."""
    root = shutil.copytree(project.root, tmp_path / "project")
    folder = root / "reference/weights/toy"
    shutil.copy(folder / "tiny.pt", folder / "tiny-seed2.pt")

    def files(of_config: list[int], **own: Any) -> dict[int, str]:
        methods = [{"method": "tiny", "settings": {"checkpoint": "reference"}, **own}]
        config = resolve({**project.config, "methods": methods, "seeds": of_config}, root)
        run = config.runs[0]
        return {
            seed: Path(run.settings_of(seed)["checkpoint"]).name for seed in config.seeds_of(run)
        }

    assert files([0, 1, 2]) == {0: "tiny.pt", 2: "tiny-seed2.pt"}
    assert files([2, 0]) == {2: "tiny-seed2.pt", 0: "tiny.pt"}
    assert files([1]) == {1: "tiny.pt"}
    assert files([0], seeds=[2]) == {2: "tiny-seed2.pt"}


def test_the_content_of_the_file_is_in_the_keys(project: ToyProject, tmp_path: Path) -> None:
    given = run_of(project, str(tmp_path / "{seed}.pt"))
    seen = []
    for content in (None, b"one", b"two"):
        if content is not None:
            (tmp_path / "0.pt").write_bytes(content)
        seen.append((keys.train(given, 0), keys.register(given, 0)))
    assert len({key for pair in seen for key in pair}) == 6
    (tmp_path / "1.pt").write_bytes(b"two")
    (tmp_path / "0.pt").unlink()
    assert keys.train(given, 0) == seen[0][0]


def test_weights_that_are_not_there_skip_and_say_which(project: ToyProject, tmp_path: Path) -> None:
    absent = run(project, tmp_path, checkpoint="reference:nowhere")
    assert absent["outcome"] == "skipped"
    assert "there are no weights at" in absent["reason"]
    assert absent["reason"].endswith("reference/weights/nowhere/tiny.pt")
    present = run(project, tmp_path, checkpoint="reference")
    assert (present["outcome"], present["origin"]) == ("ok", RECORD)
    assert Path(present["checkpoint"]).samefile(reference(project))
    assert "steps" not in present and not (tmp_path / "checkpoint.pt").exists()
    write_json(tmp_path / "record.json", present)
    # A damaged file is no missing one.
    (tmp_path / "bad.pt").write_bytes(reference(project).read_bytes()[:200])
    bad = train(training_of(job_of(project, tmp_path, checkpoint=str(tmp_path / "bad.pt"))))
    assert bad["outcome"] == "failed" and "bad.pt" in bad["reason"]


def test_the_first_reference_weights_that_there_are(project: ToyProject) -> None:
    method = discover(project.root).methods["tiny"]
    assert reference_weights(method).samefile(reference(project, "a"))
    assert reference_weights(method, "toy").samefile(reference(project))
    for name, task in (("tiny", "b"), ("tiny", "../weights/toy"), ("identity", "")):
        with pytest.raises(BadInput) as error:
            reference_weights(discover(project.root).methods[name], task)
        one_line(error.value, f"no reference weights of {name}", task)


def pair(folder: Path) -> tuple[Path, Path]:
    files = folder / "fixed.nii.gz", folder / "moving.nii.gz"
    for seed, file in enumerate(files):
        write_volume(file, random_image(seed, shape=(12, 12, 12)))
    return files


@pytest.mark.verify
def test_register_takes_reference_weights(
    project: ToyProject, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    fixed, moving = pair(tmp_path)
    words = ["--root", str(project.root), "register", "tiny", "--fixed", str(fixed)]
    words += ["--moving", str(moving), "--output", str(tmp_path / "field.nii.gz")]
    assert main([*words, "--checkpoint", "reference:toy", "--device", "cpu"]) == 0
    assert f", cpu, weights {reference(project)}" in capsys.readouterr().out
    catalog = discover(project.root)
    trained = project.root / "trained" / "checkpoint.pt"
    halves, whole = (
        register("tiny", fixed, moving, checkpoint=given, device="cpu", catalog=catalog)
        for given in ("reference", trained)
    )
    assert halves.checkpoint is not None and halves.checkpoint.samefile(reference(project, "a"))
    one, two = halves.field.displacement, whole.field.displacement
    assert np.allclose(one, two, atol=0.01) and np.abs(two).max() > 0.01
    for option, words_of_error in (
        ("reference:no", ("no reference weights of tiny for task no", "reference:toy")),
        ("no.pt", ("no.pt: no such checkpoint",)),
    ):
        assert main([*words, "--checkpoint", option]) == 2
        (line,) = capsys.readouterr().err.splitlines()
        assert all(word in line for word in words_of_error)


def test_register_on_a_machine_without_a_gpu(
    project: ToyProject,
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setenv("CUDA_VISIBLE_DEVICES", "")
    fixed, moving = pair(tmp_path)
    words = ["--root", str(project.root), "register", "--fixed", str(fixed)]
    words += ["--moving", str(moving), "--output", str(tmp_path / "out" / "field.nii.gz")]
    for method, more, word in (
        ("tiny", ["--checkpoint", "reference"], "shows no GPU"),
        ("shift", [], "method shift cannot use a GPU"),
    ):
        assert main([*words, method, *more, "--device", "cuda"]) == 2
        (line,) = capsys.readouterr().err.splitlines()
        assert word in line
        assert not (tmp_path / "out").exists()
    with pytest.raises(BadInput, match="unknown device 'gpu'"):
        register(
            "tiny",
            fixed,
            moving,
            checkpoint="reference",
            device="gpu",
            catalog=discover(project.root),
        )


@pytest.mark.verify
def test_the_table_marks_given_weights(project: ToyProject, tmp_path: Path) -> None:
    made = make_project(tmp_path)
    made.config["methods"] = [
        "identity",
        {"method": "tiny", "title": "Trained", "settings": {"steps": 4}},
        {"method": "tiny", "title": "Given", "settings": {"checkpoint": "reference"}},
    ]
    made.snakemake("reports/table.csv")
    notes, rows = read_report(made.root, "table")
    text = "\n".join(notes)
    absent = "there are no weights at reference/weights/toy/tiny.pt"
    assert f"cases skipped: training: {absent}" in text and "Weights" not in rows[0]
    PACKING.pack(project.root / "trained/checkpoint.pt", reference(made), RECORD)
    made.snakemake("reports/table.csv")
    notes, rows = read_report(made.root, "table")
    text = "\n".join(notes)
    said = "reference (task toy, steps 12, lambda 0.6, seed 0, commit abc)"
    assert f"weights of Given for task toy, not trained here: {said}" in notes
    assert "on the pairs of task toy; Trained 4 steps" in text
    assert [row["Weights"] for row in rows] == ["", "trained", "reference"]
    assert made.planned("reports/table.csv") == {}
    # Other weights: registered again, and nothing of the trained run.
    PACKING.pack(project.root / "trained/checkpoint.pt", reference(made), {"task": "toy"})
    assert made.planned("reports/table.csv")["register"] == 1
