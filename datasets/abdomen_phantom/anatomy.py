"""The whole abdomen of a patient: every structure as a signed distance, and where they touch."""

from collections.abc import Callable
from dataclasses import dataclass
from functools import partial

import numpy as np
from numpy.typing import NDArray

from regbench.phantom.shapes import FAR, Distance, ellipsoid
from regbench.phantom.vessels import tree_distance

from .gut import Gut
from .liver import Liver
from .organs import Blob, Kidney
from .thorax import Thorax
from .torso import Torso

#: Label numbers, and the tissue whose outline each one is.
LABELS = {1: "liver", 2: "spleen", 3: "left kidney", 4: "right kidney"}

#: Structures in painting order: a later one covers the earlier ones.
Scene = dict[str, Distance]


@dataclass(frozen=True)
class Anatomy:
    """One patient, in mm: x to the right, y to the front, z to the head."""

    torso: Torso
    thorax: Thorax
    liver: Liver
    spleen: Blob
    kidneys: tuple[Kidney, Kidney]
    gut: Gut

    @staticmethod
    def draw(rng: np.random.Generator) -> "Anatomy":
        """A random patient; nothing here depends on a voxel grid."""
        height = rng.uniform(-13, -7)
        return Anatomy(
            torso=Torso.draw(rng),
            thorax=Thorax.draw(rng),
            liver=Liver.draw(rng),
            spleen=Blob.draw(rng, (-36.0, -13.0, 19.0), (12.0, 17.5, 21.0), (0.25, 0.1, -0.5)),
            kidneys=(
                Kidney.draw(rng, -1, height + rng.uniform(-1, 3)),
                Kidney.draw(rng, 1, height - rng.uniform(2, 6)),
            ),
            gut=Gut.draw(rng),
        )

    def scene(self, points: NDArray) -> Scene:
        """Distance in mm, (...) each, of points (..., 3) to every structure, in painting order."""
        scene: Scene = {}
        skin = self.torso.skin(points)
        cavity = self.torso.cavity(points, skin)
        wall = np.maximum(skin + np.float32(self.torso.fat), -cavity)
        dome = self.thorax.diaphragm(points)
        scene["body"] = skin
        scene["skin"] = np.maximum(skin, -skin - np.float32(1.5))
        scene["muscle"] = wall
        scene["rib"] = self.torso.ribs(points, skin)
        scene["bone"] = self.torso.vertebrae(points)
        scene["marrow"] = scene["bone"] + np.float32(1.8)
        scene["disc"] = self.torso.discs(points)
        scene["canal"] = self.torso.canal(points)
        self._add_chest(scene, points, cavity, dome)
        scene["psoas"] = self.torso.psoas(points)
        self._add_belly(scene, points, np.maximum(cavity, dome))
        return scene

    def cavity(self, points: NDArray) -> Distance:
        """Distance in mm of points (..., 3) to the wall round the organs, negative inside."""
        return self.torso.cavity(points, self.torso.skin(points))

    def organ_distances(self, points: NDArray) -> list[Distance]:
        """Distances in mm to the plain ellipsoids of right and left lobe, spleen, both kidneys."""
        liver = self.liver
        return [
            ellipsoid(points, liver.right, liver.right_axes),
            ellipsoid(points, liver.left, liver.left_axes, liver.left_tilt),
            self.spleen.distance(points),
            *(kidney.body.distance(points) for kidney in self.kidneys),
        ]

    def landmarks(self) -> NDArray[np.float64]:
        """(n, 3) mm: forks of the liver's vessels, thick ones first, and poles of the organs."""
        forks = [
            tree.branch_points[np.argsort(-tree.branch_radius, kind="stable")[:count]]
            for tree, count in ((self.liver.portal, 8), (self.liver.hepatic, 4))
        ]
        poles = [kidney.poles() for kidney in self.kidneys]
        tips = np.stack([self.spleen.tip(2, -1), self.spleen.tip(1, 1)])
        return np.concatenate([*forks, *poles, tips]).astype(float)

    def _add_chest(self, scene: Scene, points: NDArray, cavity: Distance, dome: Distance) -> None:
        middle = self.thorax.mediastinum(points)
        lung = np.maximum(np.maximum(cavity + np.float32(0.5), -dome), -middle)
        scene["mediastinum"] = np.maximum(np.maximum(middle, cavity), -dome)
        scene["lung"] = lung
        scene["lung vessel"] = np.minimum(
            *(
                _where(lung < 2, points, partial(tree_distance, tree))
                for tree in self.thorax.vessels
            )
        )
        heart = np.maximum(self.thorax.heart.distance(points), -dome - np.float32(1))
        scene["heart"] = heart
        scene["heart blood"] = heart + np.float32(5.5)
        scene["diaphragm"] = np.maximum(np.maximum(dome, -dome - np.float32(2.2)), cavity)

    def _add_belly(self, scene: Scene, points: NDArray, room: Distance) -> None:
        """The organs of the belly; `room` is the distance to cavity and diaphragm together."""
        close = np.float32(1.5)
        inner = room + np.float32(2)
        left, right = (np.maximum(k.distance(points), inner) for k in self.kidneys)
        aorta, cava = self.torso.aorta(points), self.torso.cava(points)
        gall = self.liver.gall(points)
        cut = np.minimum(cava - np.float32(0.3), self.torso.retroperitoneum(points))
        beside = self.kidneys[1].body.distance(points) - close
        cut = np.minimum(np.minimum(beside, gall), cut)
        liver = np.maximum(np.maximum(self.liver.lobes(points), inner), -cut)
        spleen = np.maximum(
            np.maximum(self.spleen.distance(points), inner), close - np.minimum(left, liver)
        )
        taken = np.minimum(np.minimum(liver, gall), np.minimum(np.minimum(left, right), spleen))
        stomach = np.maximum(np.maximum(self.gut.stomach.distance(points), inner), close - taken)
        taken = np.minimum(taken, stomach)
        free = np.maximum(inner, close - taken)
        colon = np.maximum(self.gut.large_bowel(points), free)
        small = np.maximum(self.gut.small_bowel(points), np.maximum(free, close - colon))
        wall = np.float32(2.0)

        scene["small bowel"], scene["chyme"] = small, small + wall
        scene["colon"], scene["stool"] = colon, colon + wall
        scene["colon gas"] = self.gut.colon_gas(points, colon + wall)
        scene["stomach"], scene["gastric juice"] = stomach, stomach + wall
        scene["gastric gas"] = self.gut.stomach_gas(points, stomach + wall)
        scene["aorta"], scene["cava"] = aorta, cava
        scene["spleen"] = spleen
        for name, distance, kidney in zip(
            ("left", "right"), (left, right), self.kidneys, strict=True
        ):
            scene[f"{name} kidney"] = distance
            scene[f"{name} medulla"] = distance + np.float32(4.0)
            scene[f"{name} pelvis"] = kidney.pelvis.distance(points)
        scene["gallbladder"] = np.maximum(gall, inner)
        scene["liver"] = liver
        near = liver < 2
        for name, tree in (("portal", self.liver.portal), ("hepatic", self.liver.hepatic)):
            veins = _where(near, points, partial(tree_distance, tree))
            scene[f"{name} vein"] = np.maximum(veins, liver)
        scene["cyst"] = np.maximum(self.liver.lesions(points), liver + np.float32(1))


def _where(near: NDArray, points: NDArray, shape: Callable[[NDArray], Distance]) -> Distance:
    """A distance evaluated only where `near`, `FAR` elsewhere."""
    distance = np.full(near.shape, FAR, np.float32)
    distance[near] = shape(points[near])
    return distance
