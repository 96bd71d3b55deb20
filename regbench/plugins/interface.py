"""The interface of a registration method."""

from abc import ABC, abstractmethod
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from regbench.spatial.field import Field
from regbench.spatial.volume import Volume


@dataclass(frozen=True)
class Context:
    """What a method may know beside the two images.

    Attributes:
        threads: processor threads it may use.
        seed: for everything random in it.
        device: `cpu`, or a torch device name.
        prealigned: whether the pairs are affinely aligned already.
        workdir: an empty folder of its own, removed afterwards.
        checkpoint: a learned method's weights; None for others.
        training_fields: the true fields of the training cases, in this task's direction, for
            methods whose yaml declares `needs: [training_fields]`; else it yields nothing.
    """

    threads: int
    seed: int
    device: str
    prealigned: bool
    workdir: Path
    checkpoint: Path | None = None
    training_fields: Callable[[], Iterator[Field]] = lambda: iter(())


class Method(ABC):
    """A registration method: made once a job, then asked for one pair after the other.

    Args:
        settings: the yaml's settings with the variant's and the config's changes.
        context: see there.
    """

    def __init__(self, settings: Mapping[str, Any], context: Context) -> None:
        self.settings = settings
        self.context = context

    @abstractmethod
    def register(self, fixed: Volume, moving: Volume) -> Field:
        """The displacement field of the fixed grid that brings moving onto fixed.

        Args:
            fixed, moving: of equal shape.

        Returns:
            float32 (X, Y, Z, 3) voxels of the fixed grid, component k along axis k, pull-back:
            `warped(x) = moving(x + u(x))`.

        A method that declares `needs: [true_field]` gets it as the keyword `true_field`; one with
        `needs: [precomputed_field]` gets the pair's field from its setting `folder`.
        """

    def verify(self, fixed: Volume, moving: Volume, field: Field) -> None:  # noqa: B027
        """Check the field of the last pair by other means; raise to fail the case.

        Called after the clock has stopped.
        """

    def versions(self) -> dict[str, str]:
        """What else the numbers come from, beside Python's packages: a program and its version."""
        return {}

    def parameters(self) -> int | None:
        """How many parameters a network has; by default those of `self.network`, if it is there."""
        network = getattr(self, "network", None)
        counted = getattr(network, "parameters", None)
        return sum(p.numel() for p in counted()) if callable(counted) else None


class FunctionMethod(Method):
    """A plain function `register(fixed, moving, **settings)` as a method."""

    def __init__(
        self,
        function: Callable[..., Field],
        settings: Mapping[str, Any],
        context: Context,
    ) -> None:
        super().__init__(settings, context)
        self.function = function

    def register(self, fixed: Volume, moving: Volume, **extra: Any) -> Field:
        return self.function(fixed, moving, **self.settings, **extra)
