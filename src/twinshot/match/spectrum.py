"""Powers of a window by bands of frequency and directions: noise of one frame alone is in no product of two."""

from __future__ import annotations

from dataclasses import dataclass
from functools import lru_cache

import numpy as np
from numpy.typing import NDArray

from ..picture.encoding import Image

Array = NDArray[np.float64]


@dataclass(frozen=True, eq=False)
class Sectors:
    """Where the frequencies of a window belong, of a real transform's.

    Attributes:
        fade: (H, W), towards the window's edges.
        chosen: which frequencies count.
        sector: of those, the coarsest band's directions first.
        weight: of those; a real transform leaves the other half out.
        count: of sectors.
    """

    fade: Image
    chosen: NDArray[np.bool_]
    sector: NDArray[np.int64]
    weight: Array
    count: int

    def waves(self, frame: Image) -> NDArray[np.complexfloating]:
        """The transform of a window, (H, W), at the frequencies that count."""
        transformed: NDArray[np.complexfloating] = np.fft.rfft2((frame - frame.mean()) * self.fade)
        return transformed[self.chosen]

    def summed(self, powers: NDArray[np.floating]) -> Array:
        """(count,): sums over the sectors of what each frequency that counts has."""
        return np.asarray(np.bincount(self.sector, powers * self.weight, self.count), np.float64)


@lru_cache(maxsize=16)
def sectors(height: int, width: int, rings: tuple[float, ...], directions: int = 1) -> Sectors:
    """The sectors of a window.

    Args:
        height, width: of the window, px.
        rings: ascending bounds of the bands, cycles a px.
        directions: into which each band is cut.
    """
    down, across = np.fft.fftfreq(height)[:, None], np.fft.rfftfreq(width)[None]
    ring = np.searchsorted(rings, np.hypot(down, across), "right") - 1
    chosen = (ring >= 0) & (ring < len(rings) - 1)
    turn = np.round(np.arctan2(down, across) / np.pi * directions).astype(np.int64) % directions
    twice = np.broadcast_to(np.where(across > 0, 2.0, 1.0), ring.shape)
    fade = np.outer(np.hanning(height + 2)[1:-1], np.hanning(width + 2)[1:-1]).astype(np.float32)
    return Sectors(fade, chosen, (ring * directions + turn)[chosen], twice[chosen], (len(rings) - 1) * directions)
