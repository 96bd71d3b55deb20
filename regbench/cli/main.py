"""`regbench`: parsing the command line and turning errors into one line and an exit code."""

import argparse
import sys
from collections.abc import Sequence
from importlib import import_module

from regbench import __version__
from regbench.base.errors import BadInput

#: Modules of commands, in the order in which the help has them.
MODULES = (
    *("catalog", "new", "check", "download", "single", "score", "export", "verdict", "baseline"),
    *("completion", "stage"),
)


def parser(modules: Sequence[str] = MODULES) -> argparse.ArgumentParser:
    """The whole command line, or only the commands of some modules."""
    top = argparse.ArgumentParser(
        prog="regbench", description="Benchmark of deformable image registration"
    )
    top.add_argument("--version", action="version", version=f"regbench {__version__}")
    top.add_argument("--root", help="project folder; default: $REGBENCH_ROOT, else the nearest")
    top.add_argument("--debug", action="store_true", help="show the traceback of an error")
    commands = top.add_subparsers(dest="command", required=True, metavar="COMMAND")
    for name in modules:
        import_module(f"regbench.cli.{name}").add_commands(commands)
    return top


def main(arguments: Sequence[str] | None = None) -> int:
    """Run a command; 0, 1 or 3 by what it found, 2 for bad input, 130 for Ctrl-C."""
    words = sys.argv[1:] if arguments is None else list(arguments)
    # A workflow starts a process a job: it does not pay for the imports of other commands.
    options = parser(("stage",) if words[:1] == ["stage"] else MODULES).parse_args(words)
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
