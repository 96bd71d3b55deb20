"""Transforms of other tools: readers of their files, and the field they make."""
