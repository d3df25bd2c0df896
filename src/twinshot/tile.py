"""Any size in bounded memory: equal overlapping tiles whose seams are cross-faded.

Every tile of a picture has one shape, so that an engine plans its memory once. Rows of tiles become bands, blended
across the width; neighbouring bands are blended down the height and handed on as soon as they are final.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from .light import Image

Restore = Callable[[int, int, tuple[int, int]], Image]
"""(top, left, size) -> the restored tile, float32 (height, width, 3)."""


@dataclass(frozen=True)
class Axis:
    """Tiles along one side: `starts` and one `length`; neighbours share at least the overlap."""

    starts: tuple[int, ...]
    length: int
    full: int

    def weights(self, index: int, margin: int) -> NDArray[np.float32]:
        """(length,) weights of tile `index`: they add up to 1 over all tiles at every pixel.

        Within an overlap the outer `margin` pixels of each tile, which lack context, weigh nothing.
        """
        ramp = np.ones(self.length, np.float32)
        here = np.arange(self.length)
        if index > 0:
            shared = self.starts[index - 1] + self.length - self.starts[index]
            ramp *= _rise(here, margin, shared - margin)
        if index + 1 < len(self.starts):
            shared = self.starts[index] + self.length - self.starts[index + 1]
            ramp *= 1 - _rise(here - (self.length - shared), margin, shared - margin)
        return ramp


def plan(full: int, largest: int, overlap: int, multiple: int) -> Axis:
    """Equal tiles of at most `largest` px that share at least `overlap` px, over `full` px.

    Starts and length are multiples of `multiple`: a network that halves its maps then sees a tile on the very grid
    on which it would see the whole picture. The last tile may hang over the end by less than that (the caller pads).
    Needs `largest` of at least twice `overlap`, or three tiles would meet in a place.
    """
    cells, most, shared = -(-full // multiple), largest // multiple, -(-overlap // multiple)
    count = 1 if cells <= most else -(-(cells - shared) // (most - shared))
    length = -(-(cells + (count - 1) * shared) // count)
    starts = (round((cells - length) * i / max(1, count - 1)) for i in range(count))
    return Axis(tuple(start * multiple for start in starts), length * multiple, full)


def bands(rows: Axis, columns: Axis, restore: Restore, margin: int) -> Iterator[tuple[int, Image]]:
    """The restored picture from top to bottom: (top, float32 (h, width, 3)) pieces that follow on one another."""
    pending = np.zeros((0, columns.full, 3), np.float32)
    for index, top in enumerate(rows.starts):
        band = _band(rows, columns, index, restore, margin)
        band[: len(pending)] += pending
        end = min(top + rows.length, rows.full)
        final = rows.starts[index + 1] if index + 1 < len(rows.starts) else end
        yield top, band[: final - top]
        pending = band[final - top :]


def _band(rows: Axis, columns: Axis, index: int, restore: Restore, margin: int) -> Image:
    """One row of tiles, blended across the width and weighted for its neighbours above and below."""
    top = rows.starts[index]
    height = min(rows.length, rows.full - top)
    band = np.zeros((height, columns.full, 3), np.float32)
    for number, left in enumerate(columns.starts):
        width = min(columns.length, columns.full - left)
        tile = restore(top, left, (rows.length, columns.length))
        weights = columns.weights(number, margin)[:width, None]
        band[:, left : left + width] += tile[:height, :width] * weights
    band *= rows.weights(index, margin)[:height, None, None]
    return band


def _rise(position: NDArray[Any], start: int, end: int) -> NDArray[np.float32]:
    """From 0 before `start` to 1 from `end` on, linearly."""
    return np.clip((position - start + 0.5) / max(1, end - start), 0, 1).astype(np.float32)
