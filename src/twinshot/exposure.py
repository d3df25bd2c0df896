"""Gain and colour match: bring the short frame to the long frame's exposure."""

from __future__ import annotations

from dataclasses import dataclass, replace
from functools import lru_cache
from typing import Any, Literal

import cv2
import numpy as np
from numpy.typing import NDArray

from .light import Image, to_linear, to_srgb
from .pair import Pair, as_float
from .window import Matrix, Pixels, window

Light = Literal["linear", "srgb"]
_LIGHTS: tuple[Light, ...] = ("linear", "srgb")

_BLOCKS = 16  # on the longer side: so large that noise and blur average out
_LEAST_BLOCKS = 8
_SAMPLES = 64  # pixels a side of a block that its mean is taken over, at least, where it has so many
_FLOOR = 0.05  # darker block means are mostly noise and black level
_CLIPPED = 0.985
_UNSURE = 0.25  # misfit of pixels that know less than EXIF
_LARGEST_ENCODED_GAIN = 4.0  # GOPRO2 scales by 0.3 at least


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
    file), and decide alone where there is no EXIF. The better the frames are registered, the surer they are.

    Args:
        noisy, blurry: pixels of two frames of one size: uint8, uint16 or float32, sRGB-encoded.
        exif_gain: exposure of the blurry frame over the noisy one's.
        matrix: homography of noisy to blurry pixel coordinates, once it is known.
    """
    short, long = _blocks(noisy), _blocks(blurry, matrix)
    fits = [_fit(short, long, light) for light in _LIGHTS]
    if exif_gain is not None:
        return _with_exif(exif_gain, fits[0])
    # No camera scales encoded values: only synthetic sets do, and by little.
    found = [fit for fit in fits if fit and (fit.light == "linear" or max(fit.gain) < _LARGEST_ENCODED_GAIN)]
    return min(found, key=lambda fit: fit.misfit) if found else Exposure((1.0, 1.0, 1.0), "linear", "none")


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


def _with_exif(gain: float, pixels: Exposure | None) -> Exposure:
    if pixels is None or pixels.misfit > _UNSURE:
        return Exposure((gain, gain, gain), "linear", "exif")
    agree = 0.5 < float(np.median(pixels.gain)) / gain < 2
    return replace(pixels, source="exif, refined" if agree else "estimated")


@dataclass(frozen=True)
class _Blocks:
    """Means of each block and channel, (rows, columns, 3): in both lights, and the share of clipped pixels."""

    linear: Image
    srgb: Image
    clipped: Image


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
    linear, srgb, clipped = (np.stack(rows) for rows in zip(*strips, strict=True))
    return _Blocks(linear, srgb, clipped)


def _views(strip: Pixels) -> tuple[Image, Image, Image]:
    """The strip in linear light, sRGB-encoded, and 1 where it is clipped; float32 (h, w, 3)."""
    if strip.dtype == np.float32:
        strip = strip.clip(0, 1)
        return to_linear(strip), strip, (strip > np.float32(_CLIPPED)).astype(np.float32)
    linear, srgb, clipped = (np.asarray(cv2.LUT(strip, table), np.float32) for table in _tables(strip.dtype))
    return linear, srgb, clipped


@lru_cache
def _tables(kind: np.dtype[Any]) -> tuple[Image, Image, Image]:
    """What `_views` says of every code of an integer type, (1, codes, 1): powers are slow to take pixel by pixel."""
    codes = np.arange(np.iinfo(kind).max + 1, dtype=kind)
    return _views(as_float(codes)[None, :, None])


def _fit(noisy: _Blocks, blurry: _Blocks, light: Light) -> Exposure | None:
    """Weighted median ratio of block means a channel, or None where too few blocks are neither dark nor clipped."""
    short, long = getattr(noisy, light), getattr(blurry, light)
    usable = (blurry.srgb > _FLOOR) & (noisy.linear > 1e-4) & (blurry.clipped < 0.02) & (noisy.clipped < 0.02)
    gains, deviations, levels = [], [], []
    for channel in range(3):
        chosen = usable[..., channel]
        if np.count_nonzero(chosen) < _LEAST_BLOCKS:
            return None
        weights = long[..., channel][chosen]
        ratios = weights / short[..., channel][chosen]
        gains.append(_weighted_median(ratios, weights))
        deviations.append(np.log(ratios / np.median(ratios)))
        levels.append(blurry.srgb[..., channel][chosen])
    misfit = _misfit(np.concatenate(deviations), np.concatenate(levels), light)
    return Exposure((gains[0], gains[1], gains[2]), light, "estimated", misfit)


def _misfit(deviations: NDArray[np.float32], levels: NDArray[np.float32], light: Light) -> float:
    """How badly one gain explains all blocks: their spread, and the tilt between dark and bright ones.

    Encoding takes about the 2.2th root, so deviations in linear light count that much less.
    """
    bright = levels >= np.median(levels)
    tilt = abs(float(np.median(deviations[bright]) - np.median(deviations[~bright]))) if (~bright).any() else 0.0
    return (float(np.median(np.abs(deviations))) + tilt) / (2.2 if light == "linear" else 1.0)


def _weighted_median(values: NDArray[np.float32], weights: NDArray[np.float32]) -> float:
    order = np.argsort(values)
    total = np.cumsum(weights[order])
    return float(values[order][np.searchsorted(total, total[-1] / 2)])
