"""`regbench download DATASET`: fetch a data set's files, with their checksums."""

import argparse
from pathlib import Path
from typing import Any

from regbench.base.errors import BadInput
from regbench.cli.catalog import add_config, catalog_of
from regbench.plugins.catalog import lookup


def add_commands(commands: Any) -> None:
    """Add the command."""
    command = commands.add_parser("download", help="fetch the files of a data set, with checksums")
    command.add_argument("dataset", help="a data set of `regbench datasets` that can be fetched")
    command.add_argument("--to", type=Path, help="folder; default: data/downloads/<dataset>")
    command.add_argument(
        "--timeout", type=float, default=60.0, help="seconds of silence before giving up"
    )
    add_config(command)
    command.set_defaults(run=run_download)


def run_download(options: argparse.Namespace) -> int:
    """Fetch the files and say where they lie."""
    from regbench.data.download import Remote, download

    catalog = catalog_of(options)
    known = catalog.datasets
    plugin = lookup(known, options.dataset, "data set", broken=catalog.broken)
    if not plugin.download:
        able = sorted(name for name, other in known.items() if other.download)
        raise BadInput(
            f"data set {plugin.id} names nothing to fetch",
            expected=f"one of {', '.join(able) or '(no data set does)'}",
        )
    folder = options.to or Path("data", "downloads", plugin.id)
    remotes = [Remote(**item) for item in plugin.download]
    for path in download(remotes, folder, timeout=options.timeout):
        print(f"fetched {path}")
    print(f"settings: {{path: {folder}}}")
    return 0
