"""`regbench`: parsing the command line and turning errors into one line and an exit code."""

import argparse
import sys
from collections.abc import Sequence

from regbench import __version__
from regbench.cli import (
    baseline,
    catalog,
    check,
    download,
    export,
    new,
    score,
    single,
    stage,
    verdict,
)
from regbench.errors import BadInput


def parser() -> argparse.ArgumentParser:
    """The whole command line."""
    top = argparse.ArgumentParser(
        prog="regbench", description="Benchmark of deformable image registration"
    )
    top.add_argument("--version", action="version", version=f"regbench {__version__}")
    top.add_argument("--root", help="project folder; default: $REGBENCH_ROOT, else the nearest")
    top.add_argument("--debug", action="store_true", help="show the traceback of an error")
    commands = top.add_subparsers(dest="command", required=True, metavar="COMMAND")
    modules = (catalog, new, check, download, single, score, export, verdict, baseline, stage)
    for module in modules:
        module.add_commands(commands)
    return top


def main(arguments: Sequence[str] | None = None) -> int:
    """Run a command; 0, 1 or 3 by what it found, 2 for bad input, 130 for Ctrl-C."""
    options = parser().parse_args(arguments)
    try:
        return int(options.run(options))
    except BadInput as error:
        if options.debug:
            raise
        print(f"regbench: {error}", file=sys.stderr)
        return 2
    except KeyboardInterrupt:
        print("regbench: interrupted; finished cases are kept", file=sys.stderr)
        return 130
    except BrokenPipeError:
        # A listing piped into `head` is no error; in a job it is.
        return 1 if options.command == "stage" else 0
    except OSError as error:
        if options.debug:
            raise
        print(f"regbench: {error}", file=sys.stderr)
        return 2


if __name__ == "__main__":
    sys.exit(main())
