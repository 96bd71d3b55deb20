"""Plugins: what is there (from metadata alone), and loading it when it is needed."""
