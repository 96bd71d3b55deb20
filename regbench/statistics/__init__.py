"""Comparing methods on the same cases: pure functions of numbers, the case as the unit."""
