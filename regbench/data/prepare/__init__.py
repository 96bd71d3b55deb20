"""Preparing raw pairs: pure steps, and what puts them together."""
