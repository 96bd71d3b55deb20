"""Commands around a workflow: making a project, and running the workflow in it."""

import argparse
import os
import re
import sys
from collections.abc import Sequence
from pathlib import Path

from regbench.base.errors import BadInput
from regbench.base.files import write_text
from regbench.base.project import MARK, box, find_root, nearest_project, plugin_roots, work_folder
from regbench.cli.options import CONFIG, Command, config_file, option, path

_MARK = """\
# A project of regbench. Plugins in methods/, datasets/, metrics/ and reports/ of this folder are
# added to those in the box. Data, results and reports lie here.
"""
_IGNORED = (
    *("/.snakemake/", "/data/", "/results/", "/logs/", "/benchmarks/", "/reports/*"),
    *("!/reports/*.yaml", "__pycache__/"),
)


def run_init(options: argparse.Namespace) -> int:
    """Write the files of a project; nothing that is there is replaced."""
    folder = options.folder.resolve()
    if around := nearest_project(folder):
        what = "is a project already" if around == folder else "is inside another project"
        raise BadInput(what, file=folder, found=around)
    sources = [config_file(name, box()) for name in {"default", "smoke", *options.config}]
    # Their first line has a path to the schema, which holds in the box only.
    texts = {
        folder / "config" / file.name: re.sub(r"\A# yaml-lang.*\n", "", file.read_text("utf-8"))
        for file in sources
    }
    for file in texts:
        if file.exists():
            raise BadInput("is there already", file=file, expected="regbench init NEW_FOLDER")
    folder.mkdir(parents=True, exist_ok=True)
    check_writable(folder)
    if options.method:
        from regbench.check.scaffold import KINDS, new_plugin
        from regbench.plugins.catalog import discover

        title = options.method.replace("-", " ").capitalize()
        known = discover(box(), tolerant=True)
        made = new_plugin(KINDS[0], options.method, folder, known, place=None, title=title)
        print(f"{made.folder}: a method; next: regbench check {made.id}")
    for file, text in texts.items():
        write_text(file, text)
    ignore = folder / ".gitignore"
    lines = ignore.read_text(encoding="utf-8").splitlines() if ignore.is_file() else []
    lines += [line for line in _IGNORED if line not in lines]
    write_text(ignore, "\n".join([*lines, ""]))
    # The mark last: it makes the folder a project.
    write_text(folder / MARK, _MARK)
    print(f"{folder}: a project; next: regbench run reports/table2.csv --config smoke")
    return 0


def run_workflow(options: argparse.Namespace) -> int:
    """Become Snakemake, with the workflow in the box; does not return."""
    from regbench.base.schemas import read_yaml

    root = find_root(options.root)
    file = config_file(options.config, root)
    read_yaml(file)
    os.chdir(work_folder(root))
    words = snakemake_command(root, file, options.cores, options.rest, options.profile)
    sys.stdout.flush()
    # Snakemake's own process: signals and exit codes are its own.
    os.execve(words[0], words, {**os.environ, "REGBENCH_ROOT": str(root)})  # noqa: S606


def snakemake_command(
    root: Path, config: Path, cores: str, more: Sequence[str] = (), profile: str | None = None
) -> list[str]:
    """The command that runs the workflow of a project in the current folder.

    Raises:
        BadInput: Snakemake is not installed, or the folder cannot be written.
    """
    from regbench.plugins.kinds import installed

    if not installed("snakemake"):
        raise BadInput(
            "Snakemake is not installed", expected="pip install 'regbench-mir[workflow]'"
        )
    check_writable(Path.cwd())
    roots = plugin_roots(root)
    words = [sys.executable, "-m", "snakemake", "--snakefile", str(roots[0] / "Snakefile")]
    words += ["--cores", cores, "--configfile", str(config)]
    for name, flag in (("default", "--workflow-profile"), (profile, "--profile")):
        if name is None or any(word.partition("=")[0] == flag for word in more):
            continue
        known = [folder / "profiles" / name for folder in reversed(roots)]
        words += [flag, next((str(folder) for folder in known if folder.is_dir()), name)]
    return [*words, *more]


def check_writable(folder: Path) -> None:
    """Refuse a folder in which nothing can be written."""
    if not os.access(folder, os.W_OK | os.X_OK):
        raise BadInput("cannot be written", file=folder, expected="a folder of your own")


COMMANDS = {
    "init": Command(
        run_init,
        path("folder", "default: the current one", nargs="?", default=Path(), metavar="FOLDER"),
        option(
            "--config",
            "copy this config of the box, too; may be repeated",
            action="append",
            default=[],
            metavar="NAME",
        ),
        option("--method", "write a first method that works", metavar="NAME"),
    ),
    "run": Command(
        run_workflow,
        CONFIG,
        option("--cores", "default: all", default="all", metavar="N"),
        option("--profile", "of Snakemake: a folder, or slurm", metavar="P"),
    ),
}
