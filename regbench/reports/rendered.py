"""The files in `reports/`: a run that stops leaves none that look like its result."""

from collections.abc import Iterable
from pathlib import Path

from regbench.base.files import write_text
from regbench.base.paths import CASES, METRICS, metrics_file
from regbench.base.project import plugin_roots, workflow_root
from regbench.reports.formats import FORMATS, PICTURES

FOLDER = Path("reports")
#: Where the files of earlier runs go.
EARLIER = FOLDER / "earlier"
#: Names the config that last ran.
_LAST = FOLDER / ".config"


def known(snakefile: Path) -> list[str]:
    """The ids of the reports of the project and the box, where no config can be read."""
    places = plugin_roots(workflow_root(snakefile))
    files = (file for place in places for file in (place / FOLDER).glob("*.yaml"))
    return [file.stem.replace("_", "-") for file in files]


def set_aside(ids: Iterable[str], config: str = "") -> None:
    """Move the files of reports to `EARLIER`, unless the last run was one of this config."""
    if config and _LAST.is_file() and _LAST.read_text(encoding="utf-8").strip() == config:
        return
    for name in ids:
        for ending in {*FORMATS, *PICTURES, "html"}:
            _move(FOLDER / f"{name}.{ending}")


def start(ids: Iterable[str], config: str, planned: Iterable[str]) -> None:
    """Before the first job of a run: what it makes anew is gone until it is made.

    Args:
        ids: of all reports that it has.
        config: its name.
        planned: files that the run's jobs make. Reports are set aside; collected results, which are
            made of other files in seconds, are deleted.
    """
    set_aside(ids, config)
    for file in map(Path, planned):
        if file.parent == FOLDER:
            _move(file)
        elif file.name in (CASES, METRICS, metrics_file("").name):
            file.unlink(missing_ok=True)
    write_text(_LAST, f"{config}\n")


def _move(file: Path) -> None:
    if file.is_file():
        EARLIER.mkdir(parents=True, exist_ok=True)
        file.replace(EARLIER / file.name)
