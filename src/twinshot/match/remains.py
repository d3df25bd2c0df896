"""What two files of one size still show of their pictures, where one of them is damaged and the rest is not there."""

from __future__ import annotations

from ..picture.pair import SMALLEST_SIDE, Pair
from ..picture.window import Pixels
from .borders import Area, Size


def place(pair: Pair) -> Size | None:
    """How far down and right of the first frame the second lies; None where both are whole or nothing is common."""
    areas = _areas(pair)
    return (areas[1].top - areas[0].top, areas[1].left - areas[0].left) if areas else None


def common(pair: Pair) -> tuple[Pixels, Pixels]:
    """Of each frame the pixels that both show; all where `place` is None."""
    first, second = pair.noisy.pixels, pair.blurry.pixels
    if not (areas := _areas(pair)):
        return first, second
    both = _overlap(*areas)
    one, other = (both.moved(-area.top, -area.left) for area in areas)
    return one.of(first), other.of(second)


def _areas(pair: Pair) -> tuple[Area, Area] | None:
    """Where the frames lie in the whole picture."""
    if pair.noisy.metadata.remains is None and pair.blurry.metadata.remains is None:
        return None
    first, second = (Area(*(frame.metadata.remains or (0, 0, *frame.size))) for frame in (pair.noisy, pair.blurry))
    return (first, second) if min(_overlap(first, second).size) >= SMALLEST_SIDE else None


def _overlap(one: Area, other: Area) -> Area:
    (top, left), (bottom, right) = map(max, one[:2], other[:2]), map(min, one[2:], other[2:])
    return Area(top, left, bottom, right)
