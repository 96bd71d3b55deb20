"""Preparation of raw pairs: pure steps on volumes, and what puts them together."""
