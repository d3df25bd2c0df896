"""The long frame's light: its coarse detail, as far as its blur leaves that alone.

Where a short frame is dark, its tone cannot be matched well, and what a network draws from it is off in large
patches. The long frame knows better: a blur of 5 px takes edges away and leaves what is 50 px wide. How far its blur
reaches is told by how the two frames part with frequency. A wrong tone parts them at all scales alike; a blur, or a
shift, does so with at least the square of frequency. Band by band, the long frame's detail is then taken where the
result is further from it than such a blur explains.
"""

from __future__ import annotations

from dataclasses import dataclass
from itertools import pairwise, product

import cv2
import numpy as np
from numpy.typing import NDArray

from ..picture.encoding import Image, to_linear, to_srgb
from . import align
from .consistency import staying
from .sharpness import between
from .spectrum import Array, sectors

STEP = 4  # px of a picture a side that are one of the small pictures' here
_WINDOW = 320  # px a side of what is compared by frequency
_WINDOWS = 3  # of a tile, along each side, at most
_RINGS = (1 / 80, 1 / 40, 1 / 20, 1 / 10, 1 / 5, 1 / 3.5)  # cycles a px: bounds of the bands that are compared
_FREQUENCIES = np.sqrt(np.multiply(_RINGS[1:], _RINGS[:-1]))
_SIGMAS = (2.0, 4.0, 8.0)  # small px: bounds of the bands that are taken, the last being all that is coarser
_PEAK, _COARSEST = 0.153, 0.109  # times 1 / sigma: frequency at which a band is strongest; where the last one ends
_GONE = (0.08, 0.25)  # of the second band's light: from where on the coarsest may be blurred, too, and where it is
_SPREAD = 0.3  # sigma of a line's uniform blur over its length
_BEYOND = (2.0, 4.0)  # the difference over what blur explains: from where on the long frame is taken, and where it is
_FAR = (500.0, 1000.0)  # px^2: a blur that reaches so far leaves none of the bands alone
_SAFE = 1.7  # the reach is taken for so many times what is found: bands lost to a blur cost more than a patch of light
_SAFE_OF_FALL = 4.0  # the same for what is found by the fall alone, which sees less of a large blur
_FLOOR = 1e-5  # of mean squares: less is not seen
_STRIP = 256  # rows that are made at once
_POOLED, _POOLED_AT_MOST = 3.0, 24.0  # sigmas of a band's window: over its own sigma, and in small px


@dataclass(frozen=True, eq=False)
class _Band:
    """What lies between two Gaussians of the small pictures: all (h, w) or (h, w, 3)."""

    difference: Image
    long: Image
    restored: Image
    spread: Image

    def smoothed(self, sigma: float) -> _Band:
        """All that is coarser."""
        fields = (self.difference, self.long, self.restored, self.spread)
        return _Band(*(np.asarray(cv2.GaussianBlur(each, (0, 0), sigma), np.float32) for each in fields))

    def minus(self, coarser: _Band) -> _Band:
        """This band's own, once `coarser` is taken off."""
        return _Band(
            self.difference - coarser.difference,
            self.long - coarser.long,
            self.restored - coarser.restored,
            self.spread - coarser.spread,
        )


