"""What lies around a picture and stays where it is as all else moves: even borders, bars, the black around a circle."""

from __future__ import annotations

from typing import NamedTuple

import cv2
import numpy as np
from numpy.typing import NDArray

from ..picture.encoding import Image
from ..picture.pair import as_float
from ..picture.window import Pixels

Size = tuple[int, int]
"""Height and width."""

_LATTICE = 360  # pixels of the longer side that are looked at
_EVEN = 0.004  # deviation of the values in a line of a border: a step of 8 bits; the night itself is hardly less even
_BLACK = 0.04  # encoded: around a circle
_LEAST_WITHIN = 0.5  # share of a side: less is no picture in a frame
_ROUND = 0.87  # of half the diagonal: a larger circle cuts no corner off that matters
_RINGS = 64


class Area(NamedTuple):
    """A rectangle of pixels, its last row and column not in it."""

    top: int
    left: int
    bottom: int
    right: int

    def of(self, pixels: Pixels) -> Pixels:
        """The pixels in it."""
        return pixels[self.top : self.bottom, self.left : self.right]

    @property
    def size(self) -> Size:
        """Height and width."""
        return self.bottom - self.top, self.right - self.left

    def within(self, other: Area) -> bool:
        """Whether all of it is in another."""
        return (
            self.top >= other.top
            and self.left >= other.left
            and self.bottom <= other.bottom
            and self.right <= other.right
        )

    def moved(self, top: int, left: int) -> Area:
        """The same, so much further down and right."""
        return Area(self.top + top, self.left + left, self.bottom + top, self.right + left)


def inside(short: Pixels, long: Pixels) -> tuple[Area, Area]:
    """Where two frames of one size are compared, and what lies within the borders that both have.

    The first is within a circle, too, if both are black around one. A line that is even in one frame alone is no
    border: a short frame has black ones where the long one shows the night.
    """
    step = max(1, max(short.shape[:2]) // _LATTICE)
    greens = [as_float(np.ascontiguousarray(frame[::step, ::step, 1])) for frame in (short, long)]
    edges = np.array([_even_edges(green) for green in greens])
    within = Area(*edges[:, :2].min(0).tolist(), *edges[:, 2:].max(0).tolist())
    compared = _in_pixels(_in_circle(greens, within), step, short.shape)
    whole = Area(0, 0, *short.shape[:2])
    if min(np.divide(compared.size, whole.size)) < _LEAST_WITHIN:
        return whole, whole
    return compared, _in_pixels(within, step, short.shape)


def _even_edges(green: Image) -> Area:
    """From the first to behind the last lines that hold anything."""
    (top, bottom), (left, right) = (_ends(green.std(axis=axis) > _EVEN) for axis in (1, 0))
    return Area(top, left, bottom, right)


def _ends(lively: NDArray[np.bool_]) -> tuple[int, int]:
    """All of the lines where none holds anything."""
    found = np.flatnonzero(lively)
    return (int(found[0]), int(found[-1]) + 1) if len(found) else (0, len(lively))


def _in_circle(greens: list[Image], area: Area) -> Area:
    """What of an area lies within the circle about its middle beyond which both frames are black, if there is one."""
    height, width = area.size
    y, x = np.indices(area.size)
    diagonal = np.hypot(height, width) / 2
    ring = (np.hypot(y - (height - 1) / 2, x - (width - 1) / 2) / diagonal * _RINGS).astype(int)
    lit = np.zeros(area.size, bool)
    for green in greens:
        lit |= cv2.blur(area.of(green), (5, 5)) > _BLACK
    there, bright = (np.bincount(rings, minlength=_RINGS) for rings in (ring.ravel(), ring[lit]))
    lit_rings = bright > 0.02 * there  # of a small picture some rings hold no pixel
    radius = (np.flatnonzero(lit_rings)[-1] + 1) / _RINGS if lit_rings.any() else 1.0
    if radius >= _ROUND:
        return area
    inner = [int(side * radius / 2) for side in area.size]
    middle = [(area.top + area.bottom) // 2, (area.left + area.right) // 2]
    return Area(middle[0] - inner[0], middle[1] - inner[1], middle[0] + inner[0], middle[1] + inner[1])


def _in_pixels(area: Area, step: int, size: tuple[int, ...]) -> Area:
    """Of the lattice's lines, in pixels: none of the border that lies between two of them."""
    bottom, right = (
        side if end == -(-side // step) else (end - 1) * step + 1
        for end, side in ((area.bottom, size[0]), (area.right, size[1]))
    )
    return Area(int(area.top) * step, int(area.left) * step, int(bottom), int(right))
