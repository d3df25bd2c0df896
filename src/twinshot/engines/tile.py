"""Any size in bounded memory: equal overlapping tiles whose seams are cross-faded.

Every tile of a picture has one shape, so that an engine plans its memory once. Rows of tiles become bands, blended
across the width; neighbouring bands are blended down the height and handed on as soon as they are final.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from ..picture.encoding import Image

Restore = Callable[[int, int, tuple[int, int]], Image]
"""(top, left, size) -> the restored tile, float32 (height, width, C)."""


@dataclass(frozen=True)
class Axis:
    """Tiles along one side: `starts` and one `length`; neighbours share at least the overlap."""

    starts: tuple[int, ...]
    length: int
    full: int

    def fade(self, index: int, margin: int) -> NDArray[np.float32]:
        """(shared,) weights of tile `index` over what it shares with the tile before, whose weights are the rest to 1.

        The outer `margin` pixels of each tile, which lack context, weigh nothing.
        """
        shared = self.starts[index - 1] + self.length - self.starts[index] if index else 0
        ramp = (np.arange(shared) - margin + 0.5) / max(1, shared - 2 * margin)
        return np.clip(ramp, 0, 1).astype(np.float32)


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


def bands(rows: Axis, columns: Axis, restore: Restore, margin: int, channels: int = 3) -> Iterator[tuple[int, Image]]:
    """The restored picture from top to bottom: (top, float32 (h, width, channels)) pieces, one after another."""
    pending = np.empty((0, columns.full, channels), np.float32)
    for index, top in enumerate(rows.starts):
        band = _band(rows, columns, index, restore, margin, channels)
        weights = rows.fade(index, margin)[: len(pending), None, None]
        band[: len(pending)] = _blend(pending, band[: len(pending)], weights)
        end = min(top + rows.length, rows.full)
        final = rows.starts[index + 1] if index + 1 < len(rows.starts) else end
        yield top, band[: final - top]
        pending = band[final - top :]


def _band(rows: Axis, columns: Axis, index: int, restore: Restore, margin: int, channels: int) -> Image:
    """One row of tiles, blended across the width."""
    top = rows.starts[index]
    height = min(rows.length, rows.full - top)
    band, done = np.empty((height, columns.full, channels), np.float32), 0
    for number, left in enumerate(columns.starts):
        end = min(left + columns.length, columns.full)
        tile = restore(top, left, (rows.length, columns.length))[:height, : end - left]
        seam, weights = band[:, left:done], columns.fade(number, margin)[: done - left, None]
        seam[:] = _blend(seam, tile[:, : done - left], weights)
        band[:, done:end] = tile[:, done - left :]
        done = end
    return band


def _blend(before: Image, after: Image, weights: NDArray[np.float32]) -> Image:
    return before + weights * (after - before)
