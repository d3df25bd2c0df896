"""Frames of two framings: the long one is turned, scaled and laid on the short one's canvas, and both have one size.

That is done only where the frames do not go together as they are: one file was turned without a word in EXIF, cropped,
saved in another size or in another aspect. The way under which the frames agree best is taken, if they agree well.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, replace
from itertools import groupby
from typing import Any, NamedTuple, NoReturn

import cv2
import numpy as np
from numpy.typing import NDArray

from ..picture.encoding import Image
from ..picture.errors import MismatchError
from ..picture.pair import Pair
from ..picture.window import Matrix, Pixels
from . import align, borders, remains
from .borders import Area, Size

_SURE = 0.5  # correlation of the registered frames from which on a way is believed that nobody said
_RESAMPLING = 0.02  # of correlation, by which a way that scales has to be better
_ZOOMS = (1.2, 1 / 1.2)  # of one that was cropped before it was scaled to this size; registration finds what is between
_LARGEST_SCALE = 3.0  # of the long frame's pixels, up or down
_ONE_SCALE = 0.01  # scales that differ by less are one
_LATTICE = 256  # pixels a side by which the share that is shown is told
_LEAST_SHOWN = 0.5  # share of the short frame that the long one has to show


@dataclass(frozen=True, eq=False)
class Shown:
    """What of the short frame's canvas the long frame shows.

    A border that both frames have is shown: it is the same in both. What looks like one is, more often, the night.

    Attributes:
        area: where the long frame, as it lies on the canvas, is neither a mirror image nor such a border.
        laid: where it is no mirror image.
        matrix: of pixels of the canvas to where the long frame is read.
        size: height and width of the canvas.
    """

    area: Area
    laid: Area
    matrix: Matrix
    size: Size

    @property
    def share(self) -> float:
        """Of the canvas, in [0, 1], by a lattice of its pixels."""
        rows, columns = (np.linspace(0, side - 1, min(side, _LATTICE)).round() for side in self.size)
        return float(np.mean(self._beyond(rows[:, None], columns[None]) == 0))

    @property
    def inner(self) -> Area:
        """The canvas but for strips along its edges that hold all that is not shown."""
        (x0, y0), (x1, y1), (x2, y2), (x3, y3) = self._outline()  # clockwise from the top left
        height, width = self.size
        top, left = (
            int(np.clip(np.ceil(max(ends)), 0, side)) for ends, side in (((y0, y1), height), ((x0, x3), width))
        )
        bottom, right = (
            int(np.clip(np.floor(min(ends)) + 1, 0, side)) for ends, side in (((y2, y3), height), ((x1, x2), width))
        )
        return Area(top, left, max(bottom, top), max(right, left))

    def distance(self, part: Area) -> Image:
        """(h, w): how far each pixel lies from what is shown, px; 0 within."""
        if part.within(self.inner):
            return np.zeros(part.size, np.float32)
        return self._beyond(np.arange(part.top, part.bottom)[:, None], np.arange(part.left, part.right)[None])

    def _beyond(self, y: NDArray[Any], x: NDArray[Any]) -> Image:
        """The same for rows (h, 1) and columns (1, w) of the canvas."""
        u, v, depth = ((a * x + (b * y + c)).astype(np.float32) for a, b, c in self.matrix)
        beyond = np.maximum(-_depth(self.area, v / depth, u / depth), 0)
        in_border = (_depth(self.laid, y, x) >= 0) & (_depth(self.area, y, x) < 0)
        return np.where(in_border, np.float32(0), beyond)

    def _outline(self) -> NDArray[np.float64]:
        """(4, 2) corners of what is shown, on the canvas, clockwise from the top left."""
        corners = _corners(self.area).astype(np.float64)
        return np.asarray(cv2.perspectiveTransform(corners[:, None], np.linalg.inv(self.matrix))[:, 0])


def _depth(area: Area, y: NDArray[Any], x: NDArray[Any]) -> NDArray[Any]:
    """How far pixels lie within an area, px; below 0 for those without."""
    rows, columns = np.minimum(y - area.top, area.bottom - 1 - y), np.minimum(x - area.left, area.right - 1 - x)
    return np.asarray(np.minimum(rows, columns))


def _corners(area: Area) -> Image:
    top, left, bottom, right = area.top, area.left, area.bottom - 1, area.right - 1
    return np.array([(left, top), (right, top), (right, bottom), (left, bottom)], np.float32)


@dataclass(frozen=True, eq=False)
class Framed:
    """A pair of one size.

    Attributes:
        pair: the frames, the long one as it lies on the short one's canvas.
        laid: where on the canvas the long frame lies, before registration; beyond, it is mirrored.
        shown: what of that is no border that both frames have.
        compared: where on the canvas both show something.
        alignment: of the two `views`.
        scaled: whether the long frame was.
        note: what was done to the long frame, as a sentence; empty where nothing was.
    """

    pair: Pair
    laid: Area
    shown: Area
    compared: Area
    alignment: align.Alignment
    scaled: bool = False
    note: str = ""

    @property
    def views(self) -> tuple[Pixels, Pixels]:
        """What both frames show, the short one's first."""
        return self.compared.of(self.pair.noisy.pixels), self.compared.of(self.pair.blurry.pixels)


class Way(NamedTuple):
    """How the long frame may lie on the short one's canvas: quarter turns anticlockwise, then made so much larger."""

    turns: int
    scale: float


