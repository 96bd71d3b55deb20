"""Ribs, spine and sternum."""

import numpy as np
from numpy.typing import NDArray

from regbench.phantom.shapes import Distance, ellipsoid, tube

from . import tissues
from .canvas import Canvas
from .lungs import spine_distance
from .patient import Patient

#: mm along z between ribs, and between vertebrae.
_RIB_SPACING, _VERTEBRA_SPACING = 15.0, 17.0
#: How far the ribs fall from the back to the front, mm per mm.
_RIB_SLOPE = 0.55


def paint_ribs(canvas: Canvas, patient: Patient, cavity: NDArray) -> None:
    """Paint ribs and sternum; `cavity` (n,) is the distance to the inner face of the ribcage."""
    points, scale = canvas.points, patient.chest.scale
    ribs = _rib_distance(patient, points, cavity)
    # The front ends are cartilage.
    front = (points[:, 1] > 0) & (np.abs(points[:, 0]) < 20.0)
    canvas.paint(ribs, np.where(front, tissues.CARTILAGE, tissues.BONE))
    canvas.paint(ribs + 2.2, np.where(front, tissues.CARTILAGE, tissues.MARROW))
    sternum = [0.0, 48.0 * scale[1], 10.0]
    canvas.paint(ellipsoid(points, sternum, [9.0, 3.6, 62.0]), tissues.BONE)
    canvas.paint(ellipsoid(points, sternum, [6.5, 1.6, 59.0]), tissues.MARROW)


def _rib_distance(patient: Patient, points: NDArray, cavity: NDArray) -> Distance:
    """Bands around the ribcage, open at the sternum and ending at the costal arch below."""
    x, y, z = points[:, 0], points[:, 1], points[:, 2]
    along = (z + _RIB_SLOPE * y) / _RIB_SPACING + patient.rib_phase
    across = np.abs(along - np.floor(along) - 0.5) * (_RIB_SPACING / np.sqrt(1 + _RIB_SLOPE**2))
    band = across - 3.3
    wall = np.abs(cavity - 4.6) - 2.2
    arch = -(z + 66.0 - 0.9 * np.maximum(y - 5.0, 0) - 0.3 * np.abs(x))
    # Above the first rib the apices are covered by muscle alone.
    open_to = np.maximum(np.where(y > 0, 8.0 - np.abs(x), -1e3), z + 0.3 * y - 56.0)
    return np.maximum.reduce([band, wall, open_to, arch]).astype(np.float32)


def paint_spine(canvas: Canvas, patient: Patient) -> None:
    """Vertebral bodies with discs between them, the canal behind, arches and spinous processes."""
    scale = patient.chest.scale
    points = canvas.points
    behind = -39.0 * scale[1]
    box = ([-26, behind - 30, -1e3], [26, behind + 14, 1e3])

    canal_path = [[0.0, behind - 13.5, -200.0], [0.0, behind - 13.5, 200.0]]
    level = points[:, 2] / _VERTEBRA_SPACING + 2 * patient.rib_phase
    within = np.abs(level - np.floor(level) - 0.5) * _VERTEBRA_SPACING
    disc = 6.3 - within  # negative inside a disc
    arch = canvas.near(lambda p: tube(p, canal_path, 6.6, reach=20), *box)
    canvas.paint(np.maximum(arch, within - 5.0), tissues.BONE)
    transverse = [[-19.0, behind - 12.5, 0.0], [19.0, behind - 12.5, 0.0]]
    flat = points * np.array([1, 1, 0], np.float32)
    bars = np.maximum(tube(flat, transverse, 3.0, reach=20), within - 4.0)
    canvas.paint(bars, tissues.BONE)
    canvas.paint(canvas.near(lambda p: tube(p, canal_path, 4.2, reach=20), *box), tissues.DISC)
    body = canvas.near(lambda p: spine_distance(patient.chest, p), *box)
    canvas.paint(body, tissues.BONE)
    canvas.paint(body + 2.0, tissues.MARROW)
    canvas.paint(np.maximum(body, disc), tissues.DISC)
