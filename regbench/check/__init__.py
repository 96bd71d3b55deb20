"""Checking a plugin before it is run, and making a new one from a template."""
