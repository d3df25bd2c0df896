"""Bands of light across the short frame: lamps flicker, and a shutter that rolls down the frame sees them come and go.

The long frame has none of it. So along each line the light of the short frame is compared with the long one's, where
that one is even across the lines and blur matters little. They are bands if parts of the lines that lie apart agree on
them, and if they come back at one distance several times: what a scene holds does neither, and is left alone.
"""

from __future__ import annotations

from dataclasses import dataclass

import cv2
import numpy as np
from numpy.typing import NDArray

from ..picture.encoding import Image, to_linear, to_srgb
from ..picture.pair import as_float
from ..picture.window import Matrix, Pixels, window
from .tone import Tone

Array = NDArray[np.float64]

_LATTICE = 256  # pixels of the longer side that are looked at
_PARTS = 6  # of a line, each with a profile of its own
_COLUMNS = 48  # that the lines are averaged to, within which the scene has to be even
_AGREE = 0.4  # least median correlation of the parts' profiles
_PERIODIC, _FEWEST = 0.75, 3  # least share of a profile's power at one frequency and its neighbours; periods a frame
_FAINT = 0.04  # of the light: deviation of bands that would not be seen
_SLOW, _FINE = 1 / 6, 1 / 200  # of the frame's side: sigmas; slower changes of light are the scene's, finer ones noise
_EVEN = 0.06  # of the light: by which it may change across the lines where it counts in full
_DARK = 0.004  # linear light that is added, so that black tells little


@dataclass(frozen=True, eq=False)
class Bands:
    """Factors of linear light that take the bands off.

    Attributes:
        rows: one for each row of the frame; empty where the bands run down the frame, or there are none.
        columns: one for each column, likewise.
    """

    rows: NDArray[np.float32]
    columns: NDArray[np.float32]

    def taken_off(self, image: Image, top: int, left: int) -> Image:
        """A part of the matched short frame, sRGB-encoded in [0, 1], that may hang over the frame's end."""
        for factors, start, axis in ((self.rows, top, 0), (self.columns, left, 1)):
            if len(factors):
                at = np.minimum(np.arange(start, start + image.shape[axis]), len(factors) - 1)
                shape = (-1, 1, 1) if axis == 0 else (1, -1, 1)
                image = to_srgb(to_linear(image) * factors[at].reshape(shape)).clip(0, 1)
        return image


NONE = Bands(np.empty(0, np.float32), np.empty(0, np.float32))


def found_in(short: Pixels, long: Pixels, matrix: Matrix | None, match: Tone) -> Bands:
    """The bands of the short frame, (H, W, 3).

    Args:
        short, long: pixels of any type.
        matrix: of the short frame's pixels to where the long one is read; None: the same.
        match: brings the short frame to the long one's light.
    """
    step = max(1, max(short.shape[:2]) // _LATTICE)
    own = as_float(np.ascontiguousarray(short[::step, ::step, 1]))
    other = as_float(window(long, 0, 0, own.shape, matrix, step)[..., 1])
    lights = np.minimum(match.linear(own, 1), 1).astype(np.float32), to_linear(other.clip(0, 1))
    for axis in (0, 1):
        profile = _profile(*(light if axis == 0 else light.T for light in lights))
        if profile.any():
            lines = np.interp(np.arange(short.shape[axis]) / step, np.arange(len(profile)), profile)
            factors = (np.exp(lines).mean() * np.exp(-lines)).astype(np.float32)  # the light in all stays as it was
            return Bands(factors, NONE.columns) if axis == 0 else Bands(NONE.rows, factors)
    return NONE


def _profile(short: Image, long: Image) -> Array:
    """The log of the bands' light down the lines, (rows,); 0 where there are none."""
    size = min(_COLUMNS, short.shape[1]), short.shape[0]
    first, second = (_averaged(light, size) for light in (short, long))
    fine, slow = max(_FINE * size[1], 1.0), _SLOW * size[1]
    change = np.abs(_smooth(second, 2 * fine) - _smooth(second, 8 * fine))
    weight = np.asarray(second / (1 + (change / (_EVEN * (second + _DARK))) ** 2), np.float32)
    ratio = np.log((first + _DARK) / (second + _DARK))
    parts = np.array_split(np.arange(size[0]), _PARTS)
    profiles = np.array([_banded(ratio[:, part], weight[:, part], fine, slow) for part in parts])
    profile = np.asarray(np.median(profiles, 0), np.float64)
    return profile if profile.std() > _FAINT and _agreement(profiles) > _AGREE and _comes_back(profile) else 0 * profile


def _averaged(light: Image, size: tuple[int, int]) -> Image:
    return np.asarray(cv2.resize(np.ascontiguousarray(light), size, interpolation=cv2.INTER_AREA), np.float32)


def _agreement(profiles: Array) -> float:
    """Median correlation of any two."""
    if not profiles.std(1).all():
        return 0.0
    correlations = np.asarray(np.corrcoef(profiles), np.float64)
    return float(np.median(correlations[np.triu_indices(len(profiles), 1)]))


def _comes_back(profile: Array) -> bool:
    """Whether it is of one frequency that the frame holds several periods of."""
    power = np.abs(np.fft.rfft((profile - profile.mean()) * np.hanning(len(profile)))) ** 2
    peak = int(power[1:].argmax()) + 1
    return peak >= _FEWEST and bool(power[peak - 1 : peak + 2].sum() > _PERIODIC * power[1:].sum())


def _banded(ratio: Image, weight: Image, fine: float, slow: float) -> Array:
    """The weighted mean of each line between two scales."""
    total = weight.sum(1, keepdims=True) + 1e-6
    line = (weight * ratio).sum(1, keepdims=True)
    return np.asarray((_smooth(line, fine) / _smooth(total, fine) - _smooth(line, slow) / _smooth(total, slow))[:, 0])


def _smooth(values: Image, sigma: float) -> Array:
    """Across the lines alone."""
    return np.asarray(
        cv2.GaussianBlur(values, (1, 0), sigmaX=0.01, sigmaY=sigma, borderType=cv2.BORDER_REFLECT), np.float64
    ).reshape(values.shape)
