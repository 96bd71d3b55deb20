"""Landmarks of images and pairs, in voxels of their images, whatever frame their files are in."""

from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from regbench.base.errors import BadInput
from regbench.base.files import write_text
from regbench.data.layout import Case, Entry
from regbench.data.point_files import PointFile, read_points
from regbench.spatial.nifti import read_affine, read_shape
from regbench.spatial.volume import within, world_to_voxel

#: World to RAS millimetres, axis by axis. The last is no frame, but a common mistake.
_SIGNS = {"ras": (1, 1, 1), "lps": (-1, -1, 1), "mirrored": (-1, 1, 1)}
#: Frame to what an error calls it.
_WORDS = {"voxel": "voxels", "ras": "RAS millimetres", "lps": "LPS millimetres"}
_MIRRORED = "RAS millimetres with left and right exchanged"
Voxels = NDArray[np.float64]


def read_landmarks(path: Path, image: Path | None = None, frame: str | None = None) -> Voxels:
    """(n, 3) voxel coordinates of the image that the points belong to.

    Args:
        path: any file that `read_points` reads.
        image: NIfTI file; only a file in millimetres, or in no stated frame, needs it.
        frame: of points whose file does not state it. Without one, all points lie inside the image
            in one frame alone.

    Raises:
        BadInput: as `read_points`; or the frame is unknown.
    """
    return _in_voxels(read_points(path), path, image, frame)


def landmarks_of_pair(case: Case, *, prepared: bool) -> tuple[Voxels | None, Voxels | None]:
    """The landmarks of both images; row i of both is one anatomical point.

    Points that both files name are matched by name, and sorted by it.

    Args:
        case: the pair.
        prepared: the images were brought onto one grid. Moving landmarks may then lie outside.

    Raises:
        BadInput: numbers or names differ, or a point lies outside its image.
    """
    fixed, one = _landmarks(case.fixed, case.landmarks_frame, "fixed")
    moving, two = _landmarks(case.moving, case.landmarks_frame, "" if prepared else "moving")
    if fixed is None or moving is None:
        return fixed, moving
    if len(fixed) != len(moving):
        raise BadInput(
            "fixed and moving landmarks differ in number",
            file=case.moving.landmarks,
            expected=len(fixed),
            found=len(moving),
        )
    if not one or not two:
        return fixed, moving
    if set(one) != set(two):
        raise BadInput(
            "fixed and moving landmarks differ in their names",
            file=case.moving.landmarks,
            expected=f"{min(set(one) - set(two))!r}, as in {case.fixed.landmarks}",
            found=repr(min(set(two) - set(one))),
        )
    return fixed[np.argsort(one)], moving[np.argsort(two)]


def write_landmarks(path: Path, points: NDArray) -> None:
    """Write voxel coordinates to four decimals."""
    lines = (",".join(f"{value:.4f}" for value in point) for point in points)
    write_text(path, "\n".join(lines) + "\n")


def _landmarks(entry: Entry, frame: str | None, role: str) -> tuple[Voxels | None, tuple[str, ...]]:
    """An image's landmarks and their names; with a `role`, all must lie inside the image."""
    path, image = entry.landmarks, entry.image
    if path is None:
        return None, ()
    file = read_points(path)
    points = _in_voxels(file, path, image, frame)
    shape = read_shape(image)
    inside = within(points, shape)
    if role and not inside.all():
        other = [
            words
            for name, words in {**_WORDS, "mirrored": _MIRRORED}.items()
            if within(_reading(file.values, name, image), shape).all()
        ]
        hint = f"all inside as {' or '.join(other)}" if other else "not all fit as millimetres"
        raise BadInput(
            f"landmarks outside the {role} image",
            file=path,
            expected=f"points within {shape} voxels",
            found=f"{int((~inside).sum())} of {len(points)} outside; {hint}",
        )
    return points, file.names


def _in_voxels(file: PointFile, path: Path, image: Path | None, frame: str | None) -> Voxels:
    frames = (frame,) if frame and (file.assumed or len(file.frames) > 1) else file.frames
    if frames == ("voxel",):
        return file.values
    if image is None:
        raise BadInput("landmarks in millimetres need their image", file=path)
    shape = read_shape(image)
    readings = {name: _reading(file.values, name, image) for name in frames}
    if len(readings) == 1:
        return readings[frames[0]]
    fits = {name: points for name, points in readings.items() if within(points, shape).all()}
    if not fits:
        outside = (f"{int((~within(p, shape)).sum())} as {_WORDS[k]}" for k, p in readings.items())
        found = f"of {len(file.values)} points outside: {', '.join(outside)}"
        raise BadInput(f"landmarks outside the image {image.name}", file=path, found=found)
    first, *others = fits.values()
    if not all(np.allclose(first, other, atol=1e-3) for other in others):
        raise BadInput(
            "the frame of the landmarks is not stated",
            file=path,
            expected=f"landmarks_frame: {', '.join(frames[:-1])} or {frames[-1]}",
            found=f"points that fit as {' and as '.join(_WORDS[name] for name in fits)}",
        )
    return first


def _reading(values: NDArray, frame: str, image: Path) -> Voxels:
    """Numbers of a frame, in voxels of an image."""
    return (
        values if frame == "voxel" else world_to_voxel(values * _SIGNS[frame], read_affine(image))
    )
