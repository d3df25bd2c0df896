"""Do no harm: where the long frame is sharp, it is what the user gets.

A network that was handed a short frame with hardly any light may trust it all the same. The long frame is taken where
it shows little noise and either of two ways finds it sharp. The one asks the short frame (`sharpness`), and what the
network made does not matter but for what moves. The other asks the restored picture, which may have less noise to look
through: in the two finest octaves of detail the long frame agrees with it over some area, has hardly less of it, and
has no less than the short frame supports. In either case the short frame must not show more of the restored picture's
detail than of the long frame's.
"""

from __future__ import annotations

from dataclasses import dataclass

import cv2
import numpy as np
from numpy.typing import NDArray

from ..picture.encoding import Image
from .align import detail, grey
from .sharpness import between, sharp_share

Array = NDArray[np.float64]

_CELL = 32  # px a side of what one share is for
_NEAR, _WIDE = 1.5, 6.0  # cells: sigmas of the windows that detail is compared over; what moves is seen in the near one
_FLOOR = 1e-8  # of a band's power: less is rounding

# From where on the long frame is taken for blurred, and from where on for sharp; `docs/notebook/real.md`.
_AGREES_FINEST, _AGREES, _AGREES_NEAR = (0.75, 0.9), (0.9, 0.97), (0.85, 0.95)  # correlations with the restored one
_LOSES = (-0.25, -0.1)  # log of its finest detail over the restored picture's
_SUPPORTS = (-0.2, -0.12)  # log of its detail over what of it the short frame shows
_NOISE = (-0.011, -0.007)  # of its noise's sigma, encoded values
_NOISE_OF_SHARP = (-0.016, -0.010)  # the same, where the short frame says that it is sharp
_MOVES, _MOVES_WITHIN = (0.5, 2.0), 6.0  # px at a quarter of the size: band in which movers are seen; their area
_FAINT = (-0.6, -0.2)  # minus what the two differ by there, over the whole long frame's power: mottle, no mover
_EVEN, _SAME_EDGES = (2.0, 8.0), (0.85, 0.93)  # the band in which an even mover's edges are seen; their correlation
_OTHER_LIGHT = (0.04, 0.08)  # encoded values that an even mover changes
_STAYS = (0.3, 0.6)  # correlation with the restored picture there, over that of the whole


@dataclass(frozen=True, eq=False)
class _Powers:
    """Of a band of detail, mean squares and products by cell, (rows, columns)."""

    long: Array
    restored: Array
    short_long: Array
    restored_long: Array

    def pooled(self, reach: float) -> _Powers:
        """Over a window of neighbours."""
        return _Powers(
            *(_over(each, reach) for each in (self.long, self.restored, self.short_long, self.restored_long))
        )

    @property
    def agreement(self) -> Array:
        """Correlation of the long frame with the restored picture."""
        return self.restored_long / np.sqrt((self.long + _FLOOR) * (self.restored + _FLOOR))

    @property
    def excess(self) -> Array:
        """Log of the long frame's amplitude over the restored picture's."""
        return 0.5 * np.log((self.long + _FLOOR) / (self.restored + _FLOOR))

    @property
    def support(self) -> Array:
        """Log of the long frame's amplitude over what of it the short frame shows, whatever that one's noise."""
        return np.log((self.long + _FLOOR) / np.maximum(self.short_long, 0.02 * self.long + _FLOOR))


def share_of_long(short: Image, long: Image, restored: Image, noise: float, doubt: float) -> Image:
    """How much of the long frame to take, in [0, 1], (H, W).

    Args:
        short: the short frame in the long one's light, (H, W, 3).
        long: the long frame at the short one's pixels.
        restored: what the network made of them.
        noise: of the whole long frame, as `grain.flat_noise` says.
        doubt: in the tone, as `tone.Tone.doubt` says.
    """
    greys = [grey(frame) for frame in (short, long, restored)]
    small = [_quarter(each) for each in greys[1:]]
    size, quiet = greys[0].shape[::-1], between(np.array(-noise), _NOISE_OF_SHARP)
    share = cv2.resize(_agreeing(greys, noise), size, interpolation=cv2.INTER_LINEAR)
    if quiet:
        stays = cv2.resize(staying(*small), size, interpolation=cv2.INTER_LINEAR)
        sharp, no_less = sharp_share(greys[0], greys[1], greys[2], noise, doubt)
        share = np.maximum(share, sharp * stays * quiet) * no_less
    moved = cv2.resize(_moved(*small), size, interpolation=cv2.INTER_LINEAR)
    return np.asarray(share * (1 - (1 - doubt) * moved), np.float32)


