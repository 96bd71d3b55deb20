"""regbench: a benchmark and evaluation harness for deformable medical image registration."""

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from regbench.api import evaluate, load_results, register

__version__ = "0.1.0"
__all__ = ["evaluate", "load_results", "register"]


def __getattr__(name: str) -> Any:
    """The functions of `regbench.api`, imported on first use: the command line need not wait."""
    if name not in __all__:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    from regbench import api

    return getattr(api, name)
