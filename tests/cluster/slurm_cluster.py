"""A Slurm of two nodes on this one machine, for tests: `python slurm_cluster.py start | stop`.

Takes Debian's `slurm-wlm` and `munge`, and root. Everything listens on the loopback alone. What is
started is recorded with process ids and start times, and `stop` ends those processes and no others.
`slurm.conf` lies in the default folder, where every Slurm command finds it; one that somebody else
wrote is never touched. The node `gpu` has a GPU that is none: a request can be seen to land there.
"""

import json
import os
import secrets
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path

import psutil

CONF = Path("/etc/slurm/slurm.conf")
GRES = Path("/etc/slurm/gres.conf")
HOME = Path("/run/regbench-slurm")
RECORD = HOME / "processes.json"
MARK = "# The test cluster of regbench (tests/cluster/slurm_cluster.py)."
NODES = ("plain", "gpu")
#: Of the packages slurm-wlm and munge.
PROGRAMS = ("slurmctld", "slurmd", "sbatch", "srun", "scontrol", "squeue", "munged")
#: Seconds after which a silent node counts as dead.
NODE_TIMEOUT_S = 15

SLURM_CONF = f"""{MARK}
ClusterName=regbench
SlurmctldHost=localhost(127.0.0.1)
SlurmUser=root
SlurmctldPort=16817
CommunicationParameters=NoCtldInAddrAny,NoInAddrAny
AuthType=auth/munge
AuthInfo=socket={HOME}/munge.socket
ProctrackType=proctrack/linuxproc
TaskPlugin=task/none
SelectType=select/cons_tres
SelectTypeParameters=CR_CPU_Memory
AccountingStorageType=accounting_storage/none
JobAcctGatherType=jobacct_gather/none
GresTypes=gpu
# Without accounting, a finished job is known for so many seconds and then forgotten.
MinJobAge=600
ReturnToService=2
SlurmdTimeout={NODE_TIMEOUT_S}
KillWait=2
MpiDefault=none
SlurmdParameters=config_overrides
StateSaveLocation={HOME}/state
SlurmctldPidFile={HOME}/slurmctld.pid
SlurmctldLogFile={HOME}/slurmctld.log
SlurmdSpoolDir={HOME}/spool-%n
SlurmdPidFile={HOME}/slurmd-%n.pid
SlurmdLogFile={HOME}/slurmd-%n.log
NodeName=DEFAULT CPUs=1 RealMemory=20000
NodeName=plain NodeHostname=localhost NodeAddr=127.0.0.1 Port=16818
NodeName=gpu NodeHostname=localhost NodeAddr=127.0.0.1 Port=16819 Gres=gpu:1 Weight=9
PartitionName=main Nodes=plain,gpu Default=YES MaxTime=INFINITE State=UP
"""
GRES_CONF = f"{MARK}\nNodeName=gpu Name=gpu File=/dev/null\n"


class Unusable(Exception):
    """Why there can be no test cluster here."""


def check() -> None:
    """Whether a test cluster can be started.

    Raises:
        Unusable: not root, a program is missing, or the machine has a Slurm of its own.
    """
    missing = [name for name in PROGRAMS if _program(name) is None]
    if missing:
        raise Unusable(f"{missing[0]} is not installed: apt-get install slurm-wlm munge")
    if os.getuid() != 0:
        raise Unusable("a Slurm daemon that starts jobs must be root")
    for file in (CONF, GRES):
        if file.exists() and not file.read_text().startswith(MARK):
            raise Unusable(f"{file} is somebody else's: not touched")


def start() -> None:
    """Start munged, slurmctld and a slurmd a node, and wait until both nodes are idle.

    Raises:
        Unusable: see `check`; or something does not come up.
    """
    check()
    if living():
        raise Unusable(f"is running already (stop it first): {RECORD}")
    shutil.rmtree(HOME, ignore_errors=True)
    (HOME / "state").mkdir(parents=True)
    CONF.parent.mkdir(exist_ok=True)
    CONF.write_text(SLURM_CONF)
    GRES.write_text(GRES_CONF)
    key = HOME / "munge.key"
    key.write_bytes(secrets.token_bytes(128))
    key.chmod(0o600)
    files = {"key-file": key, "socket": HOME / "munge.socket", "log-file": HOME / "munged.log"}
    files |= {"pid-file": HOME / "munged.pid", "seed-file": HOME / "munge.seed"}
    try:
        _daemon("munged", "--foreground", *(f"--{name}={file}" for name, file in files.items()))
        _wait(lambda: (HOME / "munge.socket").exists(), "munged", 30)
        _daemon("slurmctld", "-D", "-c")
        for node in NODES:
            start_node(node)
        _wait(lambda: all(node_state(node) == "idle" for node in NODES), "the nodes", 60)
    except Unusable:
        stop()
        raise


