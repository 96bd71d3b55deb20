"""regbench: a benchmark and evaluation harness for deformable medical image registration."""

__version__ = "0.1.0"
