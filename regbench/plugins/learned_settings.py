"""The settings that every learned method has: of its training, its weights and its registration.

The description of a field is its text in the reference: see `regbench.base.models`.
"""

from typing import Literal

from regbench.base.models import Model, key
from regbench.plugins.report_parts import Settings


class LearnedSettings(Model):
    """Settings that every learned method has. A plugin's `settings` may change the defaults."""

    checkpoint: str = key(
        "weights to use instead of training: `reference`, `reference:TASK` or a path, in which "
        "`{task}`, `{method}` and `{seed}` stand for the run's own",
        "",
    )
    steps: int = key("steps of Adam", 1600)
    coarse_steps: int = key(
        "how many of the steps, the first ones, train on copies at half the resolution", 0, ge=0
    )
    learning_rate: float = key("learning rate at the start", 0.001)
    schedule: Literal["cosine", "constant"] = key(
        "`cosine`: the learning rate falls to 0; with `coarse_steps` to 0.3 of the start in them, "
        "then from 0.6 of the start to 0",
        "cosine",
    )
    # The paper's 1.5 holds back fields of whole voxels.
    lambda_: float = key("weight of the regularisation; the paper has 1.5", 0.3, alias="lambda")
    fold_weight: float = key(
        "weight of FAIM's penalty on folds as a mean over the voxels of max(0, -J)", 0.0
    )
    fold_sum_weight: float = key(
        "weight of the same penalty as a sum over the voxels, as FAIM's authors have it; both "
        "weights add up",
        0.0,
        "0 (FAIM: 0.001)",
    )
    # Without it, Adam diverges after some hundred steps.
    clip: float | Literal["none"] = key("largest norm of the gradient; `none`: any", 0.02)
    weights: Literal["last", "best"] = key(
        "which weights registration gets; `best` has the lowest validation loss", "last"
    )
    swap_roles: bool = key("augmentation: exchange fixed and moving at random", True)
    flip: bool = key("augmentation: mirror left and right at random", True)
    validate_every: int = key("steps between validations", 400)
    save_every: int = key("steps between saved states", 100)
    precision: Literal["auto", "bf16", "fp32"] = key(
        "`auto` is bf16 where the processor computes in it, else fp32", "auto"
    )
    rescale: bool = key(
        "map intensities between an image's percentiles 0.5 and 99.5 to [0, 1]; false: images are "
        "used as they are",
        True,
    )
    recompute: bool = key(
        "recompute blocks for their gradients: less memory, more time, the same numbers", False
    )
    instance_steps: int = key(
        "registration: steps of Adam on each pair, from the trained weights, before the field is "
        "taken. It changes no training",
        0,
        ge=0,
    )
    instance_rate: float = key("registration: constant learning rate of these steps", 1e-4, gt=0)
    network: Settings = key("parameters of the plugin's `build`", {})
