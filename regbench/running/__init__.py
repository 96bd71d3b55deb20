"""Running a method over its cases: isolation, limits, statuses, fingerprints."""
