"""A training step as a CUDA graph: recorded once, replayed with new images.

A step of a small network launches a thousand kernels. The launches take a processor core longer
than the kernels take a GPU, so the device stands idle. A replay launches all of them at once.
"""

from collections.abc import Callable

import torch

from regbench.learning.pairs import Draw

#: Steps of a shape before its graph is recorded: they choose convolutions and fill the optimizer.
WARM_UP = 3
#: Shapes that get a graph. Each keeps a step's memory.
MOST_SHAPES = 2


class CapturedStep:
    """The same as `step`, with fewer launches. Where recording fails, `step` itself is called.

    Args:
        step: from images to the loss, on the device; it changes the weights in place, and nothing
            of it waits for the device.
    """

    def __init__(self, step: Callable[[Draw], torch.Tensor]) -> None:
        self._step = step
        self._seen: dict[torch.Size, int] = {}
        self._graphs: dict[torch.Size, tuple[torch.cuda.CUDAGraph, Draw, torch.Tensor]] = {}
        self._works = True

    def __call__(self, drawn: Draw) -> torch.Tensor:
        """One step; its loss, on the device."""
        with torch.cuda.device(drawn.fixed.device):
            return self._call(drawn)

    def _call(self, drawn: Draw) -> torch.Tensor:
        shape = drawn.fixed.shape
        seen = self._seen[shape] = self._seen.get(shape, 0) + 1
        room = shape in self._graphs or len(self._graphs) < MOST_SHAPES
        if not (self._works and room):
            return self._step(drawn)
        if seen <= WARM_UP:
            return self._aside(drawn)
        if shape not in self._graphs:
            try:
                self._graphs[shape] = self._record(drawn)
            except RuntimeError as error:
                self._works = False
                line = str(error).strip().partition("\n")[0]
                print(f"warning: the training step is not recorded as a CUDA graph: {line}")
                return self._step(drawn)
        graph, inputs, value = self._graphs[shape]
        _copy(drawn, inputs)
        graph.replay()
        return value.clone()

    def _aside(self, drawn: Draw) -> torch.Tensor:
        """A step on another stream than the default one, as recording asks for."""
        stream = torch.cuda.Stream()
        stream.wait_stream(torch.cuda.current_stream())
        with torch.cuda.stream(stream):
            value = self._step(drawn)
        torch.cuda.current_stream().wait_stream(stream)
        return value

    def _record(self, drawn: Draw) -> tuple[torch.cuda.CUDAGraph, Draw, torch.Tensor]:
        inputs = Draw(drawn.moving.clone(), drawn.fixed.clone(), drawn.fixed_features.clone())
        graph = torch.cuda.CUDAGraph()
        with torch.cuda.graph(graph):
            value = self._step(inputs)
        return graph, inputs, value


def _copy(source: Draw, target: Draw) -> None:
    target.moving.copy_(source.moving)
    target.fixed.copy_(source.fixed)
    target.fixed_features.copy_(source.fixed_features)
