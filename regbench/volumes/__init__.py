"""Volumes: an array on a voxel grid, its geometry, and its file."""

from regbench.volumes.nifti import read_volume, write_volume
from regbench.volumes.resample import resample_volume
from regbench.volumes.volume import Volume

__all__ = ["Volume", "read_volume", "resample_volume", "write_volume"]
