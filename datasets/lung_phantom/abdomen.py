"""What lies under the diaphragm: liver, spleen, stomach with its gas, and fat."""

import numpy as np
from numpy.typing import NDArray

from regbench.phantom.shapes import ellipsoid, smooth_intersection

from . import tissues
from .canvas import Canvas
from .patient import Patient


def paint_abdomen(canvas: Canvas, patient: Patient, cavity: NDArray, diaphragm: NDArray) -> None:
    """Paint the upper abdomen.

    Args:
        canvas: points and intensities.
        patient: whose abdomen.
        cavity: (n,) distance to the inner face of the ribcage.
        diaphragm: (n,) distance to the diaphragm, positive below it.
    """
    chest = patient.chest
    below = np.maximum(cavity, -diaphragm)
    canvas.paint(below, tissues.MUSCLE)
    # The muscle is 2.5 mm thick; the organs lie under it, fat between them.
    room = below + 2.5
    canvas.paint(room, tissues.FAT)
    points = canvas.points
    left, right = chest.rim

    def organ(centre: list[float], radii: list[float]) -> NDArray:
        return smooth_intersection(ellipsoid(points, centre, radii), room, 4.0)

    canvas.paint(organ([-40.0, -18.0, left + 6], [15.0, 21.0, 26.0]), tissues.SPLEEN)
    stomach = organ([-25.0, 14.0, left + 4], [23.0, 22.0, 26.0])
    canvas.paint(stomach, tissues.MUSCLE)
    gas = np.maximum(stomach + 3.0, 22.0 - points[:, 1])
    canvas.paint(gas, tissues.INNER_AIR)
    canvas.paint(organ([28.0, 2.0, right - 6], [44.0, 44.0, 46.0]), tissues.LIVER)
    vein = ellipsoid(points, [18.0, -8.0, right - 2], [14.0, 3.0, 4.0])
    canvas.paint(np.maximum(vein, room), tissues.BLOOD)
