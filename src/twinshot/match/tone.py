"""Gain and colour match: bring the short frame to the long frame's exposure."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from functools import lru_cache
from typing import Any, Literal

import cv2
import numpy as np
from numpy.typing import NDArray

from ..picture.encoding import Image, to_linear, to_srgb
from ..picture.pair import Pair, as_float
from ..picture.window import Matrix, Pixels, window

Light = Literal["linear", "srgb"]

_BLOCKS = 16  # on the longer side: so large that noise averages out
_LEAST_BLOCKS = 8
_SAMPLES = 64  # pixels a side of a block that its mean is taken over, at least, where it has so many
_FLOORS = ((0.05, 0.2), (0.05, 1.0), (0.015, 1.0))  # encoded mean, share of black pixels: the first that leaves enough
_CLIPPED = 0.985
_BLACK = 0.002  # noise below it was cut off, which makes what is left of a dark block too bright
_UNSURE = 0.15  # misfit of pixels that know less than EXIF
_CAST = 0.1  # how far channels usually differ in log gain
_ALIKE = 16  # blocks, as overlapping as they are here, that count for one
_ENCODED_GAINS = (1.15, 4.0)  # GOPRO2 scales by 0.3 to 0.8
_ENCODED_MISFIT = 0.9  # of that in linear light: what scaling encoded values has to come below


@dataclass(frozen=True)
class Exposure:
    """How the noisy frame is brought to the blurry frame's exposure.

    Attributes:
        gain: factor for R, G and B.
        light: in which the gain multiplies; "srgb" for frames scaled after encoding, as GOPRO2's are.
        source: "exif, refined" by the pixels, "exif" alone, "estimated" from the pixels alone, or "none".
        misfit: how badly the gain explains the pictures, about the relative error in encoded values; 0 is perfect.
    """

    gain: tuple[float, float, float]
    light: Light
    source: str
    misfit: float = 0.0


def estimate(noisy: Pixels, blurry: Pixels, exif_gain: float | None = None, matrix: Matrix | None = None) -> Exposure:
    """The gain for each channel that brings the noisy frame to the blurry frame's exposure.

    EXIF gives the gain where it can be had, and says that it multiplies linear light; the pixels refine it a channel,
    from the median ratio of block means. They overrule it where they clearly say otherwise (an edited or brightened
    file), and decide alone where there is no EXIF. The less their ratios agree, the closer the channels' gains are kept
    to EXIF's, or to each other. The better the frames are registered, the surer they are.

    Args:
        noisy, blurry: pixels of two frames of one size: uint8, uint16 or float32, sRGB-encoded.
        exif_gain: exposure of the blurry frame over the noisy one's.
        matrix: homography of noisy to blurry pixel coordinates, once it is known.
    """
    short, long = _blocks(noisy), _blocks(blurry, matrix)
    # Where EXIF knows, blocks that are half noise have nothing to add.
    usable = _usable(short, long, _FLOORS[:1] if exif_gain else _FLOORS)
    if not usable.any():
        return Exposure((exif_gain or 1.0,) * 3, "linear", "exif" if exif_gain else "none")
    linear = _ratios(short, long, usable, "linear")
    if exif_gain is not None:
        return _with_exif(exif_gain, linear)
    return _of_encoded_values(_ratios(short, long, usable, "srgb"), _linear_misfit(linear)) or _exposure(linear)


def colourless(match: Exposure) -> Exposure:
    """One gain for all channels, the middle one: another scene hints at this one's brightness, not at its colours."""
    middle = sorted(match.gain)[1]
    return replace(match, gain=(middle, middle, middle))


def exif_gain(pair: Pair) -> float | None:
    """Exposure of the blurry frame over the noisy one's, by ExposureTime x ISO / F^2, or None."""
    noisy, blurry = pair.noisy.metadata.exposure, pair.blurry.metadata.exposure
    return blurry / noisy if noisy and blurry else None