class Gathered:
    """What the whole picture tells, gathered a tile at a time: it stays small where the picture does not.

    Args:
        size: height and width of the picture.
    """

    def __init__(self, size: tuple[int, int]) -> None:
        small = -(-size[0] // STEP), -(-size[1] // STEP), 3
        self.long, self.restored = np.zeros(small, np.float32), np.zeros(small, np.float32)
        self.powers: Array = np.zeros((3, len(_FREQUENCIES)))

    def add(self, top: int, left: int, short: Image, long: Image, restored: Image) -> None:
        """Tiles (H, W, 3) of the short frame in the long one's light, the long one and the result.

        `top` and `left` are multiples of `STEP`; a tile may hang over the picture's edge.
        """
        for kept, tile in ((self.long, long), (self.restored, restored)):
            place = kept[top // STEP :, left // STEP :]
            small = cv2.resize(tile, (tile.shape[1] // STEP, tile.shape[0] // STEP), interpolation=cv2.INTER_AREA)
            place[: small.shape[0], : small.shape[1]] = small[: place.shape[0], : place.shape[1]]
        for y, x in product(_starts(short.shape[0]), _starts(short.shape[1])):
            cut = (tile[y : y + _WINDOW, x : x + _WINDOW] for tile in (short, long, restored))
            self.powers += _powers(*map(align.grey, cut))

    def light(self, doubt: float) -> tuple[Image, float]:
        """What to add to the picture, (H / STEP, W / STEP, 3), rounded up, and the share of the long frame in it.

        `doubt` is in the tone, as `tone.Tone.doubt` says.
        """
        added, share = light(self.long, self.restored, reach(self.powers), doubt)
        return np.float32(doubt) * added, doubt * share


def reach(powers: Array) -> float:
    """How far the long frame's blur reaches, px^2: its error's share of a band's power, over frequency squared.

    Args:
        powers: (3, rings), of the long frame, of the scene, and of both together. The scene's is the product of the
            short frame and the result: noise is in neither.
    """
    long, scene, both = powers
    scene = np.maximum(scene, 1e-9 * long + 1e-12)
    contrast = min(np.sqrt(scene[0] / max(long[0], 1e-12)), 1.0)  # the short frame's; above 1 it is blur
    error = np.maximum(long - 2 * both / contrast + scene / contrast**2, 0)
    gone = float(between(error[1:2] * contrast**2 / scene[1:2], _GONE)[0])
    error = error / np.maximum(long, 1e-12)
    blurred = np.maximum(error - error[0] * (1 - gone), 0)  # what is off at the coarsest is the tone
    return min(_SAFE * _farthest(blurred), _SAFE_OF_FALL * _farthest(_fall(long / scene, both / scene)))


def _farthest(error: Array) -> float:
    """px^2: the largest of the bands' errors over their frequencies squared."""
    return float((error / _FREQUENCIES**2).max())


def _fall(square: Array, transfer: Array) -> Array:
    """A blur's error by ring, |1 - H|^2, from |H|^2 and H as they fall from the coarsest ring on.

    A short frame whose shadows are wrong parts the frames at all scales, so that a blur of 3 px passes for one of 40.
    How they part from ring to ring it changes less than a blur does.
    """
    if transfer[0] <= 0:
        return np.full_like(transfer, 2)
    return np.asarray(np.clip(1 - 2 * transfer / transfer[0] + square / square[0], 0, 2))


def light(long: Image, restored: Image, reach: float, doubt: float) -> tuple[Image, float]:
    """What to add to the restored picture, and how much of the coarse bands is the long frame's, in [0, 1].

    Args:
        long: the long frame at the short one's pixels, (h, w, 3), each pixel the mean of `STEP` a side.
        restored: the restored picture, likewise.
        reach: as `reach` says.
        doubt: in the tone, in [0, 1]: where it is, a patch of wrong light looks as if something had moved there.

    Returns: (h, w, 3) and the mean over pixels and bands.
    """
    grey, other = map(align.grey, (long, restored))
    sigma = max(_SPREAD * np.sqrt(reach) / STEP, 0.1)
    blurred = np.asarray(cv2.GaussianBlur(to_linear(grey), (0, 0), sigma), np.float32)
    again = to_srgb(blurred).clip(0, 1)  # a blur once more shows what one does
    whole = _Band(long - restored, grey, other, np.asarray(again - grey, np.float32))
    bands = [whole.smoothed(sigma) for sigma in _SIGMAS]
    bands = [*(fine.minus(coarse) for fine, coarse in pairwise(bands)), bands[-1]]
    stays = 1 - np.float32(1 - doubt) * (1 - staying(grey, other))
    stays = stays * np.float32(1 - between(np.array(reach), _FAR))
    shares = [stays * _share(band, sigma, reach) for band, sigma in zip(bands, _SIGMAS, strict=True)]
    added = sum(share[..., None] * band.difference for share, band in zip(shares, bands, strict=True))
    return np.asarray(added, np.float32), float(np.mean(shares))


def _share(band: _Band, sigma: float, reach: float) -> Image:
    """(h, w): how sure it is that the long frame is the better one in a band."""
    last = sigma == _SIGMAS[-1]
    frequency = (_COARSEST if last else _PEAK) / (sigma * STEP)
    pooled = min(_POOLED * sigma, _POOLED_AT_MOST)
    shade = cv2.GaussianBlur(band.long, (0, 0), 2 * sigma) if last else np.zeros((), np.float32)
    power = np.maximum((band.long - shade) ** 2, (band.restored - shade) ** 2)
    explained = band.spread**2 + np.float32(min(reach * frequency**2, 2.0)) * power
    found = np.mean(band.difference**2, axis=-1)
    explained, found = (cv2.GaussianBlur(each, (0, 0), pooled) for each in (explained, found))
    return between(found / (explained + np.float32(_FLOOR)), _BEYOND).astype(np.float32)


def _starts(length: int) -> list[int]:
    """Where windows begin, evenly spread."""
    count = min(_WINDOWS, max(1, -(-length // _WINDOW)))
    return [round(i * max(0, length - _WINDOW) / max(1, count - 1)) for i in range(count)]


def added(pixels: NDArray[np.uint16], light: Image) -> None:
    """Add light, as `Gathered.light` gives it, to a picture (H, W, 3), in place."""
    height, width = pixels.shape[:2]
    for top in range(0, height, _STRIP):
        rows = pixels[top : top + _STRIP]
        middle = np.array([[1 / STEP, 0, 0.5 / STEP - 0.5], [0, 1 / STEP, (top + 0.5) / STEP - 0.5]])
        flags = cv2.INTER_LINEAR | cv2.WARP_INVERSE_MAP
        fine = cv2.warpAffine(light, middle, (width, len(rows)), flags=flags, borderMode=cv2.BORDER_REPLICATE)
        rows[...] = np.clip(rows + fine * np.float32(65535) + np.float32(0.5), 0, 65535)


def _powers(short: Image, long: Image, restored: Image) -> Array:
    """By ring, (3, rings): the long frame's power, the scene's, and of both together."""
    found = sectors(*short.shape, _RINGS)
    first, second, third = map(found.waves, (short, long, restored))
    powers = np.abs(second) ** 2, (first * third.conj()).real, (first * second.conj()).real
    return np.array([found.summed(power) for power in powers])
