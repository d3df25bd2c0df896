"""Line noise of the short frame: every row, or column, of a sensor is read with a small error of its own.

The long frame has none of it that one would see. So the mean of a row of the short frame less the long one's tells
the row's error, once what changes slowly down the frame is taken off: that is the scene's light, or the tone. Strips of
the frame that lie apart have to agree on it, and on its finest part above all, in which the error of a row has nothing
to do with the next one's. Lines of the scene are seen through a lens, and are seldom level to a fraction of a pixel.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import combinations

import cv2
import numpy as np
from numpy.typing import NDArray

from ..picture.encoding import Image, to_linear, to_srgb
from ..picture.pair import as_float
from ..picture.window import Matrix, Pixels, window
from .tone import Tone

Array = NDArray[np.float64]

_STRIPS, _WIDTH = 4, 192  # that the lines are cut to; px of a line that each has at most
_GLANCE, _LOOKED_AT = 64, 1024  # the same, and lines, where it is only asked whether there is any
_SLOW = 6.0  # px: sigma of what counts as the scene's
_DARK = 0.01  # of linear light: noise of black, as light that would have as much
_EVEN = 0.15  # of the light: by which it may change across the lines where it counts in full
_USUAL = 3.0  # medians of the difference: more is detail that the long frame has lost
_CLIPPED = 0.95  # linear light of the long frame: what is brighter tells nothing
_AGREE = 0.15  # least correlation of what two strips say of the differences of neighbours
_FINE = 0.5  # least share of the errors' power that those differences have; where errors are independent it is 1


@dataclass(frozen=True, eq=False)
class Lines:
    """Linear light to take off.

    Attributes:
        rows: (H, 3), of each row of the frame; empty where there is none.
        columns: (W, 3), of each column, likewise.
    """

    rows: Image
    columns: Image

    def taken_off(self, image: Image, top: int, left: int) -> Image:
        """A part of the matched short frame, sRGB-encoded in [0, 1], that may hang over the frame's end."""
        for errors, start, axis in ((self.rows, top, 0), (self.columns, left, 1)):
            if len(errors):
                at = np.minimum(np.arange(start, start + image.shape[axis]), len(errors) - 1)
                error = np.expand_dims(errors[at], 1 - axis)
                image = to_srgb((to_linear(image) - error).clip(0, 1))
        return image


_NOTHING = np.empty((0, 3), np.float32)
NONE = Lines(_NOTHING, _NOTHING)


def found_in(short: Pixels, long: Pixels, matrix: Matrix | None, match: Tone) -> Lines:
    """The line noise of the short frame, (H, W, 3).

    Args:
        short, long: pixels of any type.
        matrix: of the short frame's pixels to where the long one is read; None: the same.
        match: brings the short frame to the long one's light.
    """
    pair = _Pair(short, long, matrix, match)
    found = [_along(axis, pair) for axis in (0, 1)]
    return Lines(*found) if any(map(len, found)) else NONE


@dataclass(frozen=True, eq=False)
class _Pair:
    short: Pixels
    long: Pixels
    matrix: Matrix | None
    match: Tone

    def lights(self, top: int, left: int, size: tuple[int, int], channels: Sequence[int]) -> tuple[Image, Image]:
        """Linear light of both frames in a window, (height, width, channels)."""
        short = as_float(window(self.short, top, left, size))
        own = [np.minimum(self.match.linear(short[..., channel], channel), 1) for channel in channels]
        other = as_float(window(self.long, top, left, size, self.matrix)[..., list(channels)])
        return np.stack(own, -1).astype(np.float32), to_linear(other.clip(0, 1))


def _along(axis: int, pair: _Pair) -> Image:
    """(H, 3) errors of rows, or (W, 3) of columns; a part of one channel tells whether there are any."""
    length, across = pair.short.shape[axis], pair.short.shape[1 - axis]
    start, few = max(0, (length - _LOOKED_AT) // 2), min(length, _LOOKED_AT)
    if across < 2 * _STRIPS or few < 3 or not len(_agreed(_profiles(axis, pair, (start, few), _GLANCE, (1,)))):
        return _NOTHING
    return _agreed(_profiles(axis, pair, (0, length), _WIDTH, (0, 1, 2)))


def _profiles(axis: int, pair: _Pair, lines: tuple[int, int], most: int, channels: Sequence[int]) -> Array:
    """(strips, lines, channels): what each strip says; `lines` are the first one and how many."""
    across = pair.short.shape[1 - axis]
    width = min(most, across // _STRIPS)
    starts = np.linspace(0, across - width, _STRIPS).astype(int).tolist()
    found = []
    for start in starts:
        if axis == 0:
            lights = pair.lights(lines[0], start, (lines[1], width), channels)
        else:
            lights = pair.lights(start, lines[0], (width, lines[1]), channels)
        found.append(_profile(*(light if axis == 0 else light.transpose(1, 0, 2) for light in lights)))
    return np.array(found)


def _profile(short: Image, long: Image) -> Array:
    """(lines, channels): weighted means of the lines' differences, without what changes slowly."""
    difference, light = short - long, long + np.float32(_DARK)
    change = np.abs(_smooth(long, 1.0) - _smooth(long, 4.0)) / light
    noise = np.abs(difference) / np.sqrt(light)  # of an even amount, where it is of light
    usual = np.median(noise[:: max(1, len(noise) // 128)]) + 1e-6
    told = ((long < _CLIPPED) & (short > 0)).all(-1, keepdims=True)
    weight = told / ((1 + (change / _EVEN) ** 2) * (1 + (noise / (_USUAL * usual)) ** 2) * light)
    line = (weight * difference).sum(1) / (weight.sum(1) + 1e-9)
    return np.asarray(line - _smooth(line[:, None], _SLOW)[:, 0], np.float64)


def _agreed(profiles: Array) -> Image:
    """(lines, 3): what the strips, (strips, lines, 3), agree on, as far as it is sure; empty where they do not."""
    steps = np.diff(profiles, axis=1) / np.sqrt(2)
    common, fine = _common(profiles), _common(steps)
    if fine < _AGREE * _power(steps) or fine < _FINE * common:
        return _NOTHING
    doubt = (_power(profiles) - common) / len(profiles)
    return np.asarray(profiles.mean(0) * common / (common + doubt), np.float32)


def _common(profiles: Array) -> float:
    """Mean product of two strips: their noise, which differs, is not in it."""
    return float(np.mean([np.mean(one * other) for one, other in combinations(profiles, 2)]))


def _power(profiles: Array) -> float:
    return float(np.mean(profiles**2)) + 1e-15


def _smooth(values: Image, sigma: float) -> Image:
    """Across the lines alone."""
    smooth = cv2.GaussianBlur(values, (1, 0), sigmaX=0.01, sigmaY=sigma, borderType=cv2.BORDER_REFLECT)
    return np.asarray(smooth, np.float32).reshape(values.shape)