def stop() -> None:
    """End the recorded daemons and all that runs below them, and take the configuration away."""
    if living() and _program("scancel"):
        subprocess.run(["scancel", "--user=root"], check=False, timeout=60, capture_output=True)
    for node in NODES:
        kill_node(node)
    for process in living():
        process.terminate()
    _, stubborn = psutil.wait_procs(living(), timeout=15)
    for process in stubborn:
        process.kill()
    for file in (CONF, GRES):
        if file.exists() and file.read_text().startswith(MARK):
            file.unlink()
    # The logs stay for who wants to read them.
    RECORD.unlink(missing_ok=True)


def start_node(node: str) -> None:
    """Start the daemon of a node."""
    (HOME / f"spool-{node}").mkdir(exist_ok=True)
    _daemon("slurmd", "-D", "-N", node)


def kill_node(node: str) -> list[int]:
    """A node that loses power: its daemon and its jobs' processes, all at once. Their ids."""
    daemons = [p for p in living() if _arguments(p)[-2:] == ["-N", node]]
    # What the node's daemon starts leaves its process tree; a step has a socket in its folder.
    steps = {path.name for path in (HOME / f"spool-{node}").glob(f"{node}_*")}
    named = {f"slurmstepd: [{name.removeprefix(f'{node}_')}]" for name in steps}
    doomed = list(daemons)
    for process in psutil.process_iter():
        if any(_title(process) in (name, name.replace(".4294967291", ".batch")) for name in named):
            doomed += [process, *process.children(recursive=True)]
    for process in doomed:
        if process.is_running():
            process.send_signal(signal.SIGKILL)
    psutil.wait_procs(daemons, timeout=15)
    return [process.pid for process in doomed]


def node_state(node: str) -> str:
    """What Slurm says of a node: `idle`, `mixed`, `allocated`, `down*` and so on; else nothing."""
    done = subprocess.run(
        ["sinfo", "--noheader", "--Node", "--nodes", node, "--format=%T"],
        capture_output=True,
        text=True,
        timeout=60,
    )
    return done.stdout.strip()


def jobs(node: str | None = None) -> list[dict[str, str]]:
    """Every job that Slurm remembers: id, state, node, what it asks for, and its comment."""
    keys = {"id": "%i", "state": "%T", "node": "%N", "gres": "%b", "minutes": "%l", "cpus": "%C"}
    keys |= {"memory": "%m", "comment": "%k"}
    done = subprocess.run(
        ["squeue", "--states=all", "--noheader", "--format=" + "|".join(keys.values())],
        capture_output=True,
        text=True,
        timeout=60,
        check=True,
    )
    rows = [dict(zip(keys, line.split("|"), strict=True)) for line in done.stdout.splitlines()]
    return [row for row in rows if node in (None, row["node"])]


def living() -> list[psutil.Process]:
    """The recorded daemons that are alive: same id and same start time."""
    found = []
    for pid, started in json.loads(RECORD.read_text()) if RECORD.is_file() else []:
        try:
            process = psutil.Process(pid)
            if process.create_time() == started and process.status() != psutil.STATUS_ZOMBIE:
                found.append(process)
        except psutil.NoSuchProcess:
            continue
    return found


def _daemon(name: str, *arguments: str) -> None:
    program = _program(name)
    if program is None:
        raise Unusable(f"{name} is not installed")
    with (HOME / f"{name}.out").open("ab") as out:
        process = subprocess.Popen(
            [program, *arguments],
            stdin=subprocess.DEVNULL,
            stdout=out,
            stderr=out,
            start_new_session=True,
            cwd=HOME,
        )
    kept = [[p.pid, p.create_time()] for p in living()]
    RECORD.write_text(json.dumps([*kept, [process.pid, psutil.Process(process.pid).create_time()]]))


def _wait(ready: Callable[[], bool], what: str, seconds: float) -> None:
    end = time.monotonic() + seconds
    while not ready():
        if time.monotonic() > end:
            raise Unusable(f"{what} did not come up in {seconds:.0f} s: see the logs in {HOME}")
        time.sleep(0.5)


def _program(name: str) -> str | None:
    return shutil.which(name, path=f"{os.environ.get('PATH', '')}:/usr/sbin:/sbin")


def _arguments(process: psutil.Process) -> list[str]:
    try:
        return process.cmdline()
    except psutil.Error:
        return []


def _title(process: psutil.Process) -> str:
    return " ".join(_arguments(process)).strip()


if __name__ == "__main__":
    try:
        {"start": start, "stop": stop}[sys.argv[1]]()
    except (Unusable, IndexError, KeyError) as problem:
        sys.exit(f"slurm_cluster.py start | stop: {problem}")
