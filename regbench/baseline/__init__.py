"""Golden values: a run's numbers held against committed ones, within stated tolerances."""
