"""What everything stands on: errors, files, names of places, records."""
