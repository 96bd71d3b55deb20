"""Settings that every learned method has, so that a plugin states its network and little more."""

from typing import Any

#: docs/add-a-method.md explains them.
LEARNED_SETTINGS: dict[str, Any] = {
    # Weights to use instead of training; empty: train on the task's training pairs.
    "checkpoint": "",
    "steps": 400,
    "learning_rate": 0.001,
    # Weight of the diffusion regulariser. The paper's 1.5 holds back fields of whole voxels.
    "lambda": 0.6,
    # Weight of a penalty on negative Jacobian determinants; FAIM's authors use one, the paper none.
    "fold_weight": 0.0,
    # Largest gradient norm; without it Adam diverges after some hundred steps.
    "clip": 0.02,
    # Augmentation: exchange fixed and moving; mirror left and right.
    "swap_roles": True,
    "flip": True,
    "validate_every": 100,
    "save_every": 50,
    # auto: bf16 where the processor computes in it, else fp32.
    "precision": "auto",
    # Compute a network's blocks again for their gradients: less memory, more time.
    "recompute": False,
    # What the plugin's `build` makes its network from.
    "network": {},
}