def _agreeing(greys: list[Image], noise: float) -> Image:
    """By cell of 32 px, (rows, columns): how sharp the long frame is by the restored picture."""
    size = max(1, greys[0].shape[0] // _CELL), max(1, greys[0].shape[1] // _CELL)
    finest, smaller = _octave(greys, size)
    finer, _ = _octave(smaller, size)
    wide, wider = finest.pooled(_WIDE), finer.pooled(_WIDE)
    shares = (
        between(wide.agreement, _AGREES_FINEST),
        between(wider.agreement, _AGREES),
        between(finer.pooled(_NEAR).agreement, _AGREES_NEAR),
        between(wide.excess, _LOSES),
        between(wider.support, _SUPPORTS),
        between(np.full(size, -noise), _NOISE),
    )
    return np.asarray(np.prod(shares, axis=0), np.float32)


def staying(long: Image, restored: Image) -> Image:
    """Where two small pictures agree no less than elsewhere; where something moves they do not.

    Args:
        long, restored: grey, (h, w), of a quarter of the frames' size.

    Returns: (h, w) in [0, 1].
    """
    first, second = (detail(each, _MOVES).astype(np.float64) for each in (long, restored))
    products = (first * second, first * first, second * second)
    both, one, other = (float(product.mean()) for product in products)
    usual = max(both / np.sqrt(one * other + _FLOOR**2), 0.2)
    near, near_one, near_other = (_over(product, _MOVES_WITHIN) for product in products)
    agrees = between(near / np.sqrt(near_one * near_other + _FLOOR**2) / usual, _STAYS)
    faint = between(-_over((first - second) ** 2, _MOVES_WITHIN) / (one + _FLOOR), _FAINT)
    return np.asarray(np.maximum(agrees, faint), np.float32)


def _moved(long: Image, restored: Image) -> Image:
    """Where two small pictures have another light, in [0, 1], and edges elsewhere: something even moved.

    A restored picture whose light is wrong has its edges where the long frame has them.
    """
    differs = np.abs(cv2.GaussianBlur(long - restored, (0, 0), _MOVES[1]))
    first, second = (detail(each, _EVEN).astype(np.float64) for each in (long, restored))
    both, one, other = (_over(product, _EVEN[1]) for product in (first * second, first * first, second * second))
    alike = between(both / np.sqrt((one + _FLOOR) * (other + _FLOOR)), _SAME_EDGES)
    return np.asarray(between(differs, _OTHER_LIGHT) * (1 - alike), np.float32)


def _quarter(grey: Image) -> Image:
    size = max(1, grey.shape[1] // 4), max(1, grey.shape[0] // 4)
    return np.asarray(cv2.resize(grey, size, interpolation=cv2.INTER_AREA), np.float32)


def _octave(greys: list[Image], size: tuple[int, int]) -> tuple[_Powers, list[Image]]:
    """The finest octave's powers, and the pictures at half the size."""
    smaller = [np.asarray(cv2.pyrDown(grey), np.float32) for grey in greys]
    short, long, restored = (
        grey - np.asarray(cv2.pyrUp(small, dstsize=grey.shape[::-1]), np.float32)
        for grey, small in zip(greys, smaller, strict=True)
    )
    products = (long * long, restored * restored, short * long, restored * long)
    cells = (np.asarray(cv2.resize(each, size[::-1], interpolation=cv2.INTER_AREA), np.float64) for each in products)
    return _Powers(*cells), smaller


def _over(cells: Array, reach: float) -> Array:
    return np.asarray(cv2.GaussianBlur(cells, (0, 0), reach, borderType=cv2.BORDER_REFLECT), np.float64)
