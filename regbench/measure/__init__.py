"""Measuring a registered case: what metrics are given, and the loop that applies them."""

from regbench.measure.views import FieldView, LandmarkView, MaskPair, TruthView

__all__ = ["FieldView", "LandmarkView", "MaskPair", "TruthView"]
