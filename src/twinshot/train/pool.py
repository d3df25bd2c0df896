"""Pictures on the device whose noise has been drawn, each to be cropped several times.

Noise, mosaic and JPEG are drawn on the processor, some twenty pictures a second and core; a GPU learns from thousands
of crops. So each picture is kept for a while and gives, on average, `reuse` crops.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator

import numpy as np
import torch
from torch import Tensor
from torch.utils.data import Dataset

from . import ranks
from .config import Recipe

Triple = tuple[Tensor, Tensor, Tensor]
"""noisy (gain-matched), blurry, sharp: float32 (3, h, w) in [0, 1]; with a leading n in a batch."""

CPU = torch.device("cpu")
FIRST = 128  # refills that are there before the first step
KEPT = 1024  # so many that a picture's crops lie far apart


class Pictures(Dataset[Tensor]):
    """Whole triples as one float16 picture (h, w, 9) each, numbered as they are; values below 1 are kept to 1/4096."""

    def __init__(self, triples: Dataset[Triple]) -> None:
        self.triples = triples

    def __getitem__(self, number: int) -> Tensor:
        return torch.cat(self.triples[number]).permute(1, 2, 0).half()


class Pool:
    """The last `KEPT` refills of `batch / reuse` pictures; a refill a step comes in, and the oldest goes.

    It takes 18 bytes a pixel: 4.8 GB for refills of four pictures of 256x256. Ranks that train together have each their
    part of every refill, and crop from that alone: none draws what another has drawn.
    """

    def __init__(self, recipe: Recipe, device: torch.device) -> None:
        self.data, self.seed, self.device = recipe.data, recipe.seed, device
        self.batch = recipe.data.batch // ranks.count()
        self.refill = self.batch // recipe.data.reuse
        size = (KEPT * self.refill, recipe.data.side, recipe.data.side, 9)
        self.pictures = torch.empty(size, dtype=torch.float16, device=device)

    def numbers(self, first_step: int, steps: int) -> Iterable[int]:
        """The pictures that the steps from `first_step` on are cropped from."""
        size = self.refill * ranks.count()
        return ranks.part(range(_oldest(first_step) * size, (steps + FIRST) * size), size)

    def batches(self, refills: Iterable[Tensor], first_step: int) -> Iterator[Triple]:
        """The batches from `first_step` on, of the refills that `numbers` names."""
        for number, refill in enumerate(refills, _oldest(first_step)):
            start = number % KEPT * self.refill
            self.pictures[start : start + self.refill] = refill.to(self.device, non_blocking=True)
            if number >= first_step + FIRST:
                yield self._crops(number)

    def _crops(self, number: int) -> Triple:
        """A batch from the pictures that are there once refill `number` is; the same whenever it is asked for."""
        rng, data = np.random.default_rng([self.seed, number, ranks.rank()]), self.data  # a last 0 changes nothing
        filled = min(number + 1, KEPT) * self.refill
        top, left = rng.integers(data.side - data.crop + 1, size=(2, self.batch, 1)) + np.arange(data.crop)
        places = (rng.integers(filled, size=(self.batch, 1, 1)), top[:, :, None], left[:, None, :])
        crops = self.pictures[tuple(torch.from_numpy(place).to(self.device, non_blocking=True) for place in places)]
        noisy, blurry, sharp = torch.split(crops.float().permute(0, 3, 1, 2), 3, dim=1)
        return noisy, blurry, sharp


def _oldest(step: int) -> int:
    """The oldest refill that is there at a step, whose newest is `step + FIRST`."""
    return max(0, step + FIRST - KEPT + 1)
