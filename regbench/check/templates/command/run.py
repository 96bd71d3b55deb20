"""run.py FIXED MOVING OUTPUT SHARE: a share of the shift between the centres of two images.

A working start: change it, or call your program from here. FIXED and MOVING are gzipped NIfTI
files of float32 voxels and of one shape; OUTPUT becomes a field of shape (X, Y, Z, 3): voxels of
the fixed grid, component k along array axis k, `warped(x) = moving(x + u(x))`. Nothing but
Python's own library is used, so that it runs anywhere; nibabel would make it shorter.
"""

from __future__ import annotations

import gzip
import struct
import sys
from array import array

#: Bytes of a NIfTI header, with the four that say that no extension follows.
HEADER = 352


def read(path: str) -> tuple[bytearray, tuple[int, ...], array[float]]:
    """The header's bytes, the shape, and the voxels: a flat array, the first axis fastest."""
    with gzip.open(path) as file:
        header, rest = file.read(HEADER), file.read()
    shape = struct.unpack_from("<3h", header, 42)
    voxels = array("f")
    voxels.frombytes(rest[: 4 * shape[0] * shape[1] * shape[2]])
    return bytearray(header), shape, voxels


def centre(shape: tuple[int, ...], voxels: array[float]) -> list[float]:
    """The centre of mass, in voxels; the middle of the grid where there is no mass."""
    low = min(voxels)
    total = sum(voxels) - low * len(voxels)
    if total <= 0:
        return [(size - 1) / 2 for size in shape]
    found = []
    stride = 1
    for size in shape:
        planes = [0.0] * size
        for start in range(0, len(voxels), stride):
            planes[start // stride % size] += sum(voxels[start : start + stride]) - low * stride
        found.append(sum(place * mass for place, mass in enumerate(planes)) / total)
        stride *= size
    return found


def write(path: str, header: bytearray, shape: tuple[int, ...], shift: list[float]) -> None:
    """A field that is the same everywhere; the header is the fixed image's, with a fourth axis."""
    struct.pack_into("<8h", header, 40, 4, *shape, 3, 1, 1, 1)
    count = shape[0] * shape[1] * shape[2]
    with gzip.open(path, "wb", compresslevel=1) as file:
        file.write(header)
        for component in shift:
            file.write((array("f", [component]) * count).tobytes())


def main(fixed: str, moving: str, output: str, share: str) -> None:
    header, shape, still = read(fixed)
    _, _, other = read(moving)
    here, there = centre(shape, still), centre(shape, other)
    write(output, header, shape, [float(share) * (there[k] - here[k]) for k in range(3)])


if __name__ == "__main__":
    main(*sys.argv[1:])