def apply(pixels: Pixels, exposure: Exposure) -> Image:
    """Pixels (H, W, 3) of any type times the gain in its light, clipped to [0, 1]; sRGB-encoded in and out."""
    if pixels.dtype == np.float32:
        return np.clip(multiplied(pixels, exposure), 0, 1)
    codes = np.arange(np.iinfo(pixels.dtype).max + 1, dtype=pixels.dtype)
    table = np.clip(multiplied(np.repeat(as_float(codes)[None, :, None], 3, axis=2), exposure), 0, 1)
    return np.asarray(cv2.LUT(pixels, table), np.float32)


def multiplied(image: Image, exposure: Exposure) -> Image:
    """As `apply`, for float pixels, but what is brighter than white stays so."""
    gain = np.asarray(exposure.gain, np.float32)
    return to_srgb(to_linear(image) * gain) if exposure.light == "linear" else image * gain


@dataclass(frozen=True)
class _Blocks:
    """Of each block and channel, (rows, columns, 3): means in both lights, shares of clipped and of black pixels."""

    linear: Image
    srgb: Image
    clipped: Image
    black: Image


def _blocks(pixels: Pixels, matrix: Matrix | None = None) -> _Blocks:
    """A strip of blocks at a time, from single pixels: means of noisy values are right in the light they are of alone.

    In sRGB-encoded values noise makes dark blocks darker than they are. Of a large block a lattice of pixels will do.
    """
    height, width = pixels.shape[:2]
    side = max(4, round(max(height, width) / _BLOCKS))
    columns, step = max(1, width // side), max(1, side // _SAMPLES)
    strips = []
    for top in range(0, max(1, height - side + 1), side):
        size = -(-min(side, height - top) // step), -(-width // step)
        views = _views(window(pixels, top, 0, size, matrix, step))
        strips.append([cv2.resize(view, (columns, 1), interpolation=cv2.INTER_AREA)[0] for view in views])
    return _Blocks(*(np.stack(rows) for rows in zip(*strips, strict=True)))


def _views(strip: Pixels) -> tuple[Image, Image, Image, Image]:
    """The strip in linear light, sRGB-encoded, 1 where it is clipped, 1 where it is black; float32 (h, w, 3)."""
    if strip.dtype == np.float32:
        strip = strip.clip(0, 1)
        marks = ((strip > np.float32(_CLIPPED)), (strip < np.float32(_BLACK)))
        return to_linear(strip), strip, marks[0].astype(np.float32), marks[1].astype(np.float32)
    linear, srgb, clipped, black = (np.asarray(cv2.LUT(strip, table), np.float32) for table in _tables(strip.dtype))
    return linear, srgb, clipped, black


@lru_cache
def _tables(kind: np.dtype[Any]) -> tuple[Image, Image, Image, Image]:
    """What `_views` says of every code of an integer type, (1, codes, 1): powers are slow to take pixel by pixel."""
    codes = np.arange(np.iinfo(kind).max + 1, dtype=kind)
    return _views(as_float(codes)[None, :, None])


def _usable(noisy: _Blocks, blurry: _Blocks, floors: Sequence[tuple[float, float]]) -> NDArray[np.bool_]:
    """Which blocks tell a channel's gain: neither clipped nor dark, or dark ones where a night scene has no others."""
    lit = (noisy.linear > 1e-4) & (blurry.clipped < 0.02) & (noisy.clipped < 0.02)
    usable = np.zeros_like(lit)
    for floor, black in reversed(floors):
        chosen = lit & (blurry.srgb > floor) & (noisy.black <= black)
        enough = np.count_nonzero(chosen, axis=(0, 1)) >= _LEAST_BLOCKS
        usable[..., enough] = chosen[..., enough]
    return usable


@dataclass(frozen=True)
class _Ratios:
    """Of a channel's block means, long frame over short one, all (blocks,).

    Attributes:
        logs: of the ratios, in one light.
        weights: the long frame's means in that light.
        levels: the same, sRGB-encoded.
    """

    logs: NDArray[np.float32]
    weights: NDArray[np.float32]
    levels: NDArray[np.float32]

    @property
    def middle(self) -> float:
        """The weighted median of the logs."""
        order = np.argsort(self.logs)
        total = np.cumsum(self.weights[order])
        return float(self.logs[order][np.searchsorted(total, total[-1] / 2)])

    @property
    def error(self) -> float:
        """The standard error of the middle, from the median deviation."""
        spread = float(np.median(np.abs(self.logs - np.median(self.logs))))
        return float(1.86 * spread / np.sqrt(len(self.logs) / _ALIKE))


_Channels = list[_Ratios | None]
"""R, G and B; None where no block tells anything."""


def _ratios(noisy: _Blocks, blurry: _Blocks, usable: NDArray[np.bool_], light: Light) -> _Channels:
    """Of sums over 3x3 blocks: what blur or a mover carries over a block's border then matters less."""

    def pooled(means: Image) -> Image:
        total = cv2.boxFilter(means * usable, -1, (3, 3), normalize=False, borderType=cv2.BORDER_CONSTANT)
        return np.asarray(total, np.float32)

    short, long = pooled(getattr(noisy, light)), pooled(getattr(blurry, light))
    count, level = pooled(np.ones_like(noisy.srgb)), pooled(blurry.srgb)

    def channel(index: int) -> _Ratios | None:
        told = usable[..., index]
        one, other, blocks, encoded = (sums[..., index][told] for sums in (short, long, count, level))
        return _Ratios(np.log(other / one), other / blocks, encoded / blocks) if told.any() else None

    return [channel(index) for index in range(3)]


def _together(channels: _Channels) -> _Ratios:
    """All channels' blocks as if they were of one."""
    found = [ratios for ratios in channels if ratios]
    parts = ([getattr(ratios, name) for ratios in found] for name in ("logs", "weights", "levels"))
    return _Ratios(*(np.concatenate(part) for part in parts))


def _exposure(linear: _Channels, expected: float | None = None) -> Exposure:
    """Each channel's gain, drawn as far as it is unsure to the expected one, or to what the channels share."""
    found = np.array([ratios.middle if ratios else 0.0 for ratios in linear])
    errors = np.array([ratios.error if ratios else np.inf for ratios in linear])
    trust = 1 / (errors**2 + _CAST**2)
    centre = np.log(expected) if expected else trust @ found / trust.sum()
    red, green, blue = np.exp(centre + (found - centre) * trust * _CAST**2).tolist()
    return Exposure((red, green, blue), "linear", "exif, refined" if expected else "estimated", _linear_misfit(linear))


def _with_exif(gain: float, linear: _Channels) -> Exposure:
    if _linear_misfit(linear) > _UNSURE:
        return Exposure((gain, gain, gain), "linear", "exif")
    free = _exposure(linear)
    agree = 0.5 < float(np.median(free.gain)) / gain < 2
    return _exposure(linear, gain) if agree else free


def _of_encoded_values(srgb: _Channels, linear_misfit: float) -> Exposure | None:
    """One gain for all channels of encoded values, where it explains the blocks better by far.

    No camera scales encoded values: only synthetic sets do, and within limits.
    """
    ratios = _together(srgb)
    gain, misfit = float(np.exp(ratios.middle)), _misfit(ratios.logs - np.median(ratios.logs), ratios.levels, "srgb")
    if not _ENCODED_GAINS[0] < gain < _ENCODED_GAINS[1] or misfit > _ENCODED_MISFIT * linear_misfit:
        return None
    return Exposure((gain, gain, gain), "srgb", "estimated", misfit)


def _linear_misfit(linear: _Channels) -> float:
    """How badly one gain a channel explains the blocks."""
    centred = [replace(ratios, logs=ratios.logs - np.median(ratios.logs)) for ratios in linear if ratios]
    together = _together(list(centred))
    return _misfit(together.logs, together.levels, "linear")


def _misfit(deviations: NDArray[np.float32], levels: NDArray[np.float32], light: Light) -> float:
    """How badly one gain explains all blocks: their spread, and the tilt between dark and bright ones.

    Encoding takes about the 2.2th root, so deviations in linear light count that much less.
    """
    bright = levels >= np.median(levels)
    tilt = abs(float(np.median(deviations[bright]) - np.median(deviations[~bright]))) if (~bright).any() else 0.0
    return (float(np.median(np.abs(deviations))) + tilt) / (2.2 if light == "linear" else 1.0)
