"""Checking a plugin before it is run: `regbench check`."""

from regbench.checking.dataset import check_dataset
from regbench.checking.finding import Finding
from regbench.checking.method import check_method

__all__ = ["Finding", "check_dataset", "check_method"]
