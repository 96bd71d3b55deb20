"""New plugins from templates: `regbench new-method` and `regbench new-dataset`."""
