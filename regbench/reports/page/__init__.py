"""The index page: every report, and a viewer of every case."""
