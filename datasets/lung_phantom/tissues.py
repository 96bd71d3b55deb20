"""Intensities of the tissues, 0 (air outside) to 1, in the manner of a wide CT window."""

SKIN = 0.55
FAT = 0.40
MUSCLE = 0.58
BLOOD = 0.72
LIVER = 0.66
SPLEEN = 0.63
BONE = 0.98
MARROW = 0.80
DISC = 0.62
CARTILAGE = 0.72
AIRWAY_WALL = 0.50
#: Air inside the body is not quite 0, which is kept for the background.
INNER_AIR = 0.04

#: Intensity of a lung of density 1, and the density (g/ml) of a lung half way between the states.
LUNG_PER_DENSITY = 0.68
LUNG_DENSITY = 0.24
