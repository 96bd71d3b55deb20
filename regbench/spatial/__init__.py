"""Volumes and displacement fields: one convention, one implementation of each operation.

A displacement field is float32 (X, Y, Z, 3), in voxels of the fixed grid, component k along array
axis k, pull-back: `warped(x) = moving(x + u(x))`.
"""
