"""Work that a GPU repeats, recorded as a CUDA graph: a small net's kernels take longer to launch than to run."""

from __future__ import annotations

from collections.abc import Callable

import torch
from torch import Tensor

Work = Callable[..., tuple[Tensor, ...]]


class CudaGraphed:
    """A function of tensors of constant shapes, which waits for none of its results.

    The first call runs it as it is, so that what is set up once, as an optimiser's state, is there; the second records
    it. From then on it runs at the same addresses: what it reads beside its arguments may change in place, only.
    """

    def __init__(self, work: Work) -> None:
        self.work = work
        self.stream: torch.cuda.Stream | None = None  # of its own: what is recorded on one stream shares workspaces
        self.graph: torch.cuda.CUDAGraph | None = None

    def __call__(self, *inputs: Tensor) -> tuple[Tensor, ...]:
        """The results of this call, to be read before the next."""
        if self.stream is None:
            self.stream = torch.cuda.Stream()  # type: ignore[no-untyped-call]
            return self._aside(self.stream, inputs)
        if self.graph is None:
            graph, self.inputs = torch.cuda.CUDAGraph(), [x.clone() for x in inputs]
            # What other threads do meanwhile, as those that read ahead, is no part of it and does no harm.
            with torch.cuda.graph(graph, stream=self.stream, capture_error_mode="thread_local"):
                self.results = self.work(*self.inputs)
            self.graph = graph
        for place, x in zip(self.inputs, inputs, strict=True):
            place.copy_(x)
        self.graph.replay()
        return self.results

    def _aside(self, stream: torch.cuda.Stream, inputs: tuple[Tensor, ...]) -> tuple[Tensor, ...]:
        stream.wait_stream(torch.cuda.current_stream())
        with torch.cuda.stream(stream):
            results = self.work(*inputs)
        torch.cuda.current_stream().wait_stream(stream)
        return results
