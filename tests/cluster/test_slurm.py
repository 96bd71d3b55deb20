"""The workflow on a real Slurm of two nodes. Not part of the ordinary run: `make test-cluster`.

Skips where Slurm, munge, the plugin or root is missing, and without REGBENCH_CLUSTER=1.
"""

import csv
import importlib.util
import json
import os
import shutil
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
import slurm_cluster
import yaml
from toy_project import IGNORED, REPO, ToyProject, make_project

pytestmark = pytest.mark.skipif(
    not os.environ.get("REGBENCH_CLUSTER"), reason="minutes, as root: make test-cluster"
)
#: Quick answers: this cluster has no other users.
OPTIONS = ("--slurm-init-seconds-before-status-checks", "2", "--latency-wait", "5")
#: A case of the method that a node dies under, and how many there are.
SLEEP_S, CASES = 3.0, 6
RUN = f"shift@sleep_s={SLEEP_S}"
#: The engine of this repository, whichever is installed, and the plugin, wherever it is.
ENGINE = os.pathsep.join([str(REPO), os.environ.get("PYTHONPATH", "")])


@pytest.fixture(scope="module")
def cluster() -> Iterator[None]:
    if importlib.util.find_spec("snakemake_executor_plugin_slurm") is None:
        pytest.skip("snakemake-executor-plugin-slurm is not installed: pip install '.[slurm]'")
    try:
        slurm_cluster.check()
    except slurm_cluster.Unusable as problem:
        pytest.skip(str(problem))
    slurm_cluster.start()
    try:
        yield
    finally:
        slurm_cluster.stop()
    assert not slurm_cluster.living()


def start(root: Path, config: Path, *more: str, requeue: bool = True) -> subprocess.Popen[str]:
    """`snakemake` with the profile, as a user would start it on the cluster."""
    command = [sys.executable, "-m", "snakemake", "--profile", "profiles/slurm"]
    # In a toy project the tests' own variables name another engine and another machine.
    names = {k: v for k, v in os.environ.items() if not k.startswith(("REGBENCH_", "SLURM_"))}
    if not requeue:
        names["SBATCH_NO_REQUEUE"] = "1"
    return subprocess.Popen(
        [*command, "--configfile", str(config), *OPTIONS, *more],
        cwd=root,
        env={**names, "PYTHONPATH": ENGINE},
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
    )


def finished(process: subprocess.Popen[str], code: int = 0) -> str:
    text, _ = process.communicate(timeout=1500)
    assert process.returncode == code, text[-6000:]
    return text


def toy(root: Path) -> ToyProject:
    project = make_project(root)
    project.config["datasets"]["toy"]["splits"] = {"test": {"count": CASES, "seed": 300}}
    project.config["methods"] = [
        "identity",
        {"method": "shift", "settings": {"sleep_s": SLEEP_S}},
    ]
    project.write_config()
    return project


def table(project: ToyProject) -> list[list[str]]:
    """The rows of the report without the columns of seconds."""
    lines = (project.root / "reports" / "table.csv").read_text().splitlines()
    rows = list(csv.reader(lines))
    kept = [k for k, name in enumerate(rows[0]) if not name.startswith(("Time", "CPU"))]
    return [[row[k] for k in kept] for row in rows]


def statuses(project: ToyProject, run: str) -> dict[str, dict[str, object]]:
    files = sorted(project.folder(run).glob("*/status.json"))
    return {file.parent.name: json.loads(file.read_text()) for file in files}


def until(true: Callable[[], bool], seconds: float = 300) -> None:
    end = time.monotonic() + seconds
    while not true():
        assert time.monotonic() < end, slurm_cluster.jobs()
        time.sleep(0.2)


def jobs_of(rule: str, run: str, *, alive: bool = False) -> list[dict[str, str]]:
    jobs = [j for j in slurm_cluster.jobs() if j["state"] != "COMPLETED" or not alive]
    return [j for j in jobs if j["comment"].startswith(f"rule_{rule}_") and run in j["comment"]]


@pytest.fixture(scope="module")
def reference(tmp_path_factory: pytest.TempPathFactory) -> list[list[str]]:
    """The table of a run on this machine."""
    project = toy(tmp_path_factory.mktemp("local"))
    names = {**project.environment, "PYTHONPATH": ENGINE}
    command = project.snakemake_command("reports/table.csv")
    done = subprocess.run(command, cwd=project.root, env=names, capture_output=True, text=True)
    assert done.returncode == 0, done.stdout[-3000:] + done.stderr[-3000:]
    return table(project)


