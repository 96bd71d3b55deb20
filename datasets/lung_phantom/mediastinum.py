"""Heart, great vessels and airways."""

from functools import partial

import numpy as np

from regbench.phantom.shapes import ellipsoid, tube

from . import tissues
from .canvas import Canvas
from .lungs import AORTA, AORTA_RADIUS, heart_distance
from .patient import SIDES, Patient, hilum

#: (shift from the heart's centre in units of its half axes, size in the same units).
_CHAMBERS = (
    ([0.35, -0.30, -0.05], [0.42, 0.48, 0.60]),
    ([-0.05, 0.45, 0.05], [0.62, 0.32, 0.52]),
    ([-0.68, 0.10, 0.05], [0.22, 0.55, 0.50]),
    ([-0.30, -0.60, 0.30], [0.34, 0.26, 0.36]),
)


def paint_heart(canvas: Canvas, patient: Patient) -> None:
    """The pericardial fat, the muscle, and four chambers filled with enhanced blood."""
    chest = patient.chest
    reach = float(chest.heart_radii.max()) + 6.0
    box = (chest.heart_centre - reach, chest.heart_centre + reach)
    surface = canvas.near(lambda p: heart_distance(chest, p), *box)
    canvas.paint(surface, tissues.FAT)
    canvas.paint(surface + 2.0, tissues.MUSCLE)
    for shift, size in _CHAMBERS:
        # The half axes' directions are the rotation's columns; shifts are along them.
        centre = chest.heart_centre + chest.heart_rotation @ (np.array(shift) * chest.heart_radii)
        radii = np.array(size) * chest.heart_radii
        shape = partial(ellipsoid, centre=centre, radii=radii, rotation=chest.heart_rotation)
        chamber = canvas.near(shape, *box)
        canvas.paint(np.maximum(chamber, surface + 3.5), tissues.BLOOD)


def paint_great_vessels(canvas: Canvas, patient: Patient) -> None:
    """Aorta, superior vena cava, pulmonary trunk and its two branches to the hila."""
    scale = patient.chest.scale
    points = canvas.points
    near = canvas.width + 1.0
    canvas.paint(tube(points, AORTA * scale, AORTA_RADIUS, reach=near), tissues.BLOOD)
    cava = np.array([[13.0, 2.0, 75.0], [13.0, 3.0, 30.0], [12.0, 3.0, -16.0]]) * scale
    canvas.paint(tube(points, cava, 4.6, reach=near), tissues.BLOOD)
    trunk = np.array([[-9.0, 16.0, -16.0], [-9.0, 8.0, 4.0], [-3.0, 0.0, 10.0]]) * scale
    canvas.paint(tube(points, trunk, [6.0, 5.6, 5.2], reach=near), tissues.BLOOD)
    for side in SIDES:
        branch = np.stack([trunk[-1], hilum(patient.chest, side, "artery")])
        canvas.paint(tube(points, branch, [5.0, 4.6], reach=near), tissues.BLOOD)
        vein = np.stack([[-2.0, -6.0, -12.0] * scale, hilum(patient.chest, side, "vein")])
        canvas.paint(tube(points, vein, [5.0, 3.8], reach=near), tissues.BLOOD)
    for neck in ([-12.0, 0.0], [-3.0, 4.0], [8.0, 2.0]):
        arch = np.array([[neck[0] / 2, 0.0, 30.0], [*neck, 60.0], [1.3 * neck[0], neck[1], 110.0]])
        canvas.paint(tube(points, arch * scale, 3.0, reach=near), tissues.BLOOD)


def paint_airways(canvas: Canvas, patient: Patient) -> None:
    """The trachea down to the carina, both main bronchi, and a lobar bronchus up and down."""
    scale = patient.chest.scale
    carina = np.array([1.0, -11.0, 22.0])
    paths = [(np.stack([[0.0, -8.0, 120.0], [0.5, -11.0, 60.0], carina]), 4.8, 4.6)]
    for side in SIDES:
        fork = np.array([side * 19.0, -12.0, 8.0 if side > 0 else 4.0])
        paths.append((np.stack([carina, fork]), 4.2, 3.6))
        for tip in ([side * 30.0, -10.0, 32.0], [side * 33.0, -20.0, -22.0]):
            paths.append((np.stack([fork, tip]), 3.0, 1.8))
    near = canvas.width + 2.0
    walls, lumens = [], []
    for path, first, last in paths:
        radii = np.linspace(first, last, len(path))
        lumen = tube(canvas.points, path * scale, radii, reach=near)
        walls.append(lumen - 1.1)
        lumens.append(lumen)
    canvas.paint(np.minimum.reduce(walls), tissues.AIRWAY_WALL)
    canvas.paint(np.minimum.reduce(lumens), tissues.INNER_AIR)
