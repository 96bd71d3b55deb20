"""Rendering: from the table of all results to the tables that people read."""
