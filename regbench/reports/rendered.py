"""The files in `reports/`: a run that stops leaves none that look like its result."""

from collections.abc import Iterable
from pathlib import Path

from regbench.base.errors import BadInput
from regbench.base.files import read_json, write_json
from regbench.base.paths import CASES, METRICS, metrics_file
from regbench.base.project import plugin_roots, workflow_root
from regbench.reports.formats import FORMATS
from regbench.reports.request import PICTURES

FOLDER = Path("reports")
#: Where the files of earlier runs go.
EARLIER = FOLDER / "earlier"
#: The config that last ran, and all files that its reports may have.
_RECORD = FOLDER / ".config.json"


def files_of(ids: Iterable[str]) -> list[str]:
    """Every file that reports of these ids may have."""
    endings = dict.fromkeys((*FORMATS, *PICTURES, "html"))
    return [str(FOLDER / f"{name}.{ending}") for name in ids for ending in endings]


def known(snakefile: Path) -> list[str]:
    """Every file of a report, where a config cannot be read: by the last run, and in the box."""
    places = plugin_roots(workflow_root(snakefile))
    yamls = (file for place in places for file in (place / FOLDER).glob("*.yaml"))
    return [*_last()[1], *files_of(file.stem.replace("_", "-") for file in yamls)]


def not_of(config: str) -> list[str]:
    """Every file of the last run's reports, unless it was of this config."""
    last, files = _last()
    return [] if last == config else files


def set_aside(files: Iterable[str]) -> None:
    """Move files of reports to `EARLIER`."""
    for file in map(Path, files):
        if file.is_file():
            EARLIER.mkdir(parents=True, exist_ok=True)
            file.replace(EARLIER / file.name)


def start(config: str, ids: Iterable[str], planned: Iterable[str]) -> None:
    """Before the first job of a run: what it makes anew is gone until it is made.

    Args:
        config: name of the run's config.
        ids: of all reports that it has.
        planned: files that the run's jobs make. Reports are set aside; collected results, which are
            made of other files in seconds, are deleted.
    """
    set_aside(not_of(config))
    for file in map(Path, planned):
        if file.parent == FOLDER:
            set_aside([str(file)])
        elif file.name in (CASES, METRICS, metrics_file("").name):
            file.unlink(missing_ok=True)
    write_json(_RECORD, {"config": config, "files": files_of(ids)})


def _last() -> tuple[str, list[str]]:
    """The record's content; empty where there is none."""
    try:
        content = read_json(_RECORD)
        return str(content["config"]), [str(FOLDER / Path(name).name) for name in content["files"]]
    except (BadInput, KeyError, TypeError):
        return "", []
