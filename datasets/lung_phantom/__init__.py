"""A synthetic thorax CT in two breathing states."""
