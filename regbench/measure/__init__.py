"""Measuring a registered case: what metrics are given, and the loop that applies them."""

from regbench.measure.learn2reg import KitField, KitMasks, kit_distances
from regbench.measure.views import FieldView, LandmarkView, MaskPair, TruthView

__all__ = [
    "FieldView",
    "KitField",
    "KitMasks",
    "LandmarkView",
    "MaskPair",
    "TruthView",
    "kit_distances",
]
