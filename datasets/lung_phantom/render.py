"""Rendering a patient: intensities, labels and body at any points, no voxel grid needed."""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from regbench.phantom.shapes import Distance, coverage
from regbench.phantom.vessels import tree_distance

from . import tissues
from .abdomen import paint_abdomen
from .canvas import Canvas
from .lungs import cavity_distance, diaphragm_distance, fissure_distance, lung_distance
from .mediastinum import paint_airways, paint_great_vessels, paint_heart
from .patient import Patient
from .skeleton import paint_ribs, paint_spine

#: Labels of the lungs.
LEFT, RIGHT = 1, 2


@dataclass(frozen=True)
class Rendering:
    """What is at the points; arrays (...) as the points (..., 3).

    Attributes:
        values: intensity without noise, 0 outside the body.
        labels: 1 left lung, 2 right lung.
        body: share of the body, 0 to 1.
    """

    values: NDArray[np.float32]
    labels: NDArray[np.uint8]
    body: NDArray[np.float32]


def body_distance(patient: Patient, points: NDArray) -> Distance:
    """Distance (along rays in the axial plane) to the skin."""
    p = points / patient.chest.scale
    # Muscles cover the spine behind. The chest is flatter towards the neck, and the shoulders keep
    # it wide.
    depth = np.where(p[..., 1] > -1.0, np.float32(55.5), np.float32(67.0))
    depth -= 9.0 * np.clip((p[..., 2] - 20.0) / 70.0, 0, 1) ** 2
    x, y = np.abs(p[..., 0]), np.abs(p[..., 1] + 1.0)
    level = ((x / 69.0) ** 2.4 + (y / depth) ** 2.4) ** np.float32(1 / 2.4)
    radius = np.sqrt(x * x + y * y)
    return (radius * (1 - 1 / np.maximum(level, 0.05))).astype(np.float32)


def lung_labels(patient: Patient, points: NDArray) -> NDArray[np.uint8]:
    """Label of each point (..., 3), mm in the field of view."""
    local = points - patient.offset
    return _labels(lung_distance(patient.chest, local), local)


def render(patient: Patient, points: NDArray, width: float, density: NDArray) -> Rendering:
    """Render a patient.

    Args:
        patient: the anatomy.
        points: (..., 3) mm in the field of view.
        width: mm, the softness of edges: the size of a voxel.
        density: (2, ...) g/ml of the left and the right lung at each point, or numbers (2, 1).
    """
    shape = points.shape[:-1]
    local = (np.asarray(points, np.float32) - patient.offset).reshape(-1, 3)
    body = body_distance(patient, local)
    inner = np.flatnonzero(body < width)
    canvas = Canvas(local[inner], width)
    lung = lung_distance(patient.chest, canvas.points)
    _paint_trunk(canvas, patient, body[inner])
    parts = np.broadcast_to(density.reshape(2, -1), (2, len(local)))[:, inner]
    _paint_lungs(canvas, patient, lung, parts)

    share = coverage(body, width)
    values = np.zeros(len(local), np.float32)
    values[inner] = canvas.values * share[inner]
    labels = np.zeros(len(local), np.uint8)
    labels[inner] = _labels(lung, canvas.points)
    return Rendering(values.reshape(shape), labels.reshape(shape), share.reshape(shape))


def _paint_trunk(canvas: Canvas, patient: Patient, body: NDArray) -> None:
    """Everything but the lungs and what runs in them."""
    cavity = cavity_distance(patient.chest, canvas.points)
    diaphragm = diaphragm_distance(patient.chest, canvas.points)
    # The skin's edge is softened once, by the caller.
    canvas.values[:] = tissues.SKIN
    canvas.paint(body + 1.5, tissues.FAT)
    canvas.paint(body + patient.fat, tissues.MUSCLE)
    paint_ribs(canvas, patient, cavity)
    canvas.paint(cavity, tissues.FAT)
    paint_abdomen(canvas, patient, cavity, diaphragm)
    # The vertebrae reach into the cavity, and the heart rests on the diaphragm's middle.
    paint_spine(canvas, patient)
    paint_heart(canvas, patient)
    paint_great_vessels(canvas, patient)


def _paint_lungs(canvas: Canvas, patient: Patient, lung: NDArray, density: NDArray) -> None:
    """Parenchyma of a given density with its texture and fissures, vessels, airways."""
    near = np.flatnonzero(lung < 8.0)
    points = canvas.points[near]
    inside = Canvas(points, canvas.width)
    inside.values = canvas.values[near]
    waves = points @ patient.texture[:, :3].T + patient.texture[:, 3]
    texture = 1 + 0.05 * np.cos(waves).sum(axis=1)
    side_density = np.where(points[:, 0] < 0, density[0, near], density[1, near])
    inside.paint(lung[near], tissues.LUNG_PER_DENSITY * side_density * texture)
    within = coverage(lung[near], canvas.width)
    fissure = coverage(fissure_distance(patient.chest, points) - 0.9, canvas.width)
    inside.values += 0.12 * fissure * within
    for tree in patient.trees:
        inside.paint(tree_distance(tree, points, reach=canvas.width + 1.0), tissues.BLOOD)
    canvas.values[near] = inside.values
    paint_airways(canvas, patient)


def _labels(lung: NDArray, points: NDArray) -> NDArray[np.uint8]:
    side = np.where(points[..., 0] < 0, LEFT, RIGHT)
    return np.where(lung < 0, side, 0).astype(np.uint8)
