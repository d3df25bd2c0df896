"""Where the long frame is sharp, told by the short one, whatever that one's noise.

If the long frame is the scene through a kernel of transfer K, and the short one the scene with noise, then over a band
of frequencies the mean power of the long frame is K^2 P, and that of their product K P: noise that the long frame knows
nothing of is in neither. So K is the one over the other. A camera's move leaves detail along itself alone: a frame is
sharp where K is near 1, or above it, as where the short frame has lost detail, in all of six directions.

What the short frame has lost is lost to the restored picture's K as well. So where that one's K is the larger, the
restored picture has more of the scene, whatever the long frame's K. And where the long frame's K is the larger by far
in the finest band, but 1 in the coarsest, that is noise, which the network has taken off.
"""

from __future__ import annotations

from dataclasses import dataclass, fields

import cv2
import numpy as np

from ..picture.encoding import Image
from .spectrum import Array, sectors

_WINDOW = 320  # px a side of what one figure is for
_RINGS = (0.0625, 0.125, 0.25, 0.4)  # cycles a pixel: bounds of the bands
_TELLING = 2  # of the bands, that tell of blur; in the finest one JPEG and demosaicing speak
_DIRECTIONS = 6
_ALL = 0.9  # weight of the whole picture in a window's powers: a hand moves all of it alike, and noise needs averaging
_SHARP = (0.75, 0.87)  # least K: from where on a frame is taken for sharp, and where it is
_DOUBT = (-0.25, -0.12)  # minus the standard error of the products over their mean, likewise
_SLIGHT = (0.55, 0.7)  # least K of a slight blur
_FURTHER = (4.0, 8.0)  # power of the restored picture's difference over what the blur explains
_NO_LESS = (0.92, 0.98)  # K over the restored picture's: from where on the long frame has as much of the scene
_NOISY = (1.25, 1.6)  # the same in the finest band: from where on the long frame has noise instead, and where it has
_WHOLE = (-1.25, -1.12)  # minus K in the coarsest band: likewise, that the short frame has all its contrast
_GRAINY = (0.001, 0.002)  # sigma of the long frame's noise, encoded values, that is worth the network's touch
_WARY = 2.0  # standard errors that K may be less
_GRAINS = 3.0  # times the noise that the finest detail tells of: JPEG and demosaicing leave more where it is coarser
_WINDOW_POWER = (3 / 8 * _WINDOW) ** 2  # sum of a window's squares


@dataclass(frozen=True, eq=False)
class _Spectrum:
    """Sums over bands and directions, (..., rings, directions).

    Attributes:
        long, short: power of each frame.
        both: of their product.
        difference: of the long frame and the restored picture.
        count: of frequencies.
        restored: power of the restored picture.
        traced: of its product with the short frame.
    """

    long: Array
    short: Array
    both: Array
    difference: Array
    count: Array
    restored: Array
    traced: Array

    @property
    def transfer(self) -> Array:
        """K, not below 0, which a doubled picture has; 0, too, where there is no such band."""
        return np.where(self.both > 0, self.long / np.maximum(self.both, 1e-3 * self.long + 1e-12), 0)

    @property
    def doubt(self) -> Array:
        """Standard error of `both` over its amount."""
        spread = np.sqrt(self.short * self.long * 2 / np.maximum(self.count, 1))
        return spread / np.maximum(np.abs(self.both), 1e-12)

    @property
    def telling(self) -> _Spectrum:
        """Without the finest band."""
        return _Spectrum(*(getattr(self, each.name)[..., :_TELLING, :] for each in fields(self)))

    @property
    def kept(self) -> Array:
        """K by band, over all directions."""
        return _over_directions(self.long) / _over_directions(self.both)

    @property
    def relative(self) -> Array:
        """That K over the restored picture's."""
        return self.kept * (_over_directions(self.traced) / _over_directions(self.restored))


def _over_directions(powers: Array) -> Array:
    return np.asarray(np.maximum(powers.sum(-1), 1e-9))


