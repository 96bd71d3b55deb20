"""The index page: tables, figures, every case, and a viewer, in one file that needs no network."""
