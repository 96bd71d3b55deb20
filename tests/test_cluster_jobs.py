"""What jobs ask a cluster for, by the method's yaml, and the profile for Slurm.

The real thing is in tests/cluster; it is not part of the ordinary run.
"""

import errno
import fcntl
import importlib.util
import re
from pathlib import Path
from typing import Any

import pytest
import yaml
from helpers import one_line
from toy_project import REPO, ToyProject, make_project

from regbench.base.errors import BadInput
from regbench.base.files import locked
from regbench.plan import resources
from regbench.plan.config import load_config
from regbench.plan.jobs import Plan

PROFILE = yaml.safe_load((REPO / "profiles" / "slurm" / "config.yaml").read_text())
METHOD = {
    "title": "Heavy",
    "kind": "optimisation",
    "entry": "method:register",
    "warmup": "none",
    "resources": {
        "threads": 3,
        "memory_gb": 7,
        "time_limit_s": 1800,
        "cases_per_job": 2,
        "gpu": 1,
    },
    "settings": {"by": 1.0, "sleep_s": 0.0},
}


def heavy(root: Path, **config: Any) -> ToyProject:
    """A project with a method that asks for much, of three cases in two shards."""
    project = make_project(root, engine=True)
    folder = project.root / "methods" / "heavy"
    folder.mkdir()
    (folder / "method.yaml").write_text(yaml.safe_dump(METHOD))
    (folder / "method.py").write_text(
        (project.root / "methods" / "shift" / "method.py").read_text()
    )
    project.config |= {"methods": ["identity", "heavy"], "device": "cuda", **config}
    project.write_config()
    return project


def planned(project: ToyProject) -> Plan:
    return Plan(load_config(project.config_file, project.root))


def test_a_job_asks_for_its_work_and_a_margin_and_for_a_day_at_most() -> None:
    assert resources.minutes(300 + 10 * 60) == 10 + 15
    assert resources.minutes(90.5) == 10 + 2
    assert resources.minutes(10_000 * 600) == 1440


def test_jobs_ask_for_what_the_method_s_yaml_says(tmp_path: Path) -> None:
    plan = planned(heavy(tmp_path))
    heavy_job = plan.register("toy", "heavy", "0")
    assert heavy_job.threads == 3
    assert heavy_job.memory_mb == 7 * 1024
    assert heavy_job.gpus == 1
    # Two cases a shard, 30 minutes each, and 300 s to start.
    assert heavy_job.minutes == 10 + 60 + 5
    assert plan.time("toy", "heavy", "0").minutes == 10 + 2 * 3 * 35
    identity_job = plan.register("toy", "identity", "0")
    assert identity_job.gpus == 0
    assert identity_job.minutes == 10 + 3 * 10 + 5
    # Six pairs, three of which are evaluated.
    prepare = plan.prepare("toy")
    assert (prepare.minutes, prepare.threads, prepare.memory_mb) == (10 + 12, 4, 8192)
    assert plan.evaluate("toy", "heavy", "0").minutes == 10 + 6


def test_a_limit_of_the_config_is_the_job_s(tmp_path: Path) -> None:
    plan = planned(heavy(tmp_path, limits={"time_s": 60, "memory_gb": 2}))
    job = plan.register("toy", "heavy", "0")
    assert job.minutes == 10 + 2 + 5
    assert job.memory_mb == 2048


def test_with_device_auto_the_plan_is_the_same_on_every_machine(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    project = heavy(tmp_path, device="auto")
    plans = []
    for gpus in ("", "0,1"):
        monkeypatch.setenv("CUDA_VISIBLE_DEVICES", gpus)
        plan = planned(project)
        plans.append([plan.register("toy", "heavy", "0"), plan.time("toy", "heavy", "0")])
    assert plans[0] == plans[1]
    # None is asked for. A node may have one, and then its case is timed on both devices.
    assert [job.gpus for job in plans[0]] == [0, 0]
    assert plans[0][1].minutes == 10 + 2 * 3 * 35


def test_the_rules_declare_it_and_a_local_run_is_as_it_was(tmp_path: Path) -> None:
    project = heavy(tmp_path, timing="alone")
    text = project.snakemake("-n").stdout
    jobs = {}
    for job in re.split(r"\n(?=(?:local)?rule )", text):
        rule = re.match(r"(?:local)?rule (\w+):", job)
        if rule and ("heavy" in job or rule[1] in ("prepare", "collect")):
            found = re.findall(r"(\w+)=([^,\s]+)", job[job.rindex("resources: ") :].split("\n")[0])
            threads = re.search(r"threads: (\d+)", job)
            jobs[rule[1]] = {**dict(found), "threads": threads[1] if threads else "1"}
    register = jobs["register"]
    # Two cores are given, and no more memory than the method's is asked for on one machine.
    assert (register["threads"], register["mem_mb"], register["gpu"]) == ("2", "7168", "1")
    assert register["runtime"] == "75"
    assert (jobs["time"]["threads"], jobs["time"]["runtime"]) == ("2", "220")
    assert (jobs["prepare"]["runtime"], jobs["prepare"]["threads"]) == ("22", "2")
    assert jobs["evaluate"]["runtime"] == "16"


def test_what_is_not_worth_a_job_stays_where_snakemake_runs() -> None:
    text = "".join(file.read_text() for file in sorted((REPO / "rules").glob("*.smk")))
    blocks = re.findall(r"\nlocalrules:\n((?: +\w+,\n)+)", text)
    local = {name for block in blocks for name in re.findall(r"\w+", block)}
    # Environments need the network, which a node may not have.
    assert local == {"collect", "environment", "merge", "render", "figure", "page"}


def test_the_profile_has_what_the_default_does_not_do() -> None:
    assert PROFILE["executor"] == "slurm"
    # Without accounting sacct knows of no job.
    assert PROFILE["slurm-status-command"] == "squeue"
    assert PROFILE["retries"] >= 1
    assert PROFILE["set-resources"]["time"]["slurm_extra"] == "--exclusive"


def test_snakemake_knows_every_option_of_the_profile() -> None:
    from snakemake.cli import get_argument_parser

    plugin = importlib.util.find_spec("snakemake_executor_plugin_slurm") is not None
    known = {o for action in get_argument_parser()._actions for o in action.option_strings}
    for key in PROFILE:
        if not key.startswith("slurm-"):
            assert f"--{key}" in known, key
    if not plugin:
        pytest.skip("snakemake-executor-plugin-slurm is not installed: its options are not checked")
    import dataclasses

    from snakemake_executor_plugin_slurm import ExecutorSettings

    fields = {field.name.replace("_", "-") for field in dataclasses.fields(ExecutorSettings)}
    assert {k.removeprefix("slurm-") for k in PROFILE if k.startswith("slurm-")} <= fields


def test_a_file_system_without_locks_is_told_in_one_line(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def refuse(*_: object) -> None:
        raise OSError(errno.ENOLCK, "No locks available")

    monkeypatch.setattr(fcntl, "flock", refuse)
    with pytest.raises(BadInput) as error, locked(tmp_path / "lock"):
        pass
    one_line(error.value, "lock", "cannot be locked", "flock", "No locks available")