def sharp_share(short: Image, long: Image, restored: Image, noise: float, doubt: float) -> tuple[Image, Image]:
    """How sure it is that the long frame is sharp, and that it has no less of the scene than the restored picture.

    Nor more noise: the second figure falls where the restored picture has less of it, as far as that is seen.

    Args:
        short: the short frame in the long one's light, grey, (H, W).
        long: the long frame at the short one's pixels, grey.
        restored: what a network made of both, grey.
        noise: sigma of the long frame's noise, grey.
        doubt: in the tone, in [0, 1]: only there is the network so far off that a slight blur is better, and what the
            short frame says of it worth little.

    Returns: both (H, W), in [0, 1].
    """
    height, width = short.shape
    places = [[np.s_[y : y + _WINDOW, x : x + _WINDOW] for x in _starts(width)] for y in _starts(height)]
    sums = np.array([[_sums(short[place], long[place], restored[place]) for place in row] for row in places])
    whole = sums.mean((0, 1))
    found = _Spectrum(*np.moveaxis(_ALL * whole + (1 - _ALL) * sums, 2, 0))
    sharp = np.maximum(_sharp(found.telling), doubt * _better(found.telling, noise))
    no_less = 1 - (1 - doubt) * (1 - between(found.relative[..., _TELLING - 1], _NO_LESS))
    no_less = no_less * (1 - _noisier(_Spectrum(*whole), noise))
    first, second = (
        np.asarray(cv2.resize(share, (width, height), interpolation=cv2.INTER_LINEAR), np.float32)
        for share in (sharp.astype(np.float32), no_less.astype(np.float32))
    )
    return first, second


def _sharp(found: _Spectrum) -> Array:
    """How sure it is that the long frame has hardly any blur."""
    return between(found.transfer.min((-1, -2)), _SHARP) * between(-found.doubt[..., -1, :].max(-1), _DOUBT)


def _better(found: _Spectrum, noise: float) -> Array:
    """How sure it is that the long frame is better than the restored picture, with the slight blur that it may have.

    The restored picture is further from it than that blur, and its noise, take it from the scene.
    """
    least = found.transfer / (1 + _WARY * found.doubt)
    kept = np.clip(found.transfer, 0.05, 1)
    lost = ((1 - kept) / kept) ** 2 * found.long + _GRAINS * noise**2 * found.count * _WINDOW_POWER
    ratio = found.difference.sum((-1, -2)) / np.maximum(lost.sum((-1, -2)), 1e-12)
    return between(least.min((-1, -2)), _SLIGHT) * between(ratio, _FURTHER)


def _noisier(found: _Spectrum, noise: float) -> Array:
    """How sure it is that the long frame has noise that the restored picture has not, by the whole picture.

    A short frame that has lost its finest detail raises K as well, but it has lost some that is coarser, too.
    """
    grain = between(found.relative[..., -1], _NOISY) * between(-found.kept[..., 0], _WHOLE)
    return grain * between(np.array(noise), _GRAINY)


def between(values: Array, bounds: tuple[float, float]) -> Array:
    """0 below the first bound, 1 above the second, smooth between."""
    at = np.clip((values - bounds[0]) / (bounds[1] - bounds[0]), 0, 1)
    return np.asarray(at * at * (3 - 2 * at))


def _starts(length: int) -> list[int]:
    """Where windows begin that overlap by half."""
    count = max(0, -(-(length - _WINDOW) * 2 // _WINDOW))
    return [round(i * (length - _WINDOW) / count) for i in range(count + 1)] if count else [0]


def _sums(short: Image, long: Image, restored: Image) -> Array:
    """What a `_Spectrum` holds, of one window: (7, rings, directions)."""
    found = sectors(*short.shape, _RINGS, _DIRECTIONS)
    first, second, third = map(found.waves, (short, long, restored))
    powers = (
        *(np.abs(second) ** 2, np.abs(first) ** 2, (first * second.conj()).real),
        *(np.abs(second - third) ** 2, np.ones_like(found.weight)),
        *(np.abs(third) ** 2, (first * third.conj()).real),
    )
    return np.array([found.summed(power) for power in powers]).reshape(7, -1, _DIRECTIONS)
