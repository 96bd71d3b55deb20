"""How bright each tissue is: CT in the portal venous phase, MR T2-weighted with fat saturation.

Air is 0. CT is a window of about -160 to 240 HU. The order of the tissues differs between the two:
bone and vessels are bright on CT and dark on MR, water is dull on CT and bright on MR, and fat is
dark on both.
"""

from dataclasses import dataclass


@dataclass(frozen=True)
class Tissue:
    """Mean intensity on each modality, of 0 to 1."""

    ct: float
    mr: float


_WALL = Tissue(0.56, 0.40)
_BLOOD = Tissue(0.92, 0.12)
_MUSCLE = Tissue(0.53, 0.29)
_CORTEX = Tissue(0.88, 0.84)
_MEDULLA = Tissue(0.76, 0.68)
_URINE = Tissue(0.45, 0.95)
_GAS = Tissue(0.02, 0.02)

#: The tissue of every structure that `Anatomy.scene` names.
TISSUES = {
    "body": Tissue(0.17, 0.11),
    "skin": Tissue(0.48, 0.24),
    "muscle": _MUSCLE,
    "rib": Tissue(0.95, 0.06),
    "bone": Tissue(1.00, 0.05),
    "marrow": Tissue(0.80, 0.34),
    "disc": Tissue(0.58, 0.52),
    "canal": Tissue(0.46, 0.95),
    "mediastinum": Tissue(0.30, 0.16),
    "lung": Tissue(0.05, 0.03),
    "lung vessel": Tissue(0.45, 0.22),
    "heart": Tissue(0.62, 0.36),
    "heart blood": Tissue(0.84, 0.16),
    "diaphragm": _MUSCLE,
    "psoas": _MUSCLE,
    "small bowel": _WALL,
    "chyme": Tissue(0.44, 0.76),
    "colon": _WALL,
    "stool": Tissue(0.38, 0.50),
    "colon gas": _GAS,
    "stomach": _WALL,
    "gastric juice": Tissue(0.43, 0.86),
    "gastric gas": _GAS,
    "aorta": Tissue(0.92, 0.10),
    "cava": _BLOOD,
    "spleen": Tissue(0.72, 0.72),
    "left kidney": _CORTEX,
    "left medulla": _MEDULLA,
    "left pelvis": _URINE,
    "right kidney": _CORTEX,
    "right medulla": _MEDULLA,
    "right pelvis": _URINE,
    "gallbladder": Tissue(0.43, 0.96),
    "liver": Tissue(0.66, 0.50),
    "portal vein": Tissue(0.92, 0.12),
    "hepatic vein": _BLOOD,
    "cyst": Tissue(0.42, 0.96),
}
