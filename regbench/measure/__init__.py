"""Measuring a registered case: what metrics are given, and the loop that applies them."""