@pytest.mark.usefixtures("cluster")
def test_the_request_for_a_gpu_lands_on_its_node(tmp_path: Path) -> None:
    project = toy(tmp_path)
    folder = project.root / "methods" / "on_gpu"
    shutil.copytree(project.root / "methods" / "shift", folder, ignore=IGNORED)
    resources = {"threads": 1, "memory_gb": 2, "time_limit_s": 120, "cases_per_job": 3, "gpu": 1}
    method = yaml.safe_load((folder / "method.yaml").read_text())
    del method["variants"]
    (folder / "method.yaml").write_text(yaml.safe_dump({**method, "resources": resources}))
    project.config |= {"methods": ["identity", "on-gpu"], "device": "cuda"}
    project.write_config()
    finished(start(project.root, project.config_file, "reports/table.csv"))
    asked = jobs_of("register", "on-gpu")
    # Two shards of three cases: 10 minutes, 300 s to start, 2 minutes a case.
    assert [(j["node"], j["minutes"], j["memory"]) for j in asked] == [("gpu", "21:00", "3G")] * 2
    assert {status["device"] for status in statuses(project, "on-gpu").values()} == {"cuda:0"}
    others = jobs_of("register", "identity") + jobs_of("evaluate", "")
    assert others and "plain" in {job["node"] for job in others}
    assert {status["device"] for status in statuses(project, "identity").values()} == {"cpu"}
    assert not [j for j in slurm_cluster.jobs() if "rule_collect" in j["comment"]]


@pytest.mark.usefixtures("cluster")
@pytest.mark.parametrize("way", ["slurm sends the job again", "snakemake sends the job again"])
def test_a_node_that_dies_loses_nothing(
    tmp_path: Path, reference: list[list[str]], way: str
) -> None:
    project = toy(tmp_path)
    requeue = way.startswith("slurm")
    process = start(project.root, project.config_file, "reports/table.csv", requeue=requeue)
    until(lambda: len(statuses(project, RUN)) >= 2 or process.poll() is not None)
    assert process.poll() is None, finished(process)
    (job,) = jobs_of("register", RUN, alive=True)
    before = statuses(project, RUN)
    killed = slurm_cluster.kill_node(job["node"])
    # The daemon, the steps, three Snakemake, the launcher, the worker.
    assert len(killed) > 5
    try:
        # What was killed makes no further case.
        assert len(before) < CASES
        if not requeue:
            # The other node is taken away, too: all waits for the return of this one.
            other = next(name for name in slurm_cluster.NODES if name != job["node"])
            subprocess.run(
                ["scontrol", "update", f"NodeName={other}", "State=DRAIN", "Reason=test"],
                check=True,
            )
            until(lambda: slurm_cluster.node_state(job["node"]).startswith("down"))
            slurm_cluster.start_node(job["node"])
        text = finished(process)
    finally:
        process.kill()
        if not requeue:
            subprocess.run(["scontrol", "update", f"NodeName={other}", "State=RESUME"], check=False)
        else:
            slurm_cluster.start_node(job["node"])
        until(lambda: all(slurm_cluster.node_state(n) == "idle" for n in slurm_cluster.NODES))
    assert ("node failure" in text) != requeue
    after = statuses(project, RUN)
    assert len(after) == CASES
    # Cases that were done before are the same files, not registered again.
    assert {name: after[name] for name in before} == before
    assert table(project) == reference


@pytest.mark.usefixtures("cluster")
def test_the_smoke_workflow_has_the_numbers_it_had(tmp_path: Path) -> None:
    for name in ("Snakefile", "rules", "profiles", "config", "baselines"):
        copy = shutil.copytree if (REPO / name).is_dir() else shutil.copy
        copy(REPO / name, tmp_path / name)
    for name in ("datasets", "methods", "metrics", "reports"):
        shutil.copytree(REPO / name, tmp_path / name, ignore=IGNORED)
    config = tmp_path / "config" / "smoke.yaml"
    finished(start(tmp_path, config))
    check = ["baseline", "check", "--config", "config/smoke.yaml"]
    done = subprocess.run(
        [sys.executable, "-m", "regbench.cli.main", *check],
        cwd=tmp_path,
        env={**os.environ, "PYTHONPATH": ENGINE},
        capture_output=True,
        text=True,
    )
    assert done.returncode == 0, done.stdout + done.stderr
