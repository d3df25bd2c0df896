"""GOPRO2's training pairs (section III-C): the windows of films as they are, nothing drawn but the places of crops.

Windows of eleven frames, disjoint and in order; the first frame is the truth, the second is left out, the other nine
are averaged in sRGB. Nothing is registered or reversed. A shard holds whole windows, several crops of each: uint16
(windows, crops, 2, side, side, 3).
"""

from __future__ import annotations

import zlib
from collections.abc import Sequence
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from ..picture.pair import TwinshotError
from .frames import WINDOW, FrameWindow, scenes_in, windows_of
from .shards import Kind, Sources, random_crop, sixteen_bit

GOPRO2: tuple[Kind, ...] = (("srgb", "before"),)
"""The light in which the frames are averaged, and the truth's place in time."""
_OTHER_LAYOUT = {"blur", "blur_gamma", "sharp"}
"""Folders of GOPRO_Large, whose pictures do not follow on one another."""


@dataclass(frozen=True)
class FilmPlan:
    """How windows become shards: as many crops of each as `shards * per_shard` allow, `per_shard` at most.

    Attributes:
        shards, per_shard: what bounds the crops of all windows together, and those of one file.
        side: of a crop, px.
        seed: of the crops' places.
    """

    shards: int
    per_shard: int
    side: int
    seed: int = 0

    def count(self, sources: Sources) -> int:
        """Shards that all windows take."""
        return -(-len(_windows(sources)) // self._together(sources))

    def name(self, sources: Sources, index: int) -> str:
        """File name of shard `index`; all that changes its bytes is in it."""
        drawn = f"{zlib.crc32(sources.listing.encode()):08x}"
        return f"gopro2-{self.side}-{self._together(sources)}x{self.crops(sources)}-{drawn}-{self.seed}-{index:04d}.npy"

    def crops(self, sources: Sources) -> int:
        """Crops of each window: an epoch takes one of each."""
        return min(self.per_shard, max(1, self.shards * self.per_shard // len(_windows(sources))))

    def pairs(self, sources: Sources, index: int) -> NDArray[np.uint16]:
        """What shard `index` holds. Raises TwinshotError for frames that are smaller than a crop."""
        first, together = index * self._together(sources), self._together(sources)
        chosen = _windows(sources)[first : first + together]
        pairs = np.empty((len(chosen), self.crops(sources), 2, self.side, self.side, 3), np.uint16)
        for number, window in enumerate(chosen):
            rng = np.random.default_rng([self.seed, first + number])
            exposed = [sixteen_bit(image) for image in window.expose("srgb", rng)]
            for crop in pairs[number]:
                top, left, side = random_crop(window.frames[0], self.side, rng)
                crop[:] = [image[top : top + side, left : left + side] for image in exposed]
        return pairs

    def _together(self, sources: Sources) -> int:
        """Windows in a shard."""
        return max(1, self.per_shard // self.crops(sources))


def films(root: Path, part: str) -> Sources:
    """The scenes of `root`/frames/`part` (train or val) or, where that is missing, of GOPRO_Large_all's train or test.

    Raises TwinshotError where neither is there, or holds GOPRO_Large in place of its frames, or no whole window.
    """
    folder, other = root / "frames" / part, root / {"train": "train", "val": "test"}[part]
    folder = other if other.is_dir() and not folder.is_dir() else folder
    if not folder.is_dir():
        raise TwinshotError(
            f"{folder}: no such folder, nor {other}; give the folder GOPRO_Large_all, with train/ and test/"
        )
    scenes = tuple(scenes_in(folder))
    if wrong := next((scene for scene in scenes if scene[0].parent.name in _OTHER_LAYOUT), None):
        raise TwinshotError(
            f"{wrong[0].parent}: belongs to GOPRO_Large; GOPRO2 is made from the frames of GOPRO_Large_all"
        )
    if not _windows(sources := Sources((), scenes)):
        raise TwinshotError(
            f"{folder}: every scene is shorter than the {WINDOW} frames of one window; add longer scenes"
        )
    return sources


def evenly(sources: Sources, count: int) -> list[FrameWindow]:
    """At most `count` of the windows, from the first on and evenly spread."""
    windows = _windows(sources)
    return [windows[i * len(windows) // min(count, len(windows))] for i in range(min(count, len(windows)))]


def in_turn(shards: Sequence[NDArray[np.uint16]], number: int, seed: int) -> NDArray[np.uint16]:
    """The pair (2, side, side, 3) of sample `number`: each window once an epoch, in an order of the epoch's own."""
    total = sum(map(len, shards))
    epoch, place = divmod(number, total)
    window = int(_order(seed, epoch, total)[place])
    for shard in shards:
        if window < len(shard):
            break
        window -= len(shard)
    pair: NDArray[np.uint16] = shard[window, epoch % shard.shape[1]]
    return pair


@lru_cache(maxsize=2)  # a batch may reach into the next epoch
def _order(seed: int, epoch: int, total: int) -> NDArray[np.int64]:
    return np.random.default_rng([seed, epoch, total]).permutation(total)


def _windows(sources: Sources) -> list[FrameWindow]:
    return [window for scene in sources.scenes for window in windows_of(scene)]
