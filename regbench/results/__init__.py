"""Results of all runs in one table."""
