"""Other tools' transforms: readers of their files, and the displacement field that they make."""
