"""Building blocks of synthetic data sets: smooth noise, invertible motion, pre-alignment."""
