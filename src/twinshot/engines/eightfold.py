"""A network's mean over a picture turned and mirrored: what it gets wrong differs each time, the picture does not."""

from __future__ import annotations

import numpy as np

from .engine import Batch, Run

ORIENTATIONS = tuple((turns, mirrored) for mirrored in (False, True) for turns in range(4))
"""(quarter turns, whether mirrored before them): the eight ways a picture can lie on a grid of pixels."""


def eightfold(run: Run) -> Run:
    """The mean of what a network makes of each orientation, turned back; eight times as slow (Timofte et al. 2016)."""

    def mean(noisy: Batch, blurry: Batch) -> Batch:
        total = np.zeros_like(noisy)
        for turns, mirrored in ORIENTATIONS:
            total += _back(run(_laid(noisy, turns, mirrored), _laid(blurry, turns, mirrored)), turns, mirrored)
        return total / np.float32(len(ORIENTATIONS))

    return mean


def _laid(batch: Batch, turns: int, mirrored: bool) -> Batch:
    return np.ascontiguousarray(np.rot90(batch[..., ::-1] if mirrored else batch, turns, (2, 3)))


def _back(batch: Batch, turns: int, mirrored: bool) -> Batch:
    upright = np.rot90(batch, -turns, (2, 3))
    return upright[..., ::-1] if mirrored else upright