def framed(pair: Pair) -> Framed:
    """The pair, the short frame first, with both frames on its canvas.

    Raises:
        MismatchError: the sizes differ, and the frames do not agree under any way to lay one on the other.
    """
    as_it_is, place = None, remains.place(pair)
    if place or pair.noisy.size == pair.blurry.size:
        as_it_is = _laid(pair, Way(0, 1.0), place)
        if as_it_is.alignment.same_scene:
            return as_it_is
    for _, alike in groupby(ways(pair.noisy.size, pair.blurry.size), lambda way: way.turns):
        best = max((_laid(pair, way) for way in alike), key=_agreement)
        if best.alignment.same_scene and best.alignment.confidence >= _SURE:
            return best
    return as_it_is or _refused(pair)


def _agreement(found: Framed) -> float:
    """What speaks for a way; of two that are as good the one that does not scale."""
    return found.alignment.confidence - _RESAMPLING * found.scaled


def _refused(pair: Pair) -> NoReturn:
    (height, width), (other_height, other_width) = pair.noisy.size, pair.blurry.size
    raise MismatchError(
        f"{pair.noisy.name} is {width}x{height} but {pair.blurry.name} is {other_width}x{other_height}, and they do "
        "not show the same view: give two frames of the same size and orientation"
    )


def ways(short: Size, long: Size) -> Iterator[Way]:
    """How frames of two sizes may lie on each other, all but as they are, upright ones first."""
    for turns in range(4):
        size = long if turns % 2 == 0 else long[::-1]
        if sorted(short) != sorted(long):
            yield from (Way(turns, scale) for scale in _scales(short, size, _ZOOMS if not turns else ()))
        elif size == short:
            yield from [Way(turns, 1.0)] if turns else [Way(0, zoom) for zoom in _ZOOMS]


def _scales(short: Size, long: Size, zooms: tuple[float, ...]) -> list[float]:
    """Pixel for pixel, by width or by height, also zoomed, as far as enough of the short frame is covered."""
    found: list[float] = []
    fits = short[1] / long[1], short[0] / long[0]
    for scale in (1.0, *fits, *(fit * zoom for zoom in zooms for fit in fits)):
        shown = np.prod(np.minimum(np.multiply(long, scale), short)) / np.prod(short)
        known = any(abs(scale / other - 1) < _ONE_SCALE for other in found)
        if not known and shown >= _LEAST_SHOWN and 1 / _LARGEST_SCALE <= scale <= _LARGEST_SCALE:
            found.append(scale)
    return found


def _laid(pair: Pair, way: Way, place: Size | None = None) -> Framed:
    """The long frame on the short one's canvas, middle on middle or at its place, and registered there."""
    scaled = _scaled(_turned(pair.blurry.pixels, way.turns), way.scale)
    pixels, laid = _on_canvas(scaled, pair.noisy.size, place)
    if pixels is not pair.blurry.pixels:
        pair = Pair(pair.noisy, replace(pair.blurry, pixels=pixels))
    compared, shown = borders.inside(laid.of(pair.noisy.pixels), laid.of(pair.blurry.pixels))
    compared, shown = (area.moved(laid.top, laid.left) for area in (compared, shown))
    note = _note(pair, way, pixels is not scaled and not place)
    found = align.estimate(*(compared.of(frame.pixels) for frame in (pair.noisy, pair.blurry)))
    return Framed(pair, laid, shown, compared, found, way.scale != 1.0, note)


def _turned(pixels: Pixels, turns: int) -> Pixels:
    return np.ascontiguousarray(np.rot90(pixels, turns)) if turns else pixels


def _scaled(pixels: Pixels, scale: float) -> Pixels:
    if scale == 1.0:
        return pixels
    size = round(pixels.shape[1] * scale), round(pixels.shape[0] * scale)
    how = cv2.INTER_AREA if scale < 1 else cv2.INTER_CUBIC
    resized = cv2.resize(pixels, size, interpolation=how)
    return np.asarray(resized.clip(0, 1) if resized.dtype == np.float32 else resized)


def _on_canvas(pixels: Pixels, size: Size, place: Size | None = None) -> tuple[Pixels, Area]:
    """At a place, or middle on middle; mirrored where the canvas is larger, and where it is not."""
    if pixels.shape[:2] == size and not any(place or ()):
        return pixels, Area(0, 0, *size)
    top, left = place or ((side - own) // 2 for side, own in zip(size, pixels.shape, strict=False))
    pixels = pixels[max(-top, 0) :, max(-left, 0) :][: size[0] - max(top, 0), : size[1] - max(left, 0)]
    shown = Area(max(top, 0), max(left, 0), max(top, 0) + pixels.shape[0], max(left, 0) + pixels.shape[1])
    around = shown.top, size[0] - shown.bottom, shown.left, size[1] - shown.right
    return np.asarray(cv2.copyMakeBorder(pixels, *around, cv2.BORDER_REFLECT_101)), shown


def _note(pair: Pair, way: Way, laid: bool) -> str:
    """What was done, as a sentence."""
    done = [f"turned by {90 * way.turns} degrees"] if way.turns else []
    done += [f"scaled by {way.scale:.3g}"] if way.scale != 1.0 else []
    done += ["centred"] if laid else []
    return f"{pair.blurry.name} was {' and '.join(done)} to lie on {pair.noisy.name}" if done else ""
